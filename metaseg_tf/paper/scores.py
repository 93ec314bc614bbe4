"""Scores of verdicts, and ablations of them, as tables and pictures: beyond the paper's own."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer

from metaseg_tf.analysis.verdict_scores import SCORES
from metaseg_tf.errors import number_of
from metaseg_tf.meta.score import Scores
from metaseg_tf.paper.figures import drawing
from metaseg_tf.paper.layout import NOT_AVAILABLE, PrintedTable
from metaseg_tf.runs.run import Run, csv_text

__all__ = [
    "draw_scores", "lay_out_ablation", "lay_out_differences", "lay_out_scores", "plot_differences",
    "say_scores", "store_ablation", "store_scores",
]  # fmt: skip

#: Intervals of fewer images hold less often than they say (docs/statistics.md).
_FEW = 20
_COLOURS = (drawing.BLUE, drawing.VERMILION)
#: Group of segments -> heading of its column.
_COLUMNS = {("all", ""): "all segments", ("interior", "with interior"): "with interior"}
#: The scores that tables of ablations show.
_ABLATED = ("auroc", "auprc", "r2", "ece")
_DIFFERENCE = ["difference", "difference_low", "difference_high"]


def say_scores(found: pd.DataFrame, sign: str = "") -> dict[str, str]:
    """Names of scores -> value and interval, of a frame as `Scores.group` gives it."""

    def say(value: float, low: float, high: float) -> str:
        if np.isnan(value):
            return NOT_AVAILABLE
        known = [x for x in (value, low, high) if not np.isnan(x)]
        value, *ends = (f"{x:{sign}.3f}" if x > -9.9995 else "<-10" for x in known)
        return f"{value} [{', '.join(ends)}]" if ends else value

    return {words: say(*found.loc[key]) for key, words in SCORES.items() if key in found.index}


def lay_out_scores(scores: Scores, title: str) -> list[PrintedTable]:
    """All scores of all segments and of those with interior, then a few by class and by size."""
    facts = scores.table.iloc[0]
    caption = (
        f"{title}: {number_of(facts['segments'], 'segment')} of "
        f"{number_of(facts['images'], 'image')}, {facts['false_positives']} of them false "
        "positives. In brackets 95 % intervals by bootstrap over images. A segment counts as "
        f"rejected from a probability of {scores.threshold:.3g} on."
    )
    if facts["images"] < _FEW:
        caption += f" Of fewer than {_FEW} images, intervals are somewhat too narrow."
    groups = {key: scores.group(*key) for key in scores.drawn}
    tables = [_lay_out("scores", caption, {key: say_scores(groups[key]) for key in groups})]
    counts = scores.table.groupby(["group", "of"])[["segments", "false_positives"]].first()
    for group in ("class", "size"):
        rows = []
        for key in (key for key in groups if key[0] == group):
            said = say_scores(groups[key])
            rows.append((key[1], *map(str, counts.loc[key]), said["AUROC"], said["R²"]))
        if rows:
            about = f"scores_by_{group}", f"{title}, by {group}."
            header = (group, "segments", "false", "AUROC", "R²")
            tables.append(PrintedTable(*about, header, tuple(rows)))
    return tables


def lay_out_differences(differences: pd.DataFrame, titles: tuple[str, str]) -> PrintedTable:
    """Paired differences of all scores, second less first."""
    found = differences.set_index("score").groupby(["group", "of"])
    columns = ["difference", "low", "high"]
    caption = (
        f"{titles[1]} less {titles[0]}. In brackets 95 % intervals by bootstrap over the images "
        "that both share; one that contains 0 shows no difference."
    )
    said = {key: say_scores(own[columns], "+") for key, own in found}
    return _lay_out("differences", caption, said)


def _lay_out(title: str, caption: str, said: Mapping[tuple[str, str], dict]) -> PrintedTable:
    shown = {words: said[key] for key, words in _COLUMNS.items() if key in said}
    rows = ((name, *(own[name] for own in shown.values())) for name in SCORES.values())
    return PrintedTable(title, caption, ("score", *shown), tuple(rows))


def store_scores(
    run: Run, found: Mapping[str, Scores], differences: pd.DataFrame | None = None
) -> list[Path]:
    """Write tables and diagrams of scores, by title, into ``RUN/scores/``; returns their paths."""
    frames = [scores.table.assign(verdicts=title) for title, scores in found.items()]
    paths = [run.write_text("scores/scores.csv", csv_text(pd.concat(frames)))]
    if differences is not None:
        paths.append(run.write_text("scores/differences.csv", csv_text(differences)))
    with drawing.styled():
        for name, drawn in draw_scores(found):
            paths += drawing.store_drawing(drawn, run, f"scores/{name}")
    return paths


def draw_scores(found: Mapping[str, Scores]) -> Iterator[tuple[str, drawing.Drawing]]:
    """Name and drawing of the reliability diagram and of the risk-coverage curve."""
    for name, draw in (("reliability", _draw_reliability), ("risk_coverage", _draw_risk_coverage)):
        figure = drawing.new_figure(4.6, 4.4)
        draw(figure.subplots(), found)
        frames = {title: getattr(scores, name) for title, scores in found.items()}
        data = pd.concat(frames, names=["verdicts"]).reset_index("verdicts")
        yield name, drawing.Drawing(figure, {"": data})


def _draw_reliability(ax, found):
    ax.plot([0, 1], [0, 1], label="calibrated", **drawing.REFERENCE)
    for (title, scores), colour in zip(found.items(), _COLOURS, strict=False):
        bins = scores.reliability
        errors = np.abs(bins[["low", "high"]].sub(bins["observed"], axis=0)).T.to_numpy()
        look = {"color": colour, "marker": "o", "markersize": 4, "capsize": 2, "linewidth": 1}
        label = f"{title}: ECE {scores.group().loc['ece', 'value']:.3f}"
        ax.errorbar(bins["predicted"], bins["observed"], errors, label=label, **look)
    ax.set(xlabel="predicted probability of a false positive", xlim=(0, 1), aspect="equal")
    ax.set(ylabel="observed share of false positives", ylim=(0, 1))
    ax.set(title="Reliability, with 95 % intervals by images")
    ax.legend(loc="upper left")


def _draw_risk_coverage(ax, found):
    for (title, scores), colour in zip(found.items(), _COLOURS, strict=False):
        curve, area = scores.risk_coverage, scores.group().loc["aurc", "value"]
        label = f"{title}: AURC {area:.3f}"
        ax.plot(curve["coverage"], curve["risk"], color=colour, linewidth=1.6, label=label)
        ideal = {"color": colour, "linewidth": 1, "linestyle": ":", "label": "ordered by the truth"}
        ax.plot(curve["coverage"], curve["ideal"], **ideal)
    ax.axhline(curve["risk"].iloc[-1], label="in random order", **drawing.REFERENCE)
    ax.set(xlabel="share of segments kept, best predictions first", xlim=(0, 1))
    ax.set(ylabel=f"mean 1 - {drawing.IOU_LABEL} of those kept", ylim=(0, None))
    ax.set(title="What is left if doubtful segments are left out")
    ax.legend(loc="upper left", bbox_to_anchor=(0, -0.16))


def lay_out_ablation(found: pd.DataFrame, run: Run, images: int) -> list[PrintedTable]:
    """AUROC, AUPRC, R2 and ECE of a frame as `metaseg_tf.ablate` gives it, and differences."""
    by = found.set_index("score").groupby(["metrics", "meta"], sort=False)
    header = ("metrics", "meta", *(SCORES[name].split(" (")[0] for name in _ABLATED))

    def lay_out(title, columns, sign, caption):
        said = {key: say_scores(own[columns], sign) for key, own in by}
        rows = ((*key, *(own[SCORES[name]] for name in _ABLATED)) for key, own in said.items())
        return PrintedTable(title, f"{run.name}: {caption}", header, tuple(rows))

    about = (
        f"scores on segments with interior of {number_of(images, 'image')}, each held out once. In "
        "brackets 95 % intervals by bootstrap over images."
    )
    scores = lay_out("ablation", ["value", "low", "high"], "", about)
    about = (
        "differences to the first row of the table of scores, in the same draws of images; an "
        "interval that contains 0 shows no difference."
    )
    differences = lay_out("ablation_differences", _DIFFERENCE, "+", about)
    return [scores, replace(differences, rows=differences.rows[1:])]


def plot_differences(found: pd.DataFrame, score: str, ax: Axes) -> list[ErrorbarContainer]:
    """Paired differences of one score with 95 % intervals; a row per set of metrics."""
    own = found[found["score"] == score]
    names, estimators = own["metrics"].unique(), own["meta"].unique()
    bars = []
    for j, (name, colour) in enumerate(zip(estimators, drawing.LINE_COLOURS, strict=False)):
        values, low, high = own[own["meta"] == name][_DIFFERENCE].to_numpy().T
        at = np.arange(len(values)) + 0.25 * (j - (len(estimators) - 1) / 2)
        look = {"fmt": "o", "color": colour, "markersize": 4, "capsize": 2, "linewidth": 1.2}
        errors = np.abs([values - low, high - values])
        bars.append(ax.errorbar(values, at, xerr=errors, label=name, **look))
    ax.axvline(0, **drawing.REFERENCE)
    ax.set(title=SCORES[score], yticks=range(len(names)), yticklabels=names)
    ax.set(xlabel="difference to the paper's own", ylim=(len(names) - 0.5, -0.5))
    return bars


def store_ablation(found: pd.DataFrame, run: Run, images: int) -> list[Path]:
    """Write tables, data and picture into ``RUN/ablation/``; returns their paths."""
    paths = [run.write_text("ablation/scores.csv", csv_text(found))]
    for table in lay_out_ablation(found, run, images):
        for suffix, text in table.formats().items():
            paths.append(run.write_text(f"ablation/{table.title}.{suffix}", text))
    with drawing.styled():
        figure = drawing.new_figure(7.4, 1.6 + 0.3 * found["metrics"].nunique())
        axes = figure.subplots(1, 2, sharey=True)
        for score, ax in zip(("auroc", "r2"), axes, strict=True):
            bars = plot_differences(found, score, ax)
        figure.legend(handles=bars, loc="outside lower center", ncols=len(bars))
        paths += drawing.store_drawing(drawing.Drawing(figure, {}), run, "ablation/ablation")
    return paths
