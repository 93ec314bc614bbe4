"""The base of all networks: an image in, class probabilities out."""

import logging
import re
from abc import ABC, abstractmethod

import numpy as np
import tensorflow as tf

from metaseg_tf.errors import InputError, NetworkError, ShapeError
from metaseg_tf.networks.options import NetworkOptions
from metaseg_tf.networks.scores import Ending

__all__ = ["ImageNetwork", "Network", "NetworkInput", "check_image", "find_factor", "pad_image"]

_LOG = logging.getLogger(__name__)

#: Mean and standard deviation of each channel of pixels in 0..1, as torchvision has them.
_NAMED = {
    "0..255": ((0.0,) * 3, (1 / 255,) * 3),
    "0..1": ((0.0,) * 3, (1.0,) * 3),
    "-1..1": ((0.5,) * 3, (0.5,) * 3),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


class Network(ABC):
    """A network for semantic segmentation, of any format.

    ``ending`` is the kind of its scores, ``crop`` the height and width in pixels of the largest
    image (None if any size is taken), and ``settings`` are the options that it runs with. ``files``
    are further ones that it was read from; ``passes`` is the number of passes over an image that
    its probabilities are the mean of.
    """

    ending: Ending
    crop: tuple[int, int] | None
    settings: NetworkOptions
    files: tuple = ()
    passes: int = 1

    @property
    def classes(self) -> int:
        """Number of classes C."""
        return self.ending.classes

    def probabilities(self, image: np.ndarray) -> np.ndarray:
        """Class probabilities of each pixel, f_z(y|x, w) of section 2.

        Parameters
        ----------
        image : uint8 array [H, W, 3]
            RGB in 0..255, not larger than the crop.

        Returns
        -------
        float32 array [H, W, C]
            In [0, 1]; the last axis sums to 1. A DeepLab of one pass on a GPU gives a tensor, which
            stays there to be measured.

        Raises
        ------
        ShapeError, InputError
            If the image is not one RGB image of a size that the network takes.
        NetworkError
            If the network fails, or its scores are not what they should be.
        """
        return self.ending.probabilities(self.scores(image))

    def see(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """`probabilities`, and the disagreement of the passes behind them, float32 [H, W, 3].

        It is that of `metaseg_tf.segments.disagreement.compare_passes`; None if there is one pass.
        """
        return self.probabilities(image), None

    def logits(self, image: np.ndarray) -> np.ndarray:
        """Logits of each pixel, float32 [H, W, C]; arguments and errors as in `probabilities`."""
        return self.ending.logits(self.scores(image))

    @abstractmethod
    def scores(self, image: np.ndarray) -> np.ndarray:
        """The output as it is, float32 [H, W, channels]; arguments and errors as before."""


class ImageNetwork(Network):
    """Base of the networks of all formats but DeepLab's.

    ``size`` is the one size in pixels that it takes, to which smaller images are padded, None if it
    takes any; ``pixels`` makes its input of an image. Scores of a size that is smaller by a whole
    factor, as before the last step of many networks, are resized bilinearly, pixel centres kept.
    """

    def __init__(self, ending: Ending, size: tuple[int, int] | None, pixels: "NetworkInput"):
        self.ending, self.crop, self.fixed_size = ending, size, size
        self.settings = NetworkOptions(scales=1.0, flip=False, crop=size, input_range=pixels.range)
        self._pixels = pixels

    @abstractmethod
    def run(self, pixels: np.ndarray) -> np.ndarray:
        """Scores, float32 [H, W, channels], of a batch of one input [1, H, W, 3]."""

    def scores(self, image: np.ndarray) -> np.ndarray:
        """As in `Network.scores`."""
        check_image(image, self.crop, fixed=True)
        padded = pad_image(image, self.crop or (0, 0))
        scores = self.run(self._pixels.prepare(padded)[np.newaxis])
        if find_factor(scores.shape[:2], padded.shape[:2]):
            scores = tf.image.resize(scores, padded.shape[:2]).numpy()
        expected = (*padded.shape[:2], self.ending.channels)
        if scores.shape != expected:
            raise NetworkError(
                f"network: expected scores [H, W, C] = {list(expected)}, got {list(scores.shape)}; "
                "end it with a resize to the image's size, or run it in tiles (--tile HxW) of a "
                "size that its strides divide"
            )
        return scores[: image.shape[0], : image.shape[1]]


def find_factor(size, whole) -> int | None:
    """The factor by which ``size`` is smaller than ``whole``, rounded up; None if there is none."""
    factors = (n for n in range(1, 65) if [-(-side // n) for side in whole] == list(size))
    return next(factors, None)


class NetworkInput:
    """The input of a network for pixels x in 0..255: (x / 255 - mean) / std, or x itself.

    Without ``input_range``, as in `NetworkOptions`, ``dtype`` decides: 8-bit integers are fed
    pixels as they are, others 0..255, which is noted unless the network ``rescales`` that itself.
    ``scale`` is 0 unless the input is quantised. ``range`` has one name for each range; None if
    nothing was asked for or noted. Raises InputError if the range is unknown or unsuitable.
    """

    def __init__(self, dtype, input_range=None, rescales=False, scale=0.0, zero_point=0):
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
                "note: the network does not say which range of pixels it expects, and gets them "
                "in 0..255; if it was trained on another, name it by --input-range"
            )
        if input_range is not None or not self._as_it_is:
            self._set_range("0..255" if input_range is None else input_range, zero_point)

    def _set_range(self, text: str, zero_point: int) -> None:
        self.range, mean, std = _parse(text)
        self._factor, self._offset = np.float32(1 / (255 * std)), np.float32(-mean / std)
        if not self._scale:
            return
        self._factor = self._factor / self._scale
        self._offset = self._offset / self._scale + zero_point
        ends = np.array([[0], [255]]) * self._factor + self._offset
        limits = np.iinfo(self._dtype)
        if not 0.25 <= np.ptp(ends, axis=0).min() / (limits.max - limits.min) <= 4:
            low, high = (self._scale * (end - zero_point) for end in (limits.min, limits.max))
            raise InputError(
                f"input_range: expected the one that the network's input is quantised for, about "
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


def pad_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An image of at least ``size`` pixels; its last row and column are repeated if need be."""
    # A constant colour would be an edge that is not in the image.
    missing = [(0, max(least - side, 0)) for least, side in zip(size, image.shape, strict=False)]
    return np.pad(image, (*missing, (0, 0)), mode="edge") if np.any(missing) else image


def check_image(image: np.ndarray, crop: tuple[int, int] | None, *, fixed: bool = False) -> None:
    """Raise a ShapeError or InputError unless ``image`` is one RGB image uint8 [H, W, 3].

    It must not be larger than the crop, (height, width) in pixels, if there is one; ``fixed`` says
    that the network cannot be rebuilt with a larger one.
    """
    shape = tuple(np.shape(image))
    if len(shape) != 3 or shape[2] != 3 or 0 in shape:
        remedy = "pass one non-empty RGB image"
        if len(shape) == 4:
            remedy = "pass one image without a batch axis"
        elif len(shape) == 3 and shape[0] == 3:
            remedy = "transpose to channels last"
        elif len(shape) == 3 and shape[2] == 4:
            remedy = "drop the alpha channel"
        raise ShapeError(f"image: expected [H, W, 3], got {list(shape)}; {remedy}")
    dtype = getattr(image, "dtype", None)
    if dtype != np.uint8:
        raise InputError(
            f"image: expected uint8 in 0..255, got {dtype}; pass the pixels as they were decoded"
        )
    if crop is not None and (shape[0] > crop[0] or shape[1] > crop[1]):
        given, expected = (f"{size[0]}x{size[1]}" for size in (shape, crop))
        tiles = f"--tile {expected} --overlap {min(crop) // 5}"
        remedy = f"resize it, or run the network over it in tiles of its size ({tiles})"
        if not fixed:
            remedy = "scale it down, cut it, or rebuild the network with a larger crop"
        raise ShapeError(
            f"image: expected at most {expected} pixels (the network's crop), got {given}; {remedy}"
        )
