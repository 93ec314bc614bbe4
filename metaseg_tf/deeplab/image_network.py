"""What networks other than DeepLab's frozen graphs have in common: an image in, scores out."""

from abc import ABC, abstractmethod

import numpy as np

from metaseg_tf.deeplab.image import check_image
from metaseg_tf.deeplab.scores import as_logits, as_probabilities
from metaseg_tf.deeplab.settings import NetworkSettings
from metaseg_tf.errors import InputError, NetworkError

__all__ = ["NORMALISATIONS", "ImageNetwork"]

#: What a network with a float input expects, by factor and offset for pixels in 0..255.
NORMALISATIONS = {"0..255": (1.0, 0.0), "0..1": (1 / 255, 0.0), "-1..1": (2 / 255, -1.0)}


class ImageNetwork(ABC):
    """Class probabilities from a network that takes images as they are, without padding.

    Parameters
    ----------
    classes : int
        Number of classes C.
    crop : (int, int) or None
        The one size in pixels that the network takes, None if it takes any.
    dtype : numpy dtype
        Of the network's input. uint8 is fed as it is, floats are normalised.
    normalise : {"0..255", "0..1", "-1..1"}
        The range that a float input expects.
    """

    def __init__(self, classes: int, crop: tuple[int, int] | None, dtype, normalise: str):
        if normalise not in NORMALISATIONS:
            raise InputError(
                f"normalise: expected one of {', '.join(NORMALISATIONS)}, got {normalise!r}; "
                "take the range of pixels that the network was trained on"
            )
        if classes < 2:
            raise NetworkError(
                f"network: expected scores [1, H, W, C] of at least 2 classes, got {classes}; "
                "use a network for semantic segmentation with channels last"
            )
        self.classes = classes
        self.crop = crop
        self.settings = NetworkSettings(crop=crop)
        self._dtype = np.dtype(dtype)
        self._factor, self._offset = NORMALISATIONS[normalise]

    def probabilities(self, image: np.ndarray) -> np.ndarray:
        """Class probabilities, float32 [H, W, C], of a uint8 RGB image [H, W, 3].

        Raises
        ------
        ShapeError, InputError
            If the image is not one RGB image of the network's size.
        NetworkError
            If the network fails, or its scores are not of the image's size.
        """
        return as_probabilities(self._checked_scores(image))

    def logits(self, image: np.ndarray) -> np.ndarray:
        """Logits, float32 [H, W, C]; the logarithm where the network gives probabilities."""
        return as_logits(self._checked_scores(image))

    @abstractmethod
    def _scores(self, pixels: np.ndarray) -> np.ndarray:
        """Logits or probabilities, float32 [h, w, C], of a batch of one image [1, H, W, 3]."""

    def _checked_scores(self, image: np.ndarray) -> np.ndarray:
        check_image(image, self.crop, exact=True)
        scores = self._scores(self._prepared(image)[np.newaxis])
        expected = (*image.shape[:2], self.classes)
        if scores.shape != expected:
            raise NetworkError(
                f"network: expected scores [H, W, C] = {list(expected)}, got {list(scores.shape)}; "
                "end it with a resize to the image's size"
            )
        return scores

    def _prepared(self, image: np.ndarray) -> np.ndarray:
        if self._dtype == np.uint8:
            return image
        pixels = image.astype(np.float32) * self._factor + self._offset
        return pixels.astype(self._dtype)
