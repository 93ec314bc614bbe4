"""Scores of verdicts as tables and pictures; they are beyond the paper, which scores its fits."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from metaseg_tf.meta.score import Scores
from metaseg_tf.paper.layout import NOT_AVAILABLE, PrintedTable
from metaseg_tf.runs.run import Run, csv_text

__all__ = ["lay_out_differences", "lay_out_scores", "say_scores", "store_scores"]

_WORDS = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "accuracy": "accuracy",
    "cost": "mean cost",
    "ece": "calibration error (ECE)",
    "ece_calibrated": "  by chance, if calibrated",
    "brier": "Brier score",
    "aurc": "AURC",
    "augrc": "AUGRC",
    "r2": "R²",
    "r2_clipped": "R², clipped to [0, 1]",
    "sigma": "σ",
    "sigma_clipped": "σ, clipped to [0, 1]",
}
#: Intervals of fewer images hold less often than they say (docs/statistics.md).
_FEW = 20
#: Group of segments -> heading of its column.
_COLUMNS = {("all", ""): "all segments", ("interior", "with interior"): "with interior"}


def say_scores(found: pd.DataFrame, sign: str = "") -> dict[str, str]:
    """Scores in words -> value and interval, of a frame as `Scores.group` gives it."""
    return {
        words: _cell(*found.loc[name], sign)
        for name, words in _WORDS.items()
        if name in found.index
    }


def lay_out_scores(scores: Scores, title: str) -> list[PrintedTable]:
    """All scores of all segments and of those with interior, then a few by class and by size."""
    columns = {key: say_scores(scores.group(*key)) for key in _COLUMNS if key in scores.drawn}
    rows = tuple((words, *(own[words] for own in columns.values())) for words in _WORDS.values())
    facts = scores.table.iloc[0]
    caption = (
        f"{title}: {facts['segments']} segments of {facts['images']} images, "
        f"{facts['false_positives']} of them false positives. In brackets 95 % intervals by "
        f"bootstrap over images. A segment counts as rejected from a probability of "
        f"{scores.threshold:.3g} on."
    )
    if facts["images"] < _FEW:
        caption += f" Of fewer than {_FEW} images, intervals are somewhat too narrow."
    header = ("score", *(_COLUMNS[key] for key in columns))
    tables = [PrintedTable("scores", caption, header, rows)]
    for group in ("class", "size"):
        own = scores.table[scores.table["group"] == group]
        lines = []
        for of, frame in own.groupby("of", sort=False):
            counts = frame[["segments", "false_positives"]].iloc[0]
            cells = say_scores(scores.group(group, of))
            lines.append((of, *map(str, counts), cells["AUROC"], cells["R²"]))
        if lines:
            header = (group, "segments", "false", "AUROC", "R²")
            tables.append(
                PrintedTable(f"scores_by_{group}", f"{title}, by {group}.", header, tuple(lines))
            )
    return tables


def lay_out_differences(differences: pd.DataFrame, titles: tuple[str, str]) -> PrintedTable:
    """Paired differences of all scores, second less first."""
    found = differences.set_index(["group", "of", "score"])[["difference", "low", "high"]]
    columns = {
        key: say_scores(found.loc[key], "+") for key in _COLUMNS if key in found.index.droplevel(2)
    }
    rows = tuple((words, *(own[words] for own in columns.values())) for words in columns["all", ""])
    caption = (
        f"{titles[1]} less {titles[0]}. In brackets 95 % intervals by bootstrap over the images "
        "that both share; one that contains 0 shows no difference."
    )
    return PrintedTable(
        "differences", caption, ("score", *(_COLUMNS[key] for key in columns)), rows
    )


def _cell(value: float, low: float, high: float, sign: str = "") -> str:
    if np.isnan(value):
        return NOT_AVAILABLE
    known = [x for x in (value, low, high) if not np.isnan(x)]
    value, *ends = (f"{x:{sign}.3f}" if x > -9.9995 else "<-10" for x in known)
    return f"{value} [{', '.join(ends)}]" if ends else value


def store_scores(
    run: Run, found: Mapping[str, Scores], differences: pd.DataFrame | None = None
) -> list[Path]:
    """Write tables as CSV, and both diagrams, into ``RUN/scores/``; returns their paths.

    ``found`` are one or two sets of scores by title.
    """
    from metaseg_tf.paper.figures import drawing
    from metaseg_tf.paper.figures.scores import draw_scores

    paths = []
    frames = [scores.table.assign(verdicts=title) for title, scores in found.items()]
    paths.append(run.write_text("scores/scores.csv", csv_text(pd.concat(frames))))
    if differences is not None:
        paths.append(run.write_text("scores/differences.csv", csv_text(differences)))
    with drawing.styled():
        for name, drawn in draw_scores(found):
            paths += drawing.store_drawing(drawn, run, f"scores/{name}")
    return paths
