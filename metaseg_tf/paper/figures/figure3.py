"""Figure 3: predicted against true IoU_adj of all segments."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.lines import Line2D

from metaseg_tf.analysis.evaluation import Evaluation, evaluate_run
from metaseg_tf.analysis.protocol import PAPER_PROTOCOL
from metaseg_tf.analysis.scores import r2, sigma
from metaseg_tf.paper.figures import drawing
from metaseg_tf.runs.run import Run

__all__ = ["draw", "frame", "plot"]

#: Area in points squared of the largest dot, and the least that can be seen.
_LARGEST, _SMALLEST = 400.0, 0.8


def frame(evaluation: Evaluation, table: pd.DataFrame) -> pd.DataFrame:
    """``iou_adj`` and ``predicted`` of every segment with interior, by split 0's linear regression.

    Both halves are shown, as the caption of the paper says ("all connected components"); ``part``
    (train or validation) tells them apart. Predictions are not clipped.
    """
    design = evaluation.design
    trains = evaluation.protocol.draw_splits(design)[0]
    kept = table.iloc[design.rows][["image", "segment", "S"]].reset_index(drop=True)
    return kept.assign(
        part=np.where(trains, "train", "validation"),
        iou_adj=design.iou_adj,
        predicted=evaluation.regressions["iou_adj"].predicted,
    )


def plot(segments: pd.DataFrame, largest: int, ax: Axes) -> PathCollection:
    """Scatter plot of a `frame`; dot areas are as S to ``largest``, or larger so as to be seen."""
    ordered = segments.sort_values("S", ascending=False, kind="stable")
    alpha = min(1.5 * drawing.point_alpha(len(segments)), 0.7)
    look = {"alpha": alpha, "color": drawing.BLUE, "linewidths": 0, "rasterized": True}
    areas = _areas(ordered["S"], largest)
    points = ax.scatter(ordered["iou_adj"], ordered["predicted"], s=areas, **look)
    ax.plot([0, 1], [0, 1], color=drawing.BLACK, linewidth=0.8, linestyle="--")
    ax.set(xlabel=drawing.IOU_LABEL, ylabel=f"predicted {drawing.IOU_LABEL}", xlim=(-0.05, 1.08))
    held_out = segments[segments["part"] == "validation"]
    scores = (s(held_out["predicted"].to_numpy(), held_out["iou_adj"]) for s in (r2, sigma))
    title = "validation: $R^2$ = {:.2%}, $\\sigma$ = {:.3f}".format(*scores)
    ax.set_title(title.replace("-", "\N{MINUS SIGN}"), size=8)
    return points


def draw(runs: Sequence[Run], *, engine: str = PAPER_PROTOCOL.engine) -> drawing.Drawing:
    """One panel per network, on common axes."""
    frames = {
        run.name: frame(evaluate_run(run, engine=engine), drawing.load_judged(run)) for run in runs
    }
    largest = max(segments["S"].max() for segments in frames.values())
    figure = drawing.new_figure(0.4 + 3.6 * len(runs), 4.4)
    axes = figure.subplots(1, len(runs), sharey=True, squeeze=False)[0]
    for ax, run in zip(axes, runs, strict=True):
        plot(frames[run.name], largest, ax)
        ax.set_title(f"{drawing.title_of(run)}\n{ax.get_title()}", size=9)
        ax.label_outer()
    look = {"linestyle": "", "marker": "o", "markeredgewidth": 0, "alpha": 0.6}
    powers = np.floor(np.log10(largest)) + np.arange(-2, 1)
    sizes = [
        Line2D([], [], markersize=side, color=drawing.BLUE, label=f"$10^{{{power:.0f}}}$", **look)
        for power, side in zip(powers, _areas(10.0**powers, largest) ** 0.5, strict=True)
    ]
    figure.legend(handles=sizes, title="$S$ in pixels", loc="outside lower center", ncols=4)
    joined = pd.concat(frames, names=["network", None]).reset_index(level=0)
    return drawing.Drawing(figure, {"": joined})


def _areas(S, largest):
    return np.maximum(_LARGEST * S / largest, _SMALLEST)
