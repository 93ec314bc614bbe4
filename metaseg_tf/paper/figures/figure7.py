"""Figure 7: where IoU and IoU_adj differ most, with a detail view."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from metaseg_tf.data.classes import ClassTable
from metaseg_tf.paper.figures import drawing
from metaseg_tf.pictures import overlay_classes
from metaseg_tf.runs.image_maps import ImageMaps
from metaseg_tf.runs.run import Run
from metaseg_tf.segments.columns import BOX

__all__ = ["difference", "draw", "frame", "plot", "window_around"]

_COLUMNS = ("segment", "class_id", "S", "S_in", *BOX, "iou", "iou_adj")


def difference(table: pd.DataFrame) -> pd.Series:
    """Informativeness of each segment: (IoU_adj - IoU) times the logarithm of its size.

    The logarithm lets neither a sliver nor a slight difference on a road be the largest. Segments
    without interior, which are not analysed, have 0.
    """
    gap = (table["iou_adj"] - table["iou"]) * np.log(table["S"])
    return gap.where(table["S_in"] > 0, 0.0)


def frame(table: pd.DataFrame, image: str, classes: ClassTable) -> pd.DataFrame:
    """The segments of one image with box, ``class_name``, IoUs and `difference`, largest first."""
    own = drawing.segments_of(table, image, _COLUMNS, classes)
    shown = own.assign(difference=difference(own))
    return shown.sort_values("difference", ascending=False, kind="stable", ignore_index=True)


def window_around(box: Sequence[int], shape: tuple[int, int], side: int) -> tuple[slice, slice]:
    """Rows and columns of a square around a box (top, left, bottom, right), cut to an image."""
    window = []
    for low, high, size in zip(box[:2], box[2:], shape, strict=True):
        length = min(side, size)
        start = min(max((low + high) // 2 - length // 2, 0), size - length)
        window.append(slice(start, start + length))
    return tuple(window)


def plot(
    segments: pd.DataFrame, maps: ImageMaps, palette: np.ndarray, axes: Sequence[Axes]
) -> list:
    """IoU_adj, IoU and truth in a square around the crucial segment; details of both maps."""
    crucial = segments.iloc[0]
    box, shape = [int(crucial[name]) for name in BOX], maps.pred.shape
    outer = window_around(box, shape, min(shape))
    # Twice the box, between a sixth and a half of the image's height.
    extent, height = max(box[2] - box[0], box[3] - box[1]), min(shape)
    inner = window_around(box, shape, int(np.clip(2 * extent, height / 6, height / 2)))
    values = segments[segments["S_in"] > 0].set_index("segment")
    prediction, truth = (overlay_classes(m, palette, maps.image) for m in (maps.pred, maps.gt))
    panels = (
        (drawing.paint_ious(maps.segments, values["iou_adj"])[outer], drawing.IOU_LABEL),
        (drawing.paint_ious(maps.segments, values["iou"])[outer], "$IoU$"),
        (truth[outer], "ground truth"),
        (prediction[inner], "detail: prediction"),
        (truth[inner], "detail: ground truth"),
    )
    artists = [drawing.show_picture(ax, *panel) for ax, panel in zip(axes, panels, strict=True)]
    corner = inner[1].start - outer[1].start - 0.5, inner[0].start - outer[0].start - 0.5
    size = inner[1].stop - inner[1].start, inner[0].stop - inner[0].start
    look = {"fill": False, "linewidth": 1.6}
    return artists + [ax.add_patch(Rectangle(corner, *size, **look)) for ax in axes[:3]]


def draw(runs: Sequence[Run], *, image: str | None = None) -> drawing.Drawing:
    """The image with the most telling segment, or the one asked for."""
    (run,) = runs
    table = drawing.load_judged(run)
    gaps = difference(table)
    image = drawing.choose_image(runs, image, lambda: gaps.groupby(table["image"]).max())
    maps, segments = drawing.load_judged_maps(run, image), frame(table, image, run.classes)
    figure = drawing.new_figure(11, 4.1)
    axes = [*figure.subplot_mosaic("abcd;abce", width_ratios=[2, 2, 2, 1]).values()]
    plot(segments, maps, run.classes.palette, axes)
    bar = {"location": "bottom", "shrink": 0.5, "aspect": 50, "ax": axes}
    figure.colorbar(drawing.iou_scale(), label=f"{drawing.IOU_LABEL}, $IoU$", **bar)
    patches = drawing.class_patches([(m, run.classes) for m in (maps.pred, maps.gt)])
    drawing.add_legend(figure, patches)
    crucial = segments.iloc[0]
    name = f"{drawing.plain(image, 60)}: {drawing.plain(crucial['class_name'])}"
    title = f"{drawing.title_of(run)}, {name}, {crucial['S']} pixels, "
    ious = f"{drawing.IOU_LABEL} = {crucial['iou_adj']:.2f}, $IoU$ = {crucial['iou']:.2f}"
    figure.suptitle(title + ious, size=10)
    return drawing.Drawing(figure, {"": segments})
