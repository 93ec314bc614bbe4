"""Weights to begin with: for training, and random ones that behave like trained ones."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from metaseg_tf.networks.deeplab.backbones import Architecture
from metaseg_tf.networks.deeplab.layers import InferenceLayers, TrainingLayers, resize_bilinear
from metaseg_tf.networks.deeplab.model import compute_logits, variable_shapes

__all__ = ["initial_weights", "make_variables", "random_weights"]

#: Standard deviation of the logits of `random_weights` on small images; on large ones it is more.
LOGITS_STD = 2.5

_STARTS = {"gamma": 1.0, "beta": 0.0, "moving_mean": 0.0, "moving_variance": 1.0, "biases": 0.0}


def initial_weights(architecture: Architecture, seed: int) -> dict[str, np.ndarray]:
    """Weights to start training from: kernels after He et al. (2015), identity normalisation.

    Returns
    -------
    dict of str to float32 array
        One for each of `variable_shapes`, the same for the same seed.
    """
    rng = np.random.default_rng(seed)
    shapes = variable_shapes(architecture)
    return {name: _initial(rng, name, shape) for name, shape in shapes.items()}


def make_variables(weights: Mapping[str, np.ndarray]) -> dict[str, tf.Variable]:
    """A variable for each weight; the moving statistics are not trainable."""
    return {
        name: tf.Variable(value, trainable="/moving_" not in name)
        for name, value in weights.items()
    }


def random_weights(architecture: Architecture, seed: int) -> dict[str, np.ndarray]:
    """Random weights whose statistics are those of a trained network.

    Gamma and beta scatter around the identity, the moving statistics are those that random images
    have in each layer, and the logits have a standard deviation of a few units.

    Returns
    -------
    dict of str to float32 array
        One for each of `variable_shapes`, the same for the same seed.
    """
    rng = np.random.default_rng(seed)
    weights = initial_weights(architecture, seed)
    for name, value in weights.items():
        if name.endswith(("/gamma", "/beta", "/biases")):
            weights[name] = value + rng.normal(0, 0.1, value.shape).astype(np.float32)
    images = _random_images(rng)
    weights = _calibrated(architecture, weights, images)
    logits = compute_logits(architecture, InferenceLayers(weights), images, 16)
    weights["logits/semantic/weights"] *= LOGITS_STD / np.std(logits)
    return weights


def _calibrated(architecture, weights, images):
    """The weights with moving statistics near those of ``images``."""
    variables = make_variables(weights)
    # Some of the initial variance 1 stays, so that channels without signal are not blown up.
    layers = TrainingLayers(variables, momentum=0.1)
    compute_logits(architecture, layers, images, 16)
    return {name: variable.numpy() for name, variable in variables.items()}


def _initial(rng, name, shape):
    kind = name.rpartition("/")[2]
    if kind in _STARTS:
        return np.full(shape, _STARTS[kind], np.float32)
    inputs = np.prod(shape[:2] if kind == "depthwise_weights" else shape[:3])
    return rng.normal(0, np.sqrt(2 / inputs), shape).astype(np.float32)


def _random_images(rng):
    """Eight 65x65 images in [-1, 1]: smooth coloured patterns under ever more noise."""
    patterns = resize_bilinear(rng.normal(0, 0.5, (8, 5, 5, 3)).astype(np.float32), (65, 65))
    levels = np.linspace(0, 0.5, 8, dtype=np.float32).reshape(8, 1, 1, 1)
    noise = rng.normal(0, 1, patterns.shape).astype(np.float32)
    return tf.clip_by_value(patterns + levels * noise, -1.0, 1.0)
