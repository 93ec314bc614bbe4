"""Figure 6: each metric against IoU_adj, with its correlation."""

from collections.abc import Sequence
from itertools import zip_longest

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.ticker import FixedLocator

from metaseg_tf.paper.figures import drawing
from metaseg_tf.paper.measured import compute_correlations
from metaseg_tf.runs.run import Run
from metaseg_tf.segments.columns import GROUPS, METRIC_COLUMNS, METRICS

__all__ = ["draw", "frame", "plot"]


def frame(table: pd.DataFrame) -> pd.DataFrame:
    """``image``, ``segment``, the 15 metrics and ``iou_adj`` of all segments with interior."""
    kept = table.loc[table["S_in"] > 0, ["image", "segment", *METRIC_COLUMNS, "iou_adj"]]
    return kept.reset_index(drop=True)


def plot(segments: pd.DataFrame, metric: str, rho: float, ax: Axes) -> PathCollection:
    """One scatter plot; what has no upper bound is on a logarithmic axis, which rho is not."""
    column = next(c for c in METRICS if c.name == metric)
    colour, n = GROUPS[column.group].colour, len(segments)
    look = {"color": colour, "s": drawing.point_area(n), "alpha": drawing.point_alpha(n) / 2}
    ious = segments["iou_adj"]
    points = ax.scatter(segments[metric], ious, linewidths=0, rasterized=True, **look)
    unit = f" in {column.unit}s" if column.unit != "1" else ""
    ax.set(xlabel=f"${column.symbol}${unit}", ylim=(-0.03, 1.03))
    ax.set_title(f"ρ = {rho:.5f}" if np.isfinite(rho) else "ρ undefined", size=8.5)
    if column.group == "size":
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter("{x:g}")
    elif np.isinf(column.range[1]):
        # Relative dispersions can be 0: the axis is linear near it.
        lowest = segments[metric].min()
        ax.set_xscale("asinh", linear_width=0.1)
        ax.xaxis.set_major_locator(FixedLocator([0, 0.1, 0.3, 1, 3, 10, 30, 100]))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.set_xlim(left=0.9 * lowest if lowest > 0 else -0.01)
    return points


def draw(runs: Sequence[Run]) -> drawing.Drawing:
    """Three columns of panels for E, D and S, in the order of the segment table."""
    (run,) = runs
    table = drawing.load_judged(run)
    rho, segments = compute_correlations(table), frame(table)
    # The panels are all alike, so that they need no engine to be laid out, which takes seconds.
    figure = drawing.new_figure(7.4, 9.6, layout=None)
    margins = {"left": 0.08, "right": 0.985, "top": 0.935, "bottom": 0.055}
    figure.subplots_adjust(**margins, hspace=0.7, wspace=0.08)
    axes = figure.subplots(-(-len(METRIC_COLUMNS) // 3), 3, sharey=True)
    for ax, metric in zip_longest(axes.T.ravel(), METRIC_COLUMNS):
        if metric is None:
            ax.remove()
        else:
            plot(segments, metric, rho[metric], ax)
    for ax in axes[:, 0]:
        ax.set_ylabel(drawing.IOU_LABEL)
    figure.suptitle(f"{drawing.title_of(run)}, {len(segments)} segments", size=10)
    return drawing.Drawing(figure, {"": segments, "rho": rho.rename_axis("metric").reset_index()})
