"""Figure 2: segmentation and heat map of D of an image, for each network.

If the networks make several passes, what they disagree on is a third row.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from metaseg_tf.analysis.evaluation import load_segments
from metaseg_tf.data.classes import ClassTable
from metaseg_tf.paper.figures import drawing
from metaseg_tf.pictures import HEAT_MAP, MOST_INFORMATION, overlay_classes
from metaseg_tf.runs.image_maps import ImageMaps
from metaseg_tf.runs.run import Run
from metaseg_tf.segments.truth import check_truth

__all__ = ["draw", "frame", "plot"]

_COLUMNS = ["segment", "class_id", "S", "S_in", "D", "D_in", "D_bd"]


def frame(
    tables: dict[str, pd.DataFrame], image: str, classes: dict[str, ClassTable]
) -> pd.DataFrame:
    """The segments of one image with their mean D, class, and ``network``: the name of the run."""
    parts = [
        drawing.segments_of(table, image, _COLUMNS, classes[network]).assign(network=network)
        for network, table in tables.items()
    ]
    return pd.concat(parts, ignore_index=True)[["network", "class_name", *_COLUMNS]]


def plot(
    segments: pd.DataFrame, maps: ImageMaps, classes: ClassTable, upper: Axes, lower: Axes
) -> list:
    """Segmentation above, heat map of D below, of one network, whose rows ``segments`` are."""
    painted = overlay_classes(maps.pred, classes.palette, maps.image)
    picture = drawing.show_picture(upper, painted, "segmentation")
    heat = drawing.show_picture(lower, maps.difference, "heat map $D_z$")
    heat.set(cmap=HEAT_MAP, clim=(0, 1))
    class_ids = segments.set_index("segment")["class_id"]
    return [picture, heat, *drawing.name_segments(upper, maps.segments, class_ids, classes.names)]


def draw(runs: Sequence[Run], *, image: str | None = None) -> drawing.Drawing:
    """The image with most false positives of the first run, or the one asked for."""
    tables = {run.name: load_segments(run) for run in runs}
    image = drawing.choose_image(runs, image, lambda: _count(tables[runs[0].name]))
    classes = {run.name: run.classes for run in runs}
    values = frame(tables, image, classes)
    maps = [run.load_maps(image) for run in runs]
    photograph = next((m.image for m in maps if m.image is not None), None)
    informed = all(own.mutual_information is not None for own in maps)
    width = 4.8 if len(runs) == 1 else 3.4 * len(runs)
    panel = (width - 0.8) / len(runs) * maps[0].pred.shape[0] / maps[0].pred.shape[1] + 0.25
    # The photograph, if there is one, is as wide as all panels below it.
    places = 1 + np.arange((2 + informed) * len(runs)).reshape(-1, len(runs))
    if photograph is not None:
        places = np.vstack([np.zeros_like(places[:1]), places])
    figure = drawing.new_figure(width, len(places) * panel + 0.1)
    mosaic, title = figure.subplot_mosaic(places), drawing.plain(image, 60)
    if photograph is None:
        figure.suptitle(title, size=10)
    else:
        drawing.show_picture(mosaic.pop(0), photograph, title)
    axes = np.array([*mosaic.values()]).reshape(-1, len(runs))
    for run, own, (upper, lower, *lowest) in zip(runs, maps, axes.T, strict=True):
        rows = values[values["network"] == run.name]
        _, heat, *_ = plot(rows, own, run.classes, upper, lower)
        upper.set_title(f"{drawing.title_of(run)}: segmentation", size=9)
        for ax in lowest:
            information = drawing.show_picture(ax, own.mutual_information, "mutual information $I$")
            information.set(cmap=HEAT_MAP, clim=(0, MOST_INFORMATION))
    figure.colorbar(heat, ax=axes[:2], label="$D_z$", shrink=0.6, aspect=25)
    if informed:
        figure.colorbar(information, ax=axes[2], label="$I_z$", extend="max")
    shown = [(own.pred, run.classes) for run, own in zip(runs, maps, strict=True)]
    drawing.add_legend(figure, drawing.class_patches(shown))
    return drawing.Drawing(figure, {"": values})


def _count(table: pd.DataFrame) -> pd.Series:
    """False positives of each image, or its segments if there is no ground truth."""
    if "iou_adj" in table:
        check_truth(table)
        return drawing.count_false_positives(table)
    return table.groupby("image").size()
