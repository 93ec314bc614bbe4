"""A network of a fixed size over larger images, tile by tile."""

from dataclasses import replace

import numpy as np

from metaseg_tf.deeplab.image import check_image
from metaseg_tf.errors import InputError, ShapeError

__all__ = ["Tiled"]


class Tiled:
    """Class probabilities of images larger than a network takes.

    The network's scores, logits or probabilities, are averaged where tiles overlap, with weights
    that fall towards the edge of a tile, where a network sees least; a softmax comes after.

    Parameters
    ----------
    network : object
        With ``scores(image)``, ``ending``, ``classes`` and ``settings``.
    tile : int
        Height and width of a tile in pixels.
    overlap : int
        By how many pixels neighbouring tiles overlap at least, 0 <= overlap < tile.

    Raises
    ------
    InputError
        If the overlap is not smaller than the tile.
    """

    def __init__(self, network, tile: int, overlap: int = 0):
        if tile < 1 or not 0 <= overlap < tile:
            raise InputError(
                f"tile, overlap: expected 0 <= overlap < tile, got tile {tile} and overlap "
                f"{overlap}; a fifth of the tile is a good overlap"
            )
        self.classes = network.classes
        self.crop = None
        self.ending = network.ending
        self.settings = replace(network.settings, crop=None)
        self._network = network
        self._tile, self._overlap = tile, overlap
        self._weights = _ramp(tile, overlap)

    def probabilities(self, image: np.ndarray) -> np.ndarray:
        """Class probabilities, float32 [H, W, C], of a uint8 RGB image [H, W, 3].

        Raises
        ------
        ShapeError
            If the image is smaller than a tile, or a tile is not what the network takes.
        """
        return self.ending.probabilities(self.scores(image))

    def logits(self, image: np.ndarray) -> np.ndarray:
        """Blended logits, float32 [H, W, C]; arguments and errors as in `probabilities`."""
        return self.ending.logits(self.scores(image))

    def scores(self, image: np.ndarray) -> np.ndarray:
        """Blended scores, float32 [H, W, channels]; ``ending`` tells what they are."""
        self._check(image)
        height, width = image.shape[:2]
        total = np.zeros((height, width, self.ending.channels), np.float32)
        weight = np.zeros((height, width, 1), np.float32)
        for top in self._starts(height):
            for left in self._starts(width):
                place = np.s_[top : top + self._tile, left : left + self._tile]
                total[place] += self._weights * self._network.scores(image[place])
                weight[place] += self._weights
        return np.divide(total, weight, out=total)

    def _check(self, image: np.ndarray) -> None:
        check_image(image, None)
        if min(image.shape[:2]) < self._tile:
            raise ShapeError(
                f"image: expected at least the tile's {self._tile}x{self._tile} pixels, got "
                f"{image.shape[0]}x{image.shape[1]}; give a smaller --tile"
            )

    def _starts(self, side: int) -> list[int]:
        """First pixels of the fewest tiles that cover ``side``, evenly spread."""
        steps = -(-(side - self._tile) // (self._tile - self._overlap))
        return np.linspace(0, side - self._tile, steps + 1).round().astype(int).tolist()


def _ramp(tile: int, overlap: int) -> np.ndarray:
    """Weights of a tile, float32 [tile, tile, 1] in (0, 1]: rising over the overlap, then 1."""
    distance = np.minimum(np.arange(tile), np.arange(tile)[::-1]) + 1
    side = np.minimum(distance / (overlap + 1), 1).astype(np.float32)
    return np.outer(side, side)[..., np.newaxis]
