"""The table and the picture of an ablation, which is beyond the paper."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer

from metaseg_tf.analysis.verdict_scores import SCORES
from metaseg_tf.errors import number_of
from metaseg_tf.paper.figures import drawing
from metaseg_tf.paper.layout import PrintedTable
from metaseg_tf.paper.scores import say_scores
from metaseg_tf.runs.run import Run, csv_text

__all__ = ["lay_out_ablation", "plot_differences", "store_ablation"]

_SHOWN = ("auroc", "auprc", "r2", "ece")
_INTERVAL = ["value", "low", "high"]
_DIFFERENCE = ["difference", "difference_low", "difference_high"]


def lay_out_ablation(found: pd.DataFrame, run: Run, images: int) -> list[PrintedTable]:
    """AUROC, AUPRC, R2 and ECE of a frame as `metaseg_tf.ablate` gives it, and differences."""
    by = found.set_index("score").groupby(["metrics", "meta"], sort=False)
    header = ("metrics", "meta", *(SCORES[name].split(" (")[0] for name in _SHOWN))
    captions = {
        "ablation": (
            _INTERVAL,
            "",
            f"{run.name}: scores on segments with interior of {number_of(images, 'image')}, each "
            "held out once. In brackets 95 % intervals by bootstrap over images.",
        ),
        "ablation_differences": (
            _DIFFERENCE,
            "+",
            f"{run.name}: differences to the first row of the table of scores, in the same draws "
            "of images; an interval that contains 0 shows no difference.",
        ),
    }
    tables = []
    for title, (columns, sign, caption) in captions.items():
        rows = []
        for key, own in by:
            said = say_scores(own[columns].set_axis(_INTERVAL, axis=1), sign)
            rows.append((*key, *(said[SCORES[name]] for name in _SHOWN)))
        rows = rows[title != "ablation" :]
        tables.append(PrintedTable(title, caption, header, tuple(rows)))
    return tables


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
    ax.axvline(0, color=drawing.BLACK, linewidth=0.9, linestyle="--")
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
