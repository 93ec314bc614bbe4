"""A network of a fixed size over larger images, tile by tile."""

from dataclasses import replace

import numpy as np

from metaseg_tf.errors import InputError
from metaseg_tf.networks.image_network import Network, check_image, pad_image

__all__ = ["Tiled"]


class Tiled(Network):
    """Class probabilities of images larger than a network takes.

    The network's scores, logits or probabilities, are averaged where tiles overlap, with weights
    that fall towards the edge of a tile, where a network sees least; the softmax comes after.
    ``tile`` is the height and width of a tile in pixels, to which smaller images are padded;
    neighbouring tiles overlap by at least ``overlap`` pixels, 0 <= overlap < tile. Raises
    InputError if that does not hold, or the tile is not of the one size that the network takes.
    """

    def __init__(self, network: Network, tile: int | tuple[int, int], overlap: int = 0):
        self._tile = (tile, tile) if np.ndim(tile) == 0 else tuple(tile)
        if len(self._tile) != 2 or min(self._tile) < 1 or not 0 <= overlap < min(self._tile):
            raise InputError(
                f"tile, overlap: expected 0 <= overlap < tile, got tile {tile} and overlap "
                f"{overlap}; a fifth of the tile is a good overlap"
            )
        fixed = getattr(network, "fixed_size", None) or self._tile
        if self._tile != fixed:
            given, expected = ("x".join(map(str, size)) for size in (self._tile, fixed))
            raise InputError(
                f"tile: expected {expected}, the one size that the network takes, got {given}; "
                f"give --tile {expected}"
            )
        self.ending, self.crop, self.files = network.ending, None, network.files
        self.settings = replace(network.settings, crop=None)
        self._network = network
        self._overlap = overlap
        # Along one side of a tile weights are in (0, 1] and rise over the overlap.
        sides = [np.minimum(np.arange(side), np.arange(side)[::-1]) + 1 for side in self._tile]
        rising = [np.minimum(side / (overlap + 1), 1).astype(np.float32) for side in sides]
        self._weights = np.outer(*rising)[..., np.newaxis]

    def scores(self, image: np.ndarray) -> np.ndarray:
        """Scores, blended where tiles overlap; as in `Network.scores`."""
        check_image(image, None)
        size = image.shape[:2]
        image = pad_image(image, self._tile)
        height, width = image.shape[:2]
        total = np.zeros((height, width, self.ending.channels), np.float32)
        weight = np.zeros((height, width, 1), np.float32)
        for top in self._starts(height, self._tile[0]):
            for left in self._starts(width, self._tile[1]):
                place = np.s_[top : top + self._tile[0], left : left + self._tile[1]]
                total[place] += self._weights * self._network.scores(image[place])
                weight[place] += self._weights
        return np.divide(total, weight, out=total)[: size[0], : size[1]]

    def _starts(self, side: int, tile: int) -> list[int]:
        """First pixels of the fewest tiles that cover ``side``, evenly spread."""
        steps = -(-(side - tile) // (tile - self._overlap))
        return np.linspace(0, side - tile, steps + 1).round().astype(int).tolist()
