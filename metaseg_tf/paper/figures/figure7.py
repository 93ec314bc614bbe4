"""Figure 7: where IoU and IoU_adj differ most, with a detail view."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.patches import Rectangle

from metaseg_tf.data.cityscapes import name_classes
from metaseg_tf.paper.figures.drawing import Drawing
from metaseg_tf.paper.figures.painting import (
    class_patches,
    overlay_classes,
    paint_values,
    show_picture,
)
from metaseg_tf.paper.figures.style import IOU_LABEL, IOU_MAP, new_figure
from metaseg_tf.paper.figures.subject import (
    choose_image,
    load_judged,
    load_judged_maps,
    segments_of,
    title_of,
)
from metaseg_tf.runs.image_maps import ImageMaps
from metaseg_tf.runs.run import Run
from metaseg_tf.segments.columns import BOX, count_classes

__all__ = ["crucial_segment", "difference", "draw", "frame", "plot", "window_around"]

_COLUMNS = ("segment", "class_id", "S", "S_in", *BOX, "iou", "iou_adj")


def difference(table: pd.DataFrame) -> pd.Series:
    """How telling a segment is: (IoU_adj - IoU) times the logarithm of its size.

    The logarithm lets neither a sliver nor a slight difference on a road be the largest. Segments
    without interior, which are not analysed, have 0.
    """
    gap = (table["iou_adj"] - table["iou"]) * np.log(table["S"])
    return gap.where(table["S_in"] > 0, 0.0)


def frame(table: pd.DataFrame, image: str) -> pd.DataFrame:
    """The segments of one image with both IoUs, the most telling first.

    Returns
    -------
    DataFrame
        ``segment``, ``class_id``, ``S``, ``S_in``, the box, ``iou``, ``iou_adj``, ``class``,
        ``difference``.
    """
    own = segments_of(table, image, _COLUMNS)
    shown = own.assign(difference=difference(own))
    return shown.sort_values("difference", ascending=False, kind="stable", ignore_index=True)


def crucial_segment(segments: pd.DataFrame) -> pd.Series:
    """The first row of `frame`."""
    return segments.iloc[0]


def window_around(box: Sequence[int], shape: tuple[int, int], side: int) -> tuple[slice, slice]:
    """Rows and columns of a square of that side, inside the image, with the box in its middle.

    Parameters
    ----------
    box : (top, left, bottom, right)
    shape : (H, W)
    side : int
        Cut to the image where it is larger.
    """
    top, left, bottom, right = box
    return tuple(
        _span((low + high) // 2, size, min(side, size))
        for low, high, size in ((top, bottom, shape[0]), (left, right, shape[1]))
    )


def plot(segments: pd.DataFrame, maps: ImageMaps, axes: Sequence[Axes]) -> list:
    """Five panels: IoU_adj, IoU, ground truth, and details of prediction and ground truth.

    All show a square as high as the image around the crucial segment.
    """
    crucial = crucial_segment(segments)
    box, shape = [int(crucial[name]) for name in BOX], maps.pred.shape
    outer = window_around(box, shape, min(shape))
    inner = window_around(box, shape, _detail_side(box, min(shape)))
    values = segments[segments["S_in"] > 0].set_index("segment")
    prediction, truth = (overlay_classes(m, maps.image) for m in (maps.pred, maps.gt))
    panels = (
        (paint_values(maps.segments, values["iou_adj"])[outer], IOU_LABEL),
        (paint_values(maps.segments, values["iou"])[outer], "$IoU$"),
        (truth[outer], "ground truth"),
        (prediction[inner], "detail: prediction"),
        (truth[inner], "detail: ground truth"),
    )
    artists = [show_picture(ax, *panel) for ax, panel in zip(axes, panels, strict=True)]
    return artists + [_mark(ax, outer, inner) for ax in axes[:3]]


def draw(runs: Sequence[Run], *, image: str | None = None) -> Drawing:
    """The image with the most telling segment, or the one asked for."""
    (run,) = runs
    table = load_judged(run)
    image = choose_image(runs, image, lambda: difference(table).groupby(table["image"]).max())
    maps, segments = load_judged_maps(run, image), frame(table, image)
    figure = new_figure(11, 4.6)
    axes = figure.subplot_mosaic(
        [["adj", "iou", "gt", "detail_pred"], ["adj", "iou", "gt", "detail_gt"]],
        width_ratios=[2, 2, 2, 1],
    )
    plot(segments, maps, list(axes.values()))
    scale = ScalarMappable(cmap=IOU_MAP)
    scale.set_clim(0, 1)
    figure.colorbar(
        scale,
        ax=list(axes.values()),
        location="bottom",
        shrink=0.5,
        aspect=50,
        label=f"{IOU_LABEL}, $IoU$",
    )
    names = name_classes(count_classes(table))
    figure.legend(
        handles=class_patches([maps.pred, maps.gt], names), loc="outside lower center", ncols=9
    )
    figure.suptitle(_caption(run, image, crucial_segment(segments)), size=10)
    return Drawing(figure, {"": segments})


def _caption(run, image, crucial):
    return (
        f"{title_of(run)}, {image}: {crucial['class']}, {crucial['S']} pixels, "
        f"{IOU_LABEL} = {crucial['iou_adj']:.2f}, $IoU$ = {crucial['iou']:.2f}"
    )


def _span(middle, size, side):
    start = min(max(middle - side // 2, 0), size - side)
    return slice(start, start + side)


def _detail_side(box, largest):
    """Twice the box, between a sixth and a half of the image's height."""
    extent = max(box[2] - box[0], box[3] - box[1])
    return int(min(max(2 * extent, largest / 6), largest / 2))


def _mark(ax, outer, inner):
    left, top = inner[1].start - outer[1].start, inner[0].start - outer[0].start
    size = inner[1].stop - inner[1].start, inner[0].stop - inner[0].start
    frame_ = Rectangle((left - 0.5, top - 0.5), *size, fill=False, linewidth=1.6)
    return ax.add_patch(frame_)
