"""Convolutions with batch normalisation over named variables, and upstream's way of resizing.

A network is written once, as a function of a `Layers` object, which decides what a layer does: run
or count here, train or export in ``deeplab_checkpoints/``.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import partial

import numpy as np
import tensorflow as tf

__all__ = [
    "BACKBONE_EPSILON", "HEAD_EPSILON", "InferenceLayers", "Layers", "RecordingLayers",
    "batch_norm_names", "resize_bilinear", "resize_rows", "scale_dimension",
]  # fmt: skip

#: Added to the variance by the batch normalisation of the two backbones.
BACKBONE_EPSILON = 1e-3
#: The head asks for 1e-5, which TensorFlow's fused operation has always raised to this.
HEAD_EPSILON = 1.001e-5

# TensorFlow pads the input of wide rates to up to twice its size: channels go in steps there.
_WIDE_RATE, _WIDE_STEP = 6, 256


def batch_norm_names(scope: str) -> tuple[str, str, str, str]:
    """Names of gamma, beta, moving mean and moving variance of the layer ``scope``."""
    parts = ("gamma", "beta", "moving_mean", "moving_variance")
    return tuple(f"{scope}/BatchNorm/{part}" for part in parts)


class Layers(ABC):
    """The three kinds of layer that a DeepLab network is made of, named as upstream names them.

    ``x`` is float32 [N, H, W, C] throughout, with H, W and C known.
    """

    def conv(self, x, scope, depth, *, size=1, stride=1, padding="SAME", **ending) -> tf.Tensor:
        """A convolution without bias, ended as `_layer` does: [N, H', W', depth]."""
        convolve = partial(tf.nn.conv2d, x, strides=stride, padding=padding)
        return self._layer(scope, "weights", (size, size, x.shape[-1], depth), convolve, **ending)

    def depthwise(self, x, scope, *, stride=1, rate=1, padding="SAME", **ending) -> tf.Tensor:
        """A 3x3 convolution of each channel by itself, ``rate`` pixels between its taps."""

        def convolve(kernel):
            options = ((1, stride, stride, 1), padding, None, (rate, rate))
            if rate < _WIDE_RATE:
                return tf.nn.depthwise_conv2d(x, kernel, *options)
            parts = []
            for some in (slice(i, i + _WIDE_STEP) for i in range(0, x.shape[-1], _WIDE_STEP)):
                with tf.control_dependencies(parts[-1:]):
                    y, taps = x[..., some], kernel[:, :, some]
                    parts.append(tf.nn.depthwise_conv2d(y, taps, *options))
            return tf.concat(parts, 3)

        return self._layer(scope, "depthwise_weights", (3, 3, x.shape[-1], 1), convolve, **ending)

    def _layer(self, scope, kind, shape, convolve, *, epsilon=BACKBONE_EPSILON, activation=None):
        """``convolve``, batch normalisation and an activation, under names in ``scope``."""
        with tf.name_scope(f"{scope}/"):
            y = self._normalised(scope, kind, shape, convolve, epsilon)
            return activation(y) if activation else y

    def classify(self, x: tf.Tensor, scope: str, n_classes: int) -> tf.Tensor:
        """The last layer, 1x1 with bias and without batch normalisation: [N, H, W, n_classes]."""
        with tf.name_scope(f"{scope}/"):
            kernel = self._variable(f"{scope}/weights", (1, 1, x.shape[-1], n_classes))
            biases = self._variable(f"{scope}/biases", (n_classes,))
            return tf.nn.bias_add(tf.nn.conv2d(x, kernel, 1, "SAME"), biases)

    @abstractmethod
    def _variable(self, name: str, shape: tuple[int, ...]) -> tf.Tensor:
        """The variable ``name``, which the network expects to be of ``shape``."""

    def _normalised(self, scope, kind, shape, convolve, epsilon) -> tf.Tensor:
        """``convolve`` with the kernel ``scope/kind`` of ``shape``, followed by its BatchNorm."""
        y = convolve(self._variable(f"{scope}/{kind}", shape))
        statistics = (self._variable(name, y.shape[-1:]) for name in batch_norm_names(scope))
        return tf.compat.v1.nn.fused_batch_norm(
            y, *statistics, epsilon, is_training=False, name="BatchNorm/FusedBatchNorm"
        )[0]


class InferenceLayers(Layers):
    """Layers with the moving statistics, folded into kernel and bias once for all calls."""

    def __init__(self, weights: Mapping[str, np.ndarray]):
        self._weights = weights
        self._variables: dict[str, tf.Tensor] = {}
        self._folded: dict[str, tuple[tf.Tensor, tf.Tensor]] = {}

    def _variable(self, name, shape):
        if name not in self._variables:
            self._variables[name] = _held_once(self._weights[name])
        return self._variables[name]

    def _normalised(self, scope, kind, shape, convolve, epsilon):
        if scope not in self._folded:
            names = batch_norm_names(scope)
            gamma, beta, mean, variance = (self._weights[name] for name in names)
            scale = gamma / np.sqrt(variance.astype(np.float64) + epsilon)
            # The normalised channel is the last axis, or for a depthwise kernel the last but one.
            per_channel = scale if kind == "weights" else scale[:, np.newaxis]
            folded = self._weights[f"{scope}/{kind}"] * per_channel, beta - mean * scale
            self._folded[scope] = tuple(map(_held_once, folded))
        kernel, offset = self._folded[scope]
        return tf.nn.bias_add(convolve(kernel), offset)


def _held_once(value):
    """A float32 constant outside of any function being traced, however often it is traced."""
    with tf.init_scope():
        return tf.constant(value, tf.float32)


class RecordingLayers(Layers):
    """Layers that compute nothing and note the ``shapes`` of variables in order, in a tf.Graph."""

    def __init__(self):
        self.shapes: dict[str, tuple[int, ...]] = {}

    def _variable(self, name, shape):
        self.shapes[name] = tuple(shape)
        return tf.compat.v1.placeholder(tf.float32, shape)


def scale_dimension(size: int, scale: float) -> int:
    """Number of samples on a side of ``size`` pixels at ``scale``, its corners staying samples.

    >>> scale_dimension(1025, 0.75), scale_dimension(2049, 1 / 16)
    (769, 129)
    """
    return int((size - 1) * scale + 1)


def resize_bilinear(x: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Resize [N, H, W, C] to [N, *size, C], float32; the corner pixels keep their values.

    ``tf.image.resize``, whose samples lie half a pixel in, is no substitute.
    """
    return tf.raw_ops.ResizeBilinear(
        images=x, size=list(size), align_corners=True, half_pixel_centers=False
    )


def resize_rows(x: tf.Tensor, size: tuple[int, int], top: int, bottom: int) -> tf.Tensor:
    """Rows ``top`` to ``bottom`` of `resize_bilinear`, [bottom - top, size[1], C], for N = 1."""
    height = x.shape[1]
    step = np.float32((height - 1) / max(size[0] - 1, 1))
    at = np.arange(top, bottom, dtype=np.float32) * step
    above = at.astype(np.int32)
    below = np.minimum(above + 1, height - 1)
    needed = x[:, above[0] : below[-1] + 1]
    wide = resize_bilinear(needed, (needed.shape[1], size[1]))[0]
    upper, lower = (tf.gather(wide, rows - above[0]) for rows in (above, below))
    return upper + (lower - upper) * (at - above)[:, np.newaxis, np.newaxis]
