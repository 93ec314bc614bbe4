"""Tables and the picture of what a network missed, which is beyond the paper."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from metaseg_tf.analysis.misses import rank_misses, score_misses
from metaseg_tf.analysis.scores import group_by_size
from metaseg_tf.paper.figures import drawing
from metaseg_tf.paper.layout import NOT_AVAILABLE, PrintedTable
from metaseg_tf.runs.run import Run, csv_text

__all__ = ["frame", "lay_out_misses", "plot", "store_misses"]

#: Column of the scores -> its heading in print, which fits a terminal.
_SHOWN = {"components": "components", "overlooked": "overlooked", "found_25": "found"}
_SHOWN |= {"recall": "recall", "f1": "F1", "pq": "PQ"}


def lay_out_misses(scores: pd.DataFrame, run: Run) -> PrintedTable:
    """The table of a frame as `metaseg_tf.analysis.misses.score_misses` gives it."""

    def say(value: float) -> str:
        if value != value:
            return NOT_AVAILABLE
        return f"{value:.3f}" if isinstance(value, float) else str(value)

    caption = (
        f"{run.name}: components of the ground truth, those without a pixel predicted as their "
        "class, those found (sIoU > .25), mean recall and F1 over thresholds of sIoU from .25 to "
        ".75, and panoptic quality."
    )
    rows = scores.to_dict("records")
    cells = ((row["of"] or "all", *(say(row[name]) for name in _SHOWN)) for row in rows)
    return PrintedTable("misses", caption, ("", *_SHOWN.values()), tuple(cells))


def frame(truth: pd.DataFrame) -> pd.DataFrame:
    """``recall``, the share of ``components`` found, by ``size`` and ``threshold`` of sIoU."""
    thresholds, parts = np.arange(0, 101, 5) / 100, []
    for name, own in group_by_size(truth["size"].to_numpy()).items():
        siou = truth["siou"].to_numpy()[own]
        if len(siou):
            part = {"size": name, "components": len(siou), "threshold": thresholds}
            part["recall"] = (siou[:, None] > thresholds).mean(axis=0)
            parts.append(pd.DataFrame(part))
    columns = ["size", "components", "threshold", "recall"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def plot(recall: pd.DataFrame, ax: Axes) -> list[Line2D]:
    """Recall curves, one per size."""
    lines = []
    by_size = recall.groupby("size", sort=False)
    for (name, own), colour in zip(by_size, drawing.LINE_COLOURS, strict=False):
        label = f"{name} ({own['components'].iloc[0]})"
        lines += ax.plot(own["threshold"], own["recall"], color=colour, label=label)
    ax.set(xlabel="threshold of sIoU", ylabel="share found", xlim=(0, 1), ylim=(0, 1))
    return lines


def store_misses(
    run: Run, formats: Collection[str] = tuple(drawing.FORMATS)
) -> tuple[pd.DataFrame, PrintedTable, list[Path]]:
    """Score what a run missed, and write table, data and picture into ``RUN/misses/``.

    Returns the frame of `metaseg_tf.analysis.misses.score_misses`, its table, and the paths. Raises
    InputError if the run does not keep the ground truth's components.
    """
    truth, classes = run.load_truth(), run.classes
    scores = score_misses(truth, drawing.load_judged(run), classes)
    table = lay_out_misses(scores, run)
    texts = {
        "scores.csv": csv_text(scores),
        "missed.csv": csv_text(rank_misses(truth, classes), "%.7g"),
        **{f"misses.{suffix}": text for suffix, text in table.formats().items()},
    }
    paths = [run.write_text(f"misses/{name}", text) for name, text in texts.items()]
    with drawing.styled():
        figure, recall = drawing.new_figure(5, 3.6), frame(truth)
        lines = plot(recall, figure.subplots())
        title = "size (number of components)"
        figure.legend(handles=lines, title=title, loc="outside lower center", ncols=2)
        picture = drawing.Drawing(figure, {"": recall})
        return scores, table, paths + drawing.store_drawing(picture, run, "misses/recall", formats)
