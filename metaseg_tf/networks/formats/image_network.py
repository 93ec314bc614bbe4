"""What networks other than DeepLab's frozen graphs have in common: an image in, scores out."""

from abc import ABC, abstractmethod

import numpy as np

from metaseg_tf.errors import NetworkError
from metaseg_tf.networks.image import check_image, pad_image
from metaseg_tf.networks.input_range import NetworkInput
from metaseg_tf.networks.options import NetworkSettings
from metaseg_tf.networks.scores import Ending

__all__ = ["ImageNetwork"]


class ImageNetwork(ABC):
    """Class probabilities from a network that takes images as they are, without padding.

    Parameters
    ----------
    ending : Ending
        What its scores are.
    crop : (int, int) or None
        The one size in pixels that the network takes, to which smaller images are padded; None if
        it takes any.
    pixels : NetworkInput
        What it takes in place of an image.
    """

    def __init__(self, ending: Ending, crop: tuple[int, int] | None, pixels: NetworkInput):
        self.ending, self.classes, self.crop = ending, ending.classes, crop
        self.fixed_size = crop
        self.settings = NetworkSettings(crop=crop, input_range=pixels.range)
        self._pixels = pixels

    def probabilities(self, image: np.ndarray) -> np.ndarray:
        """Class probabilities, float32 [H, W, C], of a uint8 RGB image [H, W, 3].

        Raises
        ------
        ShapeError, InputError
            If the image is not one RGB image of the network's size.
        NetworkError
            If the network fails, or its scores are not of the image's size.
        """
        return self.ending.probabilities(self.scores(image))

    def logits(self, image: np.ndarray) -> np.ndarray:
        """Logits, float32 [H, W, C]; the logarithm where the network gives probabilities."""
        return self.ending.logits(self.scores(image))

    @abstractmethod
    def _scores(self, pixels: np.ndarray) -> np.ndarray:
        """What `scores` gives, before the check of its size, for a batch of one [1, H, W, 3]."""

    def scores(self, image: np.ndarray) -> np.ndarray:
        """What the network gives, float32 [H, W, channels]; ``ending`` tells what that is."""
        check_image(image, self.crop, fixed=True)
        padded = pad_image(image, self.crop or (0, 0))
        scores = self._scores(self._pixels.prepare(padded)[np.newaxis])
        expected = (*padded.shape[:2], self.ending.channels)
        if scores.shape != expected:
            raise NetworkError(
                f"network: expected scores [H, W, C] = {list(expected)}, got {list(scores.shape)}; "
                "end it with a resize to the image's size, or run it in tiles (--tile HxW) of a "
                "size that its strides divide"
            )
        return scores[: image.shape[0], : image.shape[1]]
