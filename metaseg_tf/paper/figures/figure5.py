"""Figure 5: true and predicted IoU_adj painted on the segments of an image."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from metaseg_tf.analysis.evaluation import Evaluation, evaluate_run
from metaseg_tf.analysis.protocol import PAPER_PROTOCOL
from metaseg_tf.data.classes import ClassTable
from metaseg_tf.paper.figures import drawing
from metaseg_tf.paper.figures.figure3 import frame as predict
from metaseg_tf.pictures import UNKNOWN, overlay_classes
from metaseg_tf.runs.image_maps import ImageMaps
from metaseg_tf.runs.run import Run
from metaseg_tf.segments.columns import BOX

__all__ = ["draw", "frame", "plot"]


def frame(
    evaluation: Evaluation, table: pd.DataFrame, image: str, classes: ClassTable
) -> pd.DataFrame:
    """The segments of one image; ``predicted`` as in Figure 3, NaN without interior."""
    own = drawing.segments_of(table, image, ("segment", "class_id", "S", *BOX, "iou_adj"), classes)
    predicted = predict(evaluation, table).query("image == @image").set_index("segment")
    return own.assign(predicted=own["segment"].map(predicted["predicted"]))


def plot(
    segments: pd.DataFrame, maps: ImageMaps, classes: ClassTable, axes: Sequence[Axes]
) -> list:
    """A `frame` in four panels: true IoU_adj, predicted, ground truth, predicted classes."""
    values = segments.set_index("segment")
    analysed = values["predicted"].notna()
    true, predicted = values["iou_adj"].where(analysed), values["predicted"].clip(0, 1)
    panels = (
        (drawing.paint_ious(maps.segments, true), f"true {drawing.IOU_LABEL}"),
        (drawing.paint_ious(maps.segments, predicted), f"predicted {drawing.IOU_LABEL}"),
        (overlay_classes(maps.gt, classes.palette, maps.image), "ground truth"),
        (overlay_classes(maps.pred, classes.palette, maps.image), "predicted classes"),
    )
    artists = [drawing.show_picture(ax, *panel) for ax, panel in zip(axes, panels, strict=True)]
    class_ids = values["class_id"]
    return artists + drawing.name_segments(axes[3], maps.segments, class_ids, classes.names)


def draw(
    runs: Sequence[Run], *, image: str | None = None, engine: str = PAPER_PROTOCOL.engine
) -> drawing.Drawing:
    """The image with most false positives, or the one asked for."""
    (run,) = runs
    table = drawing.load_judged(run)
    image = drawing.choose_image(runs, image, lambda: drawing.count_false_positives(table))
    maps = drawing.load_judged_maps(run, image)
    segments = frame(evaluate_run(run, engine=engine), table, image, run.classes)
    height, width = maps.pred.shape
    figure = drawing.new_figure(10, 8.7 * height / width + 0.9)
    axes = figure.subplots(2, 2)
    plot(segments, maps, run.classes, axes.ravel())
    label = f"{drawing.IOU_LABEL} (clipped to [0, 1])"
    figure.colorbar(drawing.iou_scale(), ax=axes[0], label=label, aspect=15)
    grey = Patch(facecolor=UNKNOWN, label="without interior")
    patches = drawing.class_patches([(m, run.classes) for m in (maps.gt, maps.pred)])
    drawing.add_legend(figure, [*patches, grey])
    error = (segments["predicted"].clip(0, 1) - segments["iou_adj"]).abs()
    title = (
        f"{drawing.title_of(run)}, {drawing.plain(image, 60)}: mean error {np.nanmean(error):.3f}"
    )
    figure.suptitle(title, size=10)
    return drawing.Drawing(figure, {"": segments})
