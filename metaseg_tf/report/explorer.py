"""What the segment explorer shows of an image: its pictures, its segments, their numbers."""

import math
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd

from metaseg_tf.data.cityscapes import PALETTE, name_classes
from metaseg_tf.meta.model import SCORE_COLUMNS
from metaseg_tf.pictures import heat_colours, to_jpeg, to_png
from metaseg_tf.report.judged import JudgedRun
from metaseg_tf.report.packing import pack_array
from metaseg_tf.runs.image_maps import ImageMaps
from metaseg_tf.segments.columns import BOX, IOU_COLUMNS, METRIC_COLUMNS

__all__ = [
    "ROW_COLUMNS",
    "choose_images",
    "class_colours",
    "draw_pictures",
    "list_segments",
    "pack_segments",
]

#: What the page tells of a segment, in this order.
ROW_COLUMNS = ("segment", "class_id", *METRIC_COLUMNS, *IOU_COLUMNS, *SCORE_COLUMNS, *BOX)

_JPEG_QUALITY = 85
_HEAT_LEVELS = 32
_MAX_HEAT_WIDTH = 1024


def choose_images(judged: Sequence[JudgedRun], limit: int) -> list[list[str]]:
    """Images to explore of each run, those with the most false positives first.

    Images that all runs keep maps of come before others, so that networks can be compared.

    Parameters
    ----------
    judged : sequence of JudgedRun
    limit : int
        How many of each run, at most.
    """
    shared = set.intersection(*(one.run.with_maps() for one in judged))
    counts = pd.concat([_count_false_positives(one.table) for one in judged])
    rank = counts.groupby(level=0).sum()

    def order(name: str) -> tuple:
        return (name not in shared, -rank.get(name, 0), name)

    return [sorted(one.run.with_maps() & set(rank.index), key=order)[:limit] for one in judged]


def list_segments(table: pd.DataFrame) -> list[list[float | int | None]]:
    """One row a segment with `ROW_COLUMNS`; None where there is no verdict."""
    columns = [table[name].tolist() for name in ROW_COLUMNS]
    return [[_round(value) for value in row] for row in zip(*columns, strict=True)]


def pack_segments(segments: np.ndarray) -> dict[str, Any]:
    """The map of segment numbers with its size, as ``metaseg.putSegments`` takes it."""
    dtype = np.uint16 if segments.max(initial=0) < 1 << 16 else np.uint32
    height, width = segments.shape
    return {"height": height, "width": width, "numbers": pack_array(segments.astype(dtype))}


def draw_pictures(maps: ImageMaps) -> dict[str, bytes]:
    """File name -> content of the layers that are pictures; a layer that is not at hand is absent.

    Heat maps are reduced to about 1024 columns and 32 levels: they are looked at, not read off.
    """
    pictures = {
        "entropy.png": _heat_to_png(maps.entropy),
        "difference.png": _heat_to_png(maps.difference),
    }
    if maps.gt is not None:
        pictures["truth.png"] = to_png(maps.gt, PALETTE)
    if maps.image is not None:
        pictures["image.jpg"] = to_jpeg(maps.image, _JPEG_QUALITY)
    return pictures


def class_colours(n_classes: int) -> list[dict[str, str]]:
    """Name and colour of each class, as CSS writes it."""
    colours = PALETTE[:n_classes].copy()
    if n_classes != len(name_classes(n_classes)) or not colours[-1].any():
        wheel = mpl.colormaps["turbo"](np.linspace(0.05, 0.95, n_classes))[:, :3]
        colours = np.rint(wheel * 255).astype(np.uint8)
    return [
        {"name": name, "colour": "#" + bytes(colour).hex()}
        for name, colour in zip(name_classes(n_classes), colours, strict=True)
    ]


def _count_false_positives(table: pd.DataFrame) -> pd.Series:
    return ((table["iou_adj"] == 0) & (table["S_in"] > 0)).groupby(table["image"]).sum()


def _round(value: float | int) -> float | int | None:
    if isinstance(value, int):
        return value
    return None if math.isnan(value) else float(f"{value:.5g}")


def _heat_to_png(heat: np.ndarray) -> bytes:
    step = -(-heat.shape[1] // _MAX_HEAT_WIDTH)
    # Means over blocks of step x step pixels; pixels that do not fill a block are left out.
    height, width = (max(size // step, 1) for size in heat.shape)
    blocks = heat[: height * step, : width * step]
    reduced = blocks.reshape(height, blocks.shape[0] // height, width, -1).mean((1, 3))
    levels = np.rint(reduced * (_HEAT_LEVELS - 1)).astype(np.uint8)
    return to_png(levels, heat_colours(_HEAT_LEVELS))
