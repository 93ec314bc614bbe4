"""Scores of a network, whichever they are: logits, or probabilities already."""

import numpy as np
import tensorflow as tf

__all__ = ["as_logits", "as_probabilities", "is_probability"]

#: How far a row of probabilities may be from 1: 8-bit networks round each of them to 1/256.
_TOLERANCE = 0.05
#: Below the least probability that float32 softmax tells from 0 in practice.
_LEAST = 1e-30


def is_probability(scores: np.ndarray) -> bool:
    """Whether all rows (last axis) of ``scores`` are distributions: non-negative, with sum 1."""
    return scores.min() >= 0 and np.abs(scores.sum(axis=-1) - 1).max() < _TOLERANCE


def as_probabilities(scores: np.ndarray) -> np.ndarray:
    """Class probabilities from logits or from probabilities, which are scaled to the sum 1.

    Parameters
    ----------
    scores : float32 array [H, W, C]

    Returns
    -------
    float32 array [H, W, C]
    """
    if is_probability(scores):
        return scores / scores.sum(axis=-1, keepdims=True)
    return tf.nn.softmax(scores).numpy()


def as_logits(scores: np.ndarray) -> np.ndarray:
    """Logits from logits or from probabilities, of which they are the logarithm.

    A softmax does not tell logits from those with a constant added to each pixel, so the
    logarithm is as good as what the network had.
    """
    return np.log(np.maximum(scores, _LEAST)) if is_probability(scores) else scores
