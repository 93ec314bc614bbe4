"""Pictures from maps: class colours over the photograph, and values painted on segments."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.patches import Patch
from scipy import ndimage

from metaseg_tf.data.cityscapes import PALETTE
from metaseg_tf.data.sample import VOID
from metaseg_tf.paper.figures.style import HEAT_MAP, IOU_MAP, UNKNOWN

__all__ = [
    "class_patches",
    "name_segments",
    "overlay_classes",
    "paint_values",
    "show_heat",
    "show_picture",
]

_OPACITY = 0.65
# How many segments bear their name at most, of at least which share of the image, and how far apart
# (in shares of height and width) that names do not overlap.
_NAMED = 7
_NAMED_SHARE = 0.004
_NAME_SPACE = np.array([0.08, 0.2])


def overlay_classes(classes: np.ndarray, photograph: np.ndarray | None) -> np.ndarray:
    """Class colours, over the photograph where there is one; void is white.

    Parameters
    ----------
    classes : uint8 [H, W]
    photograph : uint8 [H, W, 3] or None

    Returns
    -------
    uint8 [H, W, 3]
    """
    colours = PALETTE[classes].astype(np.float32)
    if photograph is not None:
        grey = photograph.mean(-1, keepdims=True, dtype=np.float32)
        colours = _OPACITY * colours + (1 - _OPACITY) * grey
    colours[classes == VOID] = 255
    return colours.round().astype(np.uint8)


def paint_values(segments: np.ndarray, values: pd.Series) -> np.ndarray:
    """Each segment in the colour of its value, with dark edges between segments.

    Parameters
    ----------
    segments : int32 [H, W]
        Segment numbers, 0 for void.
    values : Series
        Segment number -> value in [0, 1]; NaN or absent for segments without, which become grey.

    Returns
    -------
    uint8 [H, W, 3]
        Void is white.
    """
    by_number = values.reindex(range(int(segments.max()) + 1)).to_numpy(float)
    colours = mpl.colormaps[IOU_MAP].with_extremes(bad=UNKNOWN)
    palette = (colours(np.ma.masked_invalid(by_number))[:, :3] * 255).round().astype(np.uint8)
    palette[0] = 255
    picture = palette[segments]
    picture[_edges(segments)] //= 3
    return picture


def show_picture(ax: Axes, picture: np.ndarray, title: str) -> AxesImage:
    """A picture without ticks."""
    ax.set(title=title, xticks=[], yticks=[])
    ax.grid(False)
    ax.spines[:].set_visible(True)
    ax.spines[:].set_linewidth(0.4)
    return ax.imshow(picture)


def show_heat(ax: Axes, heat: np.ndarray, title: str) -> AxesImage:
    """A heat map of values in [0, 1]."""
    artist = show_picture(ax, heat, title)
    artist.set(cmap=HEAT_MAP, clim=(0, 1))
    return artist


def class_patches(maps: Sequence[np.ndarray], names: Sequence[str]) -> list[Patch]:
    """Legend entries of the classes that occur in class maps."""
    present = sorted(set().union(*(np.unique(m).tolist() for m in maps)) - {VOID})
    patches = [Patch(facecolor=PALETTE[j] / 255, label=names[j]) for j in present]
    void = Patch(facecolor="white", edgecolor="black", linewidth=0.5, label="no ground truth")
    return [*patches, void]


def name_segments(
    ax: Axes, segments: np.ndarray, class_ids: pd.Series, names: Sequence[str]
) -> list:
    """Write its class on each of the largest segments, so that no colour need be told apart.

    Parameters
    ----------
    segments : int32 [H, W]
    class_ids : Series
        Segment number -> class.
    """
    sizes = np.bincount(segments.ravel())
    # Neither void nor what the table does not know has a class.
    sizes[~np.isin(np.arange(len(sizes)), class_ids.index)] = 0
    largest = np.argsort(-sizes, kind="stable")[:_NAMED]
    texts, taken = [], []
    for number in largest[sizes[largest] > _NAMED_SHARE * segments.size]:
        place = _deepest(segments == number).clip(_NAME_SPACE / 2, 1 - _NAME_SPACE / 2)
        if any((np.abs(place - other) < _NAME_SPACE).all() for other in taken):
            continue
        taken.append(place)
        row, column = place * segments.shape
        text = ax.text(column, row, names[class_ids[number]], size=6, ha="center", va="center")
        text.set_bbox({"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.75})
        texts.append(text)
    return texts


def _deepest(mask: np.ndarray) -> np.ndarray:
    """The place in the mask farthest from what lies outside, in shares of height and width."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    return np.array(np.unravel_index(depth.argmax(), mask.shape)) / mask.shape


def _edges(segments: np.ndarray) -> np.ndarray:
    """Pixels whose right or lower neighbour is of another segment, bool [H, W]."""
    edges = np.zeros(segments.shape, bool)
    edges[:, :-1] |= segments[:, 1:] != segments[:, :-1]
    edges[:-1] |= segments[1:] != segments[:-1]
    return edges
