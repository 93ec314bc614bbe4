"""A network rebuilt from its weights, at any output stride, crop, scales and flip."""

from collections.abc import Mapping
from functools import partial
from numbers import Integral

import numpy as np
import tensorflow as tf

from metaseg_tf.errors import InputError
from metaseg_tf.networks.deeplab.backbones import OUTPUT_STRIDES
from metaseg_tf.networks.deeplab.layers import InferenceLayers
from metaseg_tf.networks.deeplab.model import (
    compute_logits,
    full_logits,
    mean_softmax,
    pad_to_crop,
    scale_logits,
    variable_shapes,
)
from metaseg_tf.networks.deeplab.weights import check_weights, infer_architecture
from metaseg_tf.networks.image_network import Network, check_image
from metaseg_tf.networks.options import NetworkOptions
from metaseg_tf.networks.scores import Ending

__all__ = ["RebuiltNetwork", "check_settings"]


class RebuiltNetwork(Network):
    """A DeepLabv3+ network with given weights and settings.

    Parameters
    ----------
    weights : mapping of str to float32 array
        Every variable under upstream's name; the architecture is read from names and shapes.
    settings : NetworkOptions
        Output stride and crop must be given; scale 1 and no flip are the defaults.

    Raises
    ------
    InputError
        If no network can be built with these settings.
    NetworkError
        If weights are missing, left over or of the wrong shape.
    """

    def __init__(self, weights: Mapping[str, np.ndarray], settings: NetworkOptions):
        settings = settings.completed(NetworkOptions(scales=1.0, flip=False))
        check_settings(settings)
        self.architecture = infer_architecture({name: w.shape for name, w in weights.items()})
        check_weights(variable_shapes(self.architecture), weights)
        self.weights = weights
        self.settings = settings
        self.crop = settings.crop
        averages = settings.flip or settings.scales != (1.0,)
        self.ending = Ending("probabilities" if averages else "logits", self.architecture.n_classes)
        self._stride = self.architecture.logits_stride(settings.output_stride)
        self._layers = InferenceLayers(weights)
        self._functions: dict[tuple[int, ...], tf.types.experimental.ConcreteFunction] = {}

    def probabilities(self, image: np.ndarray) -> np.ndarray:
        """As in `Network.probabilities`, averaged over all scales and flips."""
        padded = self._pad(image)
        logits = scale_logits(self._network, padded, self._stride, self.settings)
        return mean_softmax(logits, image.shape[:2])

    def logits(self, image: np.ndarray) -> np.ndarray:
        """As in `Network.logits`, at scale 1 without flip in any case."""
        height, width = image.shape[:2]
        logits = full_logits(self._network, self._pad(image), self._stride)
        return np.array(logits[0, :height, :width])

    def scores(self, image: np.ndarray) -> np.ndarray:
        """As in `Network.scores`: logits at scale 1 alone, else the mean of probabilities."""
        return self.logits(image) if self.ending.kind == "logits" else self.probabilities(image)

    def _pad(self, image):
        check_image(image, self.crop)
        return pad_to_crop(tf.constant(image[np.newaxis]), self.crop)

    def _network(self, images):
        """The network as one function for each input size: sizes are those of the scales."""
        size = tuple(images.shape)
        if size not in self._functions:
            signature = tf.TensorSpec(size, tf.float32)
            stride = self.settings.output_stride
            network = partial(compute_logits, self.architecture, self._layers, output_stride=stride)
            traced = tf.function(network, autograph=False)
            self._functions[size] = traced.get_concrete_function(signature)
        return self._functions[size](images)


def check_settings(settings: NetworkOptions) -> None:
    """Raise an InputError that names a setting with which no network can be built."""
    if settings.output_stride not in OUTPUT_STRIDES:
        raise InputError(
            f"output_stride: expected one of {OUTPUT_STRIDES}, got {settings.output_stride!r}; "
            "the paper uses 16 (MobileNetV2) and 8 (Xception65)"
        )
    if not settings.scales or not all(0 < scale <= 8 for scale in settings.scales):
        raise InputError(
            f"scales: expected one or more factors in (0, 8], got {settings.scales!r}; "
            "the paper uses (1.0,) and (0.75, 1.0, 1.25)"
        )
    crop, stride = settings.crop, settings.output_stride
    is_pair = isinstance(crop, tuple) and len(crop) == 2
    if not is_pair or not all(isinstance(side, Integral) and side > stride for side in crop):
        raise InputError(
            f"crop: expected (height, width), each more than {stride} pixels, got {crop!r}; "
            "Cityscapes takes (1025, 2049)"
        )
    if any(side % stride != 1 for side in crop):
        nearest = tuple(-(-(side - 1) // stride) * stride + 1 for side in crop)
        raise InputError(
            f"crop: expected sides k * {stride} + 1 at output stride {stride}, got {crop}; "
            f"use {nearest}"
        )
