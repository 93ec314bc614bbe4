"""From 8-bit pixels to the numbers that a network expects."""

import logging
import re

import numpy as np

from metaseg_tf.errors import InputError

__all__ = ["NetworkInput"]

_LOG = logging.getLogger(__name__)

#: Mean and standard deviation of each channel of pixels in 0..1, as torchvision has them.
_NAMED = {
    "0..255": ((0.0,) * 3, (1 / 255,) * 3),
    "0..1": ((0.0,) * 3, (1.0,) * 3),
    "-1..1": ((0.5,) * 3, (0.5,) * 3),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


class NetworkInput:
    """What a network takes in place of pixels x in 0..255: (x / 255 - mean) / std, or x itself.

    Parameters
    ----------
    dtype : numpy dtype
        8-bit integers are fed pixels as they are unless a range is given, others 0..255.
    input_range : str, optional
        "0..255", "0..1", "-1..1", "imagenet", or "mean=R,G,B,std=R,G,B" of pixels in 0..1.
    rescales : bool
        Whether the network brings 0..255 to its own range. If not, that it is assumed is noted.
    scale, zero_point : float, int
        Of a quantised input; ``scale`` is 0 for others.

    Attributes
    ----------
    range : str or None
        One name for each range; None where pixels are fed as they are unasked.

    Raises
    ------
    InputError
        If the range is not one of these, or not one for this input.
    """

    def __init__(self, dtype, input_range, rescales=False, scale=0.0, zero_point=0):
        self._dtype, self._scale, self.range = np.dtype(dtype), scale, None
        self._as_it_is = self._dtype.itemsize == 1
        if self._as_it_is and input_range is not None and not scale:
            raise InputError(
                f"input_range: expected none for a network of {self._dtype} input, which takes "
                f"pixels as they are, got {input_range!r}; leave it out"
            )
        if self._as_it_is and input_range is None:
            ends = scale * (np.array([0, 255]) - zero_point + np.iinfo(dtype).min)
            usual = ((0, 255), (0, 1), (-1, 1))
            rescales = not scale or any(np.allclose(ends, r, atol=0.02 * r[1]) for r in usual)
        if input_range is None and not rescales:
            _LOG.warning(
                "note: the network does not tell the range of pixels that it expects, and gets "
                "them in 0..255; if it was trained on another, say so by --input-range"
            )
        if input_range is not None or not self._as_it_is:
            self._set_range("0..255" if input_range is None else input_range, zero_point)

    def _set_range(self, text: str, zero_point: int) -> None:
        self.range, mean, std = _parse(text)
        self._factor, self._offset = np.float32(1 / (255 * std)), np.float32(-mean / std)
        if not self._scale:
            return
        self._factor, self._offset = (
            self._factor / self._scale,
            self._offset / self._scale + zero_point,
        )
        ends = np.array([[0], [255]]) * self._factor + self._offset
        limits = np.iinfo(self._dtype)
        if not 0.25 <= np.ptp(ends, axis=0).min() / (limits.max - limits.min) <= 4:
            low, high = (self._scale * (end - zero_point) for end in (limits.min, limits.max))
            raise InputError(
                f"input_range: expected what the network's input is quantised for, about "
                f"{low:.3g}..{high:.3g}, got {self.range!r}; give that range, or none"
            )
        # A step is nothing next to what the pixels themselves are rounded to.
        self._as_it_is &= np.abs(ends - [[limits.min], [limits.max]]).max() <= 1.01

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """The input for an image uint8 [H, W, 3], of the network's dtype."""
        if self._as_it_is:
            # int8 holds the same pixels, shifted.
            return image if self._dtype == np.uint8 else (image ^ 0x80).view(np.int8)
        pixels = image.astype(np.float32) * self._factor + self._offset
        if self._scale:
            limits = np.iinfo(self._dtype)
            pixels = np.clip(np.rint(pixels), limits.min, limits.max)
        return pixels.astype(self._dtype)


def _parse(text: str) -> tuple[str, np.ndarray, np.ndarray]:
    """Name of a range; mean and standard deviation of pixels in 0..1 for it, float64 [3]."""
    number = r"\d*\.?\d+"
    numbers = f"({number}(?:,{number},{number})?)"
    pair, written = _NAMED.get(text), re.fullmatch(f"mean={numbers},std={numbers}", str(text))
    if written:
        parts = [tuple(map(float, part.split(","))) for part in written.groups()]
        pair = tuple(part * 3 if len(part) == 1 else part for part in parts)
    # Numbers of pixels in 0..255 are refused, since they would be taken for those of 0..1.
    if pair is None or max(*pair[0], *pair[1]) > 1 or min(pair[1]) < 1e-3:
        raise InputError(
            f"input_range: expected {', '.join(_NAMED)} or mean=R,G,B,std=R,G,B of pixels in "
            f"0..1, got {text!r}; divide means and deviations of 0..255 by 255"
        )
    written = "mean={},std={}".format(*(",".join(map(str, part)) for part in pair))
    name = next((name for name, known in _NAMED.items() if known == pair), written)
    return name, *map(np.array, pair)
