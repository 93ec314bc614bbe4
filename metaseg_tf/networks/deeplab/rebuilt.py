"""A network rebuilt from its weights, at any output stride, crop, scales and flip."""

from collections.abc import Mapping
from numbers import Integral

import numpy as np
import tensorflow as tf

from metaseg_tf.errors import InputError
from metaseg_tf.networks.deeplab.backbones import OUTPUT_STRIDES
from metaseg_tf.networks.deeplab.layers import InferenceLayers
from metaseg_tf.networks.deeplab.model import compute_logits, variable_shapes
from metaseg_tf.networks.deeplab.multiscale import (
    full_logits,
    mean_softmax,
    pad_to_crop,
    scale_logits,
)
from metaseg_tf.networks.deeplab.weights import check_weights, infer_architecture
from metaseg_tf.networks.image_network import check_image
from metaseg_tf.networks.options import NetworkSettings
from metaseg_tf.networks.scores import Ending

__all__ = ["RebuiltNetwork", "check_settings"]


class RebuiltNetwork:
    """A DeepLabv3+ network with given weights and settings.

    Parameters
    ----------
    weights : mapping of str to float32 array
        Every variable under upstream's name; the architecture is read from names and shapes.
    settings : NetworkSettings
        Output stride and crop must be given.

    Attributes
    ----------
    architecture : Architecture
    classes : int
        Number of classes C.
    crop : (int, int)
        Height and width in pixels to which every image is padded.
    ending : Ending
        What `scores` are.
    settings : NetworkSettings
    weights : mapping of str to float32 array
        As given.

    Raises
    ------
    InputError
        If the settings are not such that a network can be built.
    NetworkError
        If weights are missing, left over or of the wrong shape.
    """

    def __init__(self, weights: Mapping[str, np.ndarray], settings: NetworkSettings):
        check_settings(settings)
        self.architecture = infer_architecture({name: w.shape for name, w in weights.items()})
        check_weights(variable_shapes(self.architecture), weights)
        self.weights = weights
        self.settings = settings
        self.classes = self.architecture.n_classes
        self.crop = settings.crop
        averages = settings.flip or settings.scales != (1.0,)
        self.ending = Ending("probabilities" if averages else "logits", self.classes)
        self._stride = self.architecture.logits_stride(settings.output_stride)
        self._layers = InferenceLayers(weights)
        self._functions: dict[tuple[int, ...], tf.types.experimental.ConcreteFunction] = {}

    def probabilities(self, image: np.ndarray) -> np.ndarray:
        """Class probabilities of each pixel, f_z(y|x, w) of section 2, averaged over all scales.

        Parameters
        ----------
        image : uint8 array [H, W, 3]
            RGB in 0..255, not larger than the crop.

        Returns
        -------
        float32 array [H, W, C]
            In [0, 1]; the last axis sums to 1.

        Raises
        ------
        ShapeError, InputError
            If the image is not one RGB image within the crop.
        """
        padded = self._pad(image)
        logits = scale_logits(self._network, padded, self._stride, self.settings)
        return mean_softmax(logits, image.shape[:2])

    def logits(self, image: np.ndarray) -> np.ndarray:
        """Logits of each pixel at scale 1 without flip, whatever the settings, [H, W, C].

        Arguments and errors as in `probabilities`.
        """
        height, width = image.shape[:2]
        logits = full_logits(self._network, self._pad(image), self._stride)
        return np.array(logits[0, :height, :width])

    def scores(self, image: np.ndarray) -> np.ndarray:
        """What tiles are averaged in: logits at scale 1 alone, else the mean of probabilities."""
        return self.logits(image) if self.ending.kind == "logits" else self.probabilities(image)

    def _pad(self, image):
        check_image(image, self.crop)
        return pad_to_crop(tf.constant(image[np.newaxis]), self.crop)

    def _network(self, images):
        """The network as one function for each input size: sizes are those of the scales."""
        size = tuple(images.shape)
        if size not in self._functions:
            signature = tf.TensorSpec(size, tf.float32)
            traced = tf.function(self._trace, autograph=False)
            self._functions[size] = traced.get_concrete_function(signature)
        return self._functions[size](images)

    def _trace(self, images):
        output_stride = self.settings.output_stride
        return compute_logits(self.architecture, self._layers, images, output_stride)


def check_settings(settings: NetworkSettings) -> None:
    """Raise an InputError that names the setting at which no network can be built."""
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
    _check_crop(settings.crop, settings.output_stride)


def _check_crop(crop, stride):
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
