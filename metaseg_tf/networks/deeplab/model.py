"""DeepLabv3+ on top of a backbone: atrous spatial pyramid pooling, decoder, logits."""

from functools import lru_cache

import tensorflow as tf

from metaseg_tf.networks.deeplab.backbones import DECODER_STRIDE, Architecture
from metaseg_tf.networks.deeplab.layers import (
    HEAD_EPSILON,
    Layers,
    RecordingLayers,
    resize_bilinear,
    scale_dimension,
)
from metaseg_tf.networks.graph import graph_multiply_adds

__all__ = [
    "compute_logits",
    "count_multiply_adds",
    "normalise",
    "variable_shapes",
]

#: Rates of the atrous branches at output stride 16; they double at 8.
ATROUS_RATES = (6, 12, 18)


def normalise(image: tf.Tensor) -> tf.Tensor:
    """Pixel values 0..255 to the network's input -1..1, float32 of the same shape."""
    return (2.0 / 255.0) * image - 1.0


def compute_logits(
    architecture: Architecture, layers: Layers, images: tf.Tensor, output_stride: int
) -> tf.Tensor:
    """Logits of each class, at the stride ``architecture.logits_stride(output_stride)``.

    Parameters
    ----------
    architecture : Architecture
    layers : Layers
        The weights, and how to apply them.
    images : float32 tensor [N, H, W, 3]
        RGB in [-1, 1], see `normalise`; H and W known, best k * output_stride + 1.
    output_stride : int
        8 or 16.

    Returns
    -------
    float32 tensor [N, H', W', C]
        With H' = `scale_dimension` (H, 1 / stride), and W' likewise.
    """
    x, low_level = architecture.backbone.features(layers, images, output_stride)
    x = _pyramid_pooling(architecture, layers, x, output_stride)
    if architecture.decoder:
        size = [scale_dimension(side, 1 / DECODER_STRIDE) for side in images.shape[1:3]]
        depth = architecture.decoder.low_level_depth
        low_level = _head_conv(layers, low_level, "decoder/feature_projection0", depth)
        with tf.name_scope("decoder/"):
            x = tf.concat([resize_bilinear(x, size), resize_bilinear(low_level, size)], 3)
        for number in (0, 1):
            name = f"decoder/decoder_conv{number}"
            x = _head_separable(layers, x, name, architecture.decoder.depth)
    return layers.classify(x, "logits/semantic", architecture.n_classes)


def _pyramid_pooling(architecture, layers, x, output_stride):
    depth, size = architecture.head_depth, x.shape[1:3]
    pooled = tf.nn.avg_pool2d(x, size, 1, "VALID", name="AvgPool")
    branches = [
        resize_bilinear(_head_conv(layers, pooled, "image_pooling", depth), size),
        _head_conv(layers, x, "aspp0", depth),
    ]
    if architecture.atrous_branches:
        for number, rate in enumerate(ATROUS_RATES, start=1):
            rate = rate * 16 // output_stride
            branches.append(_head_separable(layers, x, f"aspp{number}", depth, rate))
    return _head_conv(layers, tf.concat(branches, 3), "concat_projection", depth)


def _head_conv(layers, x, scope, depth):
    return layers.conv(x, scope, depth, epsilon=HEAD_EPSILON, activation=tf.nn.relu)


def _head_separable(layers, x, scope, depth, rate=1):
    x = layers.depthwise(
        x, f"{scope}_depthwise", rate=rate, epsilon=HEAD_EPSILON, activation=tf.nn.relu
    )
    return _head_conv(layers, x, f"{scope}_pointwise", depth)


def variable_shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Name and shape of every variable of a network, in the order in which it uses them."""
    shapes, _ = _record(architecture, (65, 65), 16)
    return dict(shapes)


def count_multiply_adds(
    architecture: Architecture,
    crop: tuple[int, int],
    output_stride: int,
    scales: tuple[float, ...] = (1.0,),
    flip: bool = False,
) -> int:
    """Multiply-adds of all convolutions for one image of ``crop`` = (height, width)."""
    sizes = (tuple(scale_dimension(side, scale) for side in crop) for scale in scales)
    once = sum(_record(architecture, size, output_stride)[1] for size in sizes)
    return once * (2 if flip else 1)


@lru_cache(maxsize=16)
def _record(architecture, size, output_stride):
    """Shapes of all variables, and the multiply-adds for an image of ``size``."""
    layers = RecordingLayers()
    with tf.Graph().as_default() as graph:
        images = tf.compat.v1.placeholder(tf.float32, (1, *size, 3))
        compute_logits(architecture, layers, images, output_stride)
    return layers.shapes, graph_multiply_adds(graph)
