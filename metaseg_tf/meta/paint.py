"""Pictures of judged segments: painted by quality, as numbers in colours, and with void."""

import io
import os
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageColor

from metaseg_tf.data.sample import VOID
from metaseg_tf.errors import InputError

__all__ = [
    "QUALITY_COLOURS",
    "decode_numbers",
    "encode_numbers",
    "interpolate_colours",
    "paint_segments",
    "read_numbers",
    "reject_segments",
    "to_png",
]

#: Name -> colours of quality 0 to 1, evenly spaced. The second has no red beside green.
QUALITY_COLOURS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "red-green": ("#be1420", "#f48c3c", "#fae078", "#8cc85a", "#0a7d3c"),
        "orange-blue": ("#a03c00", "#eb8c32", "#f0ebdc", "#6eaad7", "#084696"),
    }
)
_OPACITY = 0.6
_BORDER_LIGHTNESS = 0.35


def interpolate_colours(values: np.ndarray, colours: str = "red-green") -> np.ndarray:
    """Colours uint8 [..., 3] of values in [0, 1] on one of the ``QUALITY_COLOURS``."""
    if colours not in QUALITY_COLOURS:
        raise InputError(f"colours: expected one of {', '.join(QUALITY_COLOURS)}, got {colours!r}")
    anchors = np.array([ImageColor.getrgb(colour) for colour in QUALITY_COLOURS[colours]], float)
    at = np.linspace(0, 1, len(anchors))
    channels = [np.interp(values, at, anchors[:, channel]) for channel in range(3)]
    return np.rint(np.stack(channels, -1)).astype(np.uint8)


def paint_segments(
    segments: np.ndarray,
    values: np.ndarray,
    image: np.ndarray | None = None,
    *,
    colours: str = "red-green",
) -> np.ndarray:
    """Segments in the colours of their values, on the photograph where there is one.

    Parameters
    ----------
    segments : int32 [H, W]
        Numbers 1..n, 0 for no segment.
    values : float64 [n]
        In [0, 1].
    image : uint8 [H, W, 3], optional
    colours : str
        One of ``QUALITY_COLOURS``.

    Returns
    -------
    uint8 [H, W, 3]
        Black where there is neither segment nor image; borders of segments are dark.
    """
    table = np.zeros((len(values) + 1, 3), np.uint8)
    table[1:] = interpolate_colours(np.asarray(values, float), colours)
    painted = table[segments]
    if image is not None:
        mixed = _OPACITY * painted + (1 - _OPACITY) * image
        painted = np.where(segments[..., None] > 0, mixed, image)
    painted = np.where(_borders(segments)[..., None], _BORDER_LIGHTNESS * painted, painted)
    return np.rint(painted).astype(np.uint8)


def reject_segments(
    pred: np.ndarray, segments: np.ndarray, quality: np.ndarray, below: float
) -> np.ndarray:
    """The prediction with void (255) in place of doubtful segments.

    Parameters
    ----------
    pred : uint8 [H, W]
    segments : int32 [H, W]
        Numbers 1..n.
    quality : float64 [n]
        Predicted IoU_adj of each segment.
    below : float
        Segments with less are doubtful.
    """
    doubtful = np.concatenate([[False], np.asarray(quality) < below])
    return np.where(doubtful[segments], np.uint8(VOID), pred)


def encode_numbers(segments: np.ndarray) -> np.ndarray:
    """Segment numbers as colours uint8 [H, W, 3]: number = R + 256 G + 65536 B.

    COCO stores panoptic segments in the same way; 16 bits would end at 65535 segments.
    """
    return np.stack([(segments >> shift) & 255 for shift in (0, 8, 16)], -1).astype(np.uint8)


def decode_numbers(colours: np.ndarray) -> np.ndarray:
    """The inverse of `encode_numbers`, int32 [H, W]."""
    return colours[..., :3].astype(np.int32) @ np.array([1, 1 << 8, 1 << 16], np.int32)


def read_numbers(path: str | os.PathLike) -> np.ndarray:
    """Segment numbers int32 [H, W] of a label PNG that ``metaseg-tf predict`` wrote."""
    with Image.open(path, formats=["PNG"]) as image:
        return decode_numbers(np.asarray(image.convert("RGB")))


def to_png(pixels: np.ndarray) -> bytes:
    """A uint8 array [H, W] or [H, W, 3] as PNG."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def _borders(segments: np.ndarray) -> np.ndarray:
    """Pixels whose right or lower neighbour belongs to another segment, bool [H, W]."""
    borders = np.zeros(segments.shape, bool)
    borders[:, :-1] |= segments[:, :-1] != segments[:, 1:]
    borders[:-1] |= segments[:-1] != segments[1:]
    return borders
