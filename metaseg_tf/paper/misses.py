"""Tables and the picture of what a network missed, which is beyond the paper."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from metaseg_tf.analysis.misses import FOUND, rank_misses, score_misses
from metaseg_tf.analysis.scores import group_by_size
from metaseg_tf.paper.figures import drawing
from metaseg_tf.paper.layout import NOT_AVAILABLE, PrintedTable
from metaseg_tf.runs.run import Run, csv_text

__all__ = ["frame", "lay_out_misses", "plot", "plot_classes", "store_misses"]

_COUNTS = ("components", "overlooked", "found_25", "found_50", "found_75")
_SCORES = ("recall", "f1", "pq", "sq", "rq")
_WORDS = {"found_25": "sIoU > .25", "found_50": "> .5", "found_75": "> .75", "f1": "F1"}


def lay_out_misses(scores: pd.DataFrame, run: Run) -> list[PrintedTable]:
    """Tables by class and by size of a frame as `score_misses` gives it."""
    captions = {
        "misses": "Components of the ground truth, those without a pixel predicted as their class, "
        "those found, mean recall and F1 over sIoU thresholds from .25 to .75, and panoptic "
        "quality.",
        "misses_by_size": "The same by size.",
    }
    tables = []
    for title, caption in captions.items():
        is_size = title != "misses"
        own = scores[(scores["group"] == "size") == is_size]
        shown = (*_COUNTS, *_SCORES[: 2 if is_size else None])
        header = ("size" if is_size else "class", *(_WORDS.get(c, c) for c in shown))
        header = tuple(name.upper() if name in ("pq", "sq", "rq") else name for name in header)
        rows = []
        for row in own.to_dict("records"):
            counts = [str(row[name]) for name in _COUNTS]
            values = [row[name] for name in shown[len(_COUNTS) :]]
            said = [NOT_AVAILABLE if np.isnan(value) else f"{value:.3f}" for value in values]
            rows.append((row["of"] or "all", *counts, *said))
        tables.append(PrintedTable(title, f"{run.name}: {caption}", header, tuple(rows)))
    return tables


def frame(truth: pd.DataFrame) -> pd.DataFrame:
    """Recall, the share of components found, at thresholds of sIoU from 0 to 1, by size.

    Columns ``size``, ``components``, ``threshold`` and ``recall`` in [0, 1]; sizes that occur.
    """
    thresholds = np.arange(0, 101, 5) / 100
    siou, parts = truth["siou"].to_numpy(), []
    for name, own in group_by_size(truth["size"].to_numpy()).items():
        if own.any():
            recall = (siou[own][:, None] > thresholds).mean(axis=0)
            part = {"size": name, "components": own.sum(), "threshold": thresholds}
            parts.append(pd.DataFrame(part | {"recall": recall}))
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


def plot_classes(scores: pd.DataFrame, ax: Axes) -> list:
    """Shares of the components of each class that are overlooked, missed otherwise, and found."""
    own = scores[(scores["group"] == "class") & (scores["components"] > 0)]
    n, overlooked, found = (own[c].to_numpy(float) for c in ("components", *_COUNTS[1:3]))
    parts = {"overlooked": overlooked, "missed": n - overlooked - found, "found": found}
    colours, begin, bars = (drawing.VERMILION, drawing.ORANGE, drawing.BLUE), np.zeros(len(n)), []
    for (label, count), colour in zip(parts.items(), colours, strict=True):
        bars.append(ax.barh(range(len(n)), count / n, left=begin, color=colour, label=label))
        begin += count / n
    names = [drawing.plain(name) for name in own["of"]]
    ax.set(yticks=range(len(n)), yticklabels=names, ylim=(len(n) - 0.5, -0.5), xlim=(0, 1))
    ax.set(xlabel="share of components")
    return bars


def store_misses(run: Run) -> tuple[pd.DataFrame, list[PrintedTable], list[Path]]:
    """Score what a run missed, and write tables, data and picture into ``RUN/misses/``.

    Returns the frame of `metaseg_tf.analysis.misses.score_misses`, its tables, and the paths.
    Raises InputError if the run does not keep the ground truth's components.
    """
    truth, classes = run.load_truth(), run.classes
    scores = score_misses(truth, drawing.load_judged(run), classes)
    tables = lay_out_misses(scores, run)
    paths = [run.write_text("misses/scores.csv", csv_text(scores))]
    paths.append(run.write_text("misses/missed.csv", csv_text(rank_misses(truth, classes), "%.7g")))
    for table in tables:
        for suffix, text in table.formats().items():
            paths.append(run.write_text(f"misses/{table.title}.{suffix}", text))
    with drawing.styled():
        figure = drawing.new_figure(8.2, max(3.2, 1 + 0.2 * (scores["group"] == "class").sum()))
        left, right = figure.subplots(1, 2)
        left.legend(handles=plot(recall := frame(truth), left), title="pixels (components)")
        left.axvline(FOUND, color=drawing.GREY, linewidth=0.8, linestyle="--")
        bars = plot_classes(scores, right)
        figure.legend(handles=bars, loc="outside lower right", ncols=len(bars))
        picture = drawing.Drawing(figure, {"": recall})
        paths += drawing.store_drawing(picture, run, "misses/recall")
    return scores, tables, paths
