"""Painting: colour scales, class colours, segments by value, segment numbers, PNG and JPEG.

It knows neither tables nor data sets: whoever paints classes passes their colours.
"""

import io
import os

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

__all__ = [
    "HEAT_MAP", "MOST_INFORMATION", "QUALITY_COLOURS", "UNKNOWN", "encode_numbers", "heat_colours",
    "interpolate_colours", "overlay_classes", "paint_segments", "read_numbers", "to_jpeg", "to_png",
    "with_legend",
]  # fmt: skip

#: Colours of an IoU, true or predicted, from 0 to 1: from orange to blue in steps of much the same
#: size, also to readers who cannot distinguish red from green.
QUALITY_COLOURS = ("#a03c00", "#eda255", "#f0ebdc", "#6eaad7", "#084696")
#: Colour of segments without a value.
UNKNOWN = "#bbbbbb"
#: Matplotlib's name of the colours of a dispersion in [0, 1].
HEAT_MAP = "inferno"
#: The mutual information that has the brightest of them: it is far below 1 as a rule, at most
#: log 2 / log 19 = 0.24 for two passes over 19 classes.
MOST_INFORMATION = 0.25
_OPACITY = 0.6
_CLASS_OPACITY = 0.65
_BORDER_LIGHTNESS = 0.35
# A legend's least width, and its font's least size, in pixels.
_LEGEND_WIDTH, _LEGEND_FONT = 420, 11


def interpolate_colours(values: np.ndarray) -> np.ndarray:
    """Colours uint8 [..., 3] of values in [0, 1] between ``QUALITY_COLOURS``; NaN is grey."""
    values = np.asarray(values, float)
    anchors = np.array([ImageColor.getrgb(colour) for colour in QUALITY_COLOURS], float)
    at = np.linspace(0, 1, len(anchors))
    painted = np.stack([np.interp(values, at, channel) for channel in anchors.T], -1)
    painted[np.isnan(values)] = ImageColor.getrgb(UNKNOWN)
    return np.rint(painted).astype(np.uint8)


def heat_colours(steps: int) -> np.ndarray:
    """Colours uint8 [steps, 3] of dispersions from 0 to 1, evenly spaced."""
    import matplotlib as mpl  # takes long to import, and judging images needs none of it

    return np.rint(mpl.colormaps[HEAT_MAP](np.linspace(0, 1, steps))[:, :3] * 255).astype(np.uint8)


def overlay_classes(
    classes: np.ndarray, palette: np.ndarray, photograph: np.ndarray | None = None
) -> np.ndarray:
    """Colours of classes uint8 [H, W], over the photograph uint8 [H, W, 3] in grey if there is one.

    The palette is uint8 [C, 3]; values that it lacks, such as void, become white. Returns uint8
    [H, W, 3].
    """
    colours = np.pad(palette, ((0, 256 - len(palette)), (0, 0)), constant_values=255)
    if photograph is None:
        return colours[classes]
    # In float32 and in place: a figure paints four images of two million pixels.
    mixed = photograph.astype(np.float32) @ np.ones((3, 3), np.float32)
    mixed /= 3
    mixed *= 1 - _CLASS_OPACITY
    mixed += (_CLASS_OPACITY * colours.astype(np.float32))[classes]
    painted = np.rint(mixed, out=mixed).astype(np.uint8)
    painted[classes >= len(palette)] = 255
    return painted


def paint_segments(
    segments: np.ndarray, values: np.ndarray, image: np.ndarray | None = None, *, void: int = 0
) -> np.ndarray:
    """Segments, with dark borders, in the colours of their values, over the photograph if given.

    ``segments``, int32 [H, W], are numbers 1..n, 0 for none; ``values``, float64 [n], are in
    [0, 1], or NaN for those that become grey; the ``image`` is uint8 [H, W, 3]. Pixels with neither
    a segment nor an image get the grey level ``void``. Returns uint8 [H, W, 3].
    """
    table = np.full((len(values) + 1, 3), void, np.uint8)
    table[1:] = interpolate_colours(values)
    painted = table[segments]
    if image is not None:
        mixed = _OPACITY * painted + (1 - _OPACITY) * image
        painted = np.where(segments[..., None] > 0, mixed, image)
    # A pixel is on the border if its right or lower neighbour belongs to another segment.
    borders = np.zeros(segments.shape, bool)
    borders[:, :-1] |= segments[:, :-1] != segments[:, 1:]
    borders[:-1] |= segments[:-1] != segments[1:]
    dark = np.rint(_BORDER_LIGHTNESS * painted[borders])
    if image is not None:
        painted = np.rint(painted).astype(np.uint8)
    painted[borders] = dark
    return painted


def with_legend(painted: np.ndarray) -> np.ndarray:
    """A picture uint8 [H, W, 3] of predicted IoU_adj, with a strip below that explains its colours.

    The picture keeps its place at the upper left, pixel by pixel. One that is too narrow for the
    words gets a white margin at its right.
    """
    height, width = painted.shape[:2]
    whole = max(width, _LEGEND_WIDTH)
    size = max(whole // 50, _LEGEND_FONT)
    page = Image.new("RGB", (whole, height + 2 * size), "white")
    page.paste(Image.fromarray(painted))
    pen, font, middle = ImageDraw.Draw(page), ImageFont.load_default(size), height + size
    words = "predicted quality (IoU_adj):  0, doubtful", "1, trusted"
    pen.text((size, middle), words[0], "black", font, "lm")
    pen.text((whole - size, middle), words[1], "black", font, "rm")
    start, end = (2 * size + int(pen.textlength(word, font)) for word in words)
    ramp = interpolate_colours(np.linspace(0, 1, whole - start - end))
    page.paste(Image.fromarray(np.tile(ramp, (size, 1, 1))), (start, middle - size // 2))
    return np.asarray(page)


def encode_numbers(segments: np.ndarray) -> np.ndarray:
    """Segment numbers as colours uint8 [H, W, 3]: number = R + 256 G + 65536 B.

    COCO stores panoptic segments in the same way; 16 bits would end at 65535 segments.
    """
    return np.stack([(segments >> shift) & 255 for shift in (0, 8, 16)], -1).astype(np.uint8)


def read_numbers(path: str | os.PathLike) -> np.ndarray:
    """Segment numbers int32 [H, W] of a label PNG that ``metaseg-tf predict`` wrote."""
    with Image.open(path, formats=["PNG"]) as image:
        colours = np.asarray(image.convert("RGB"), np.int32)
    return colours @ np.array([1, 1 << 8, 1 << 16], np.int32)


def to_png(pixels: np.ndarray, palette: np.ndarray | None = None, level: int = 6) -> bytes:
    """PNG of colours or grey levels uint8 [H, W, 3] or [H, W], or of places in a palette [C, 3].

    Places beyond the palette, such as void, are transparent: a class may have any colour. Level 3
    takes half of the time that 6 takes, and a tenth more space for photographs.
    """
    picture, content, options = Image.fromarray(pixels), io.BytesIO(), {"compress_level": level}
    if palette is not None:
        picture.putpalette(palette.tobytes().ljust(768, b"\0"))
        alpha = bytes([255] * len(palette)).ljust(256, b"\0")
        options["transparency"] = alpha
    picture.save(content, "PNG", **options)
    return content.getvalue()


def to_jpeg(pixels: np.ndarray, quality: int) -> bytes:
    """JPEG of a photograph uint8 [H, W, 3]."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", quality=quality)
    return content.getvalue()
