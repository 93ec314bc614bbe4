"""Subjects of figures: the title of a run, its segments, and one image of it."""

from collections.abc import Callable, Sequence

import pandas as pd

from metaseg_tf.analysis.evaluation import load_segments
from metaseg_tf.data.classes import ClassTable
from metaseg_tf.errors import DataFormatError, InputError, suggest
from metaseg_tf.paper.published import NETWORKS
from metaseg_tf.runs.image_maps import ImageMaps
from metaseg_tf.runs.run import Run
from metaseg_tf.segments.truth import check_truth

__all__ = [
    "choose_image",
    "count_false_positives",
    "load_judged",
    "load_judged_maps",
    "segments_of",
    "title_of",
]


def title_of(run: Run) -> str:
    """Title of a run's panel: the network, if its folder has the paper's abbreviation as name."""
    return NETWORKS.get(run.name, run.name)


def load_judged(run: Run) -> pd.DataFrame:
    """A run's segment table, which must have ground truth; shared, not to be changed."""
    table = load_segments(run)
    check_truth(table, str(run.path))
    return table


def load_judged_maps(run: Run, image: str) -> ImageMaps:
    """The maps of one image, which must have ground truth; errors as `Run.load_maps`."""
    maps = run.load_maps(image)
    if maps.gt is None:
        raise DataFormatError(
            f"{run.path}: expected maps of {image!r} with ground truth, got maps without; delete "
            "them and run extract again"
        )
    return maps


def segments_of(
    table: pd.DataFrame, image: str, columns: Sequence[str], classes: ClassTable
) -> pd.DataFrame:
    """Columns of one image's segments, with the class's name as ``class``.

    Raises
    ------
    InputError
        If the image has no segments.
    DataFormatError
        If a segment comes twice.
    """
    own = table.loc[table["image"] == image, [*columns]]
    if own.empty:
        raise InputError(
            f"image: expected one with segments, got {image!r} without; "
            + suggest(image, table["image"].unique(), "choose another --image")
        )
    if own["segment"].duplicated().any():
        raise DataFormatError(
            f"{image}: expected each segment once in its table, got some twice; delete its "
            "segments and run extract again"
        )
    names = [classes.names[j] for j in own["class_id"]]
    return own.assign(**{"class": names}).reset_index(drop=True)


def count_false_positives(table: pd.DataFrame) -> pd.Series:
    """False positives with interior of each image, by its name."""
    return ((table["iou_adj"] == 0) & (table["S_in"] > 0)).groupby(table["image"]).sum()


def choose_image(
    runs: Sequence[Run],
    image: str | None,
    rate: Callable[[], pd.Series],
) -> str:
    """The image to show: the one asked for, or the best rated of those with maps in all runs.

    Parameters
    ----------
    runs : sequence of Run
    image : str or None
    rate : callable
        Returns a number for each image by its name; called if no image is asked for.

    Raises
    ------
    InputError
        If no image has maps in all runs.
    """
    if image is not None:
        return image
    kept = set.intersection(*(run.with_maps() for run in runs))
    rated = rate().sort_index()
    rated = rated[rated.index.isin(kept)]
    if rated.empty:
        raise InputError(
            f"{', '.join(str(run.path) for run in runs)}: expected segments of an image with maps, "
            "found none; run extract again with --keep-maps 20"
        )
    return str(rated.idxmax())
