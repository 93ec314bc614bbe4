"""Scores of a network, whichever they are: logits, probabilities, or one sigmoid channel."""

import numpy as np
import tensorflow as tf

from metaseg_tf.errors import NetworkError
from metaseg_tf.segments.dispersion import SUM_TOLERANCE

__all__ = ["Ending"]

#: Below the least probability that float32 softmax tells from 0 in practice.
_LEAST = 1e-30


class Ending:
    """How a network ends: what its scores are, which holds for all images.

    Parameters
    ----------
    kind : {"probabilities", "sigmoid", "logits"} or None
        None where the first image has to decide: values in [0, 1] are probabilities or refused.
    channels : int
        Of the scores.
    rounded : bool
        To 8 bits, so that rows sum to 1 within C / 512 only, or twice that if they are resized.

    Attributes
    ----------
    kind, channels
        As given; the kind is that of the first image where it was None.
    classes : int
        Number of classes C: 2 for one sigmoid channel, else ``channels``.

    Raises
    ------
    NetworkError
        If the scores can be neither logits nor a distribution.
    """

    def __init__(self, kind: str | None, channels: int, rounded: bool = False):
        if kind == "sigmoid" and channels > 1:
            raise NetworkError(
                f"network: expected logits or rows summing to 1 within {SUM_TOLERANCE:g}, got "
                f"{channels} sigmoid channels, which are neither; train it with a softmax over the "
                "last axis"
            )
        if kind != "sigmoid" and channels < 2:
            raise NetworkError(
                "network: expected scores [1, H, W, C] of at least 2 classes, or one channel that "
                f"ends in a sigmoid, got {channels} without one; use a network for semantic "
                "segmentation with channels last"
            )
        self.classes = max(channels, 2)
        self.kind, self.channels = kind, channels
        self._tolerance = min(SUM_TOLERANCE + rounded * channels / 256, 0.99)

    def probabilities(self, scores: np.ndarray) -> np.ndarray:
        """Class probabilities, float32 [H, W, C] with sum 1, from scores, float32 [H, W, channels].

        Raises
        ------
        NetworkError
            If the scores are not what the network should give.
        """
        if self.kind is None:
            bounded = scores.min() >= 0 and scores.max() <= 1
            self.kind = "probabilities" if bounded else "logits"
        if self.kind == "logits":
            return tf.nn.softmax(scores).numpy()
        if self.kind == "sigmoid":
            scores = np.concatenate([1 - scores, scores], axis=-1)
        # Bicubic resizing overshoots, and so does rounding; what else is below 0 spoils the sum.
        probs = np.maximum(scores, 0)
        total = probs.sum(axis=-1, keepdims=True)
        error = np.abs(total[..., 0] - 1)
        if not error.max() <= self._tolerance:
            row, column = np.unravel_index(error.argmax(), error.shape)
            raise NetworkError(
                f"network: expected logits or rows summing to 1 within {self._tolerance:g}, got "
                f"{total[row, column, 0]:.6g} at pixel ({row}, {column}) of scores that are "
                "neither; end it with a softmax over the last axis"
            )
        return np.divide(probs, total, out=probs)

    def logits(self, scores: np.ndarray) -> np.ndarray:
        """Logits, float32 [H, W, C], of scores; the logarithm where those are probabilities.

        A softmax does not tell logits from those with a constant added to each pixel, so the
        logarithm is as good as what the network had.
        """
        probs = self.probabilities(scores)
        return scores if self.kind == "logits" else np.log(np.maximum(probs, _LEAST))
