"""DeepLabv3+ on top of a backbone, and upstream's way from one image to probabilities.

The functions for padding, scales and flips run eagerly as well as inside a graph; their ``network``
is any function from float32 images [1, H, W, 3] in [-1, 1] to logits [1, H', W', C] of a known
stride in pixels.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from numbers import Integral
from types import MappingProxyType

import numpy as np
import tensorflow as tf

from metaseg_tf.errors import InputError
from metaseg_tf.networks.deeplab.backbones import DECODER_STRIDE, OUTPUT_STRIDES, Architecture
from metaseg_tf.networks.deeplab.layers import (
    HEAD_EPSILON,
    InferenceLayers,
    Layers,
    RecordingLayers,
    resize_bilinear,
    resize_rows,
    scale_dimension,
)
from metaseg_tf.networks.deeplab.weights import check_weights, infer_architecture
from metaseg_tf.networks.image_network import Network, check_image
from metaseg_tf.networks.options import NetworkOptions
from metaseg_tf.networks.scores import Ending
from metaseg_tf.segments.disagreement import MEASURES, compare_passes
from metaseg_tf.segments.dispersion import is_on_gpu

__all__ = [
    "RebuiltNetwork", "check_settings", "compute_logits", "full_logits", "grid_logits",
    "mean_softmax", "normalise", "pad_to_crop", "scale_logits", "variable_shapes",
]  # fmt: skip

#: Rates of the atrous branches at output stride 16; they double at 8.
ATROUS_RATES = (6, 12, 18)
#: Probability with which upstream's training keeps a feature in front of the decoder, or without
#: one of the logits (``concat_projection_dropout``).
KEEP_PROBABILITY = 0.9
#: Value of the crop's pixels around the image: the middle of the range.
MEAN_PIXEL = 127.5
#: Rows that are worked on at once: few enough to stay in the processor's cache.
_STRIP = 32
_HEAD = {"epsilon": HEAD_EPSILON, "activation": tf.nn.relu}

Function = Callable[[tf.Tensor], tf.Tensor]


def normalise(image: tf.Tensor) -> tf.Tensor:
    """Pixel values 0..255 to the network's input -1..1, float32 of the same shape."""
    return (2.0 / 255.0) * image - 1.0


def compute_logits(
    architecture: Architecture,
    layers: Layers,
    images: tf.Tensor,
    output_stride: int,
    seeds: tf.Tensor | None = None,
) -> tf.Tensor:
    """Logits [N, H', W', C] of float32 images [N, H, W, 3] in [-1, 1], of known H and W.

    H' is `scale_dimension` (H, 1 / stride), and W' likewise, with the stride of
    ``architecture.logits_stride(output_stride)``; H and W are best k * output_stride + 1.
    ``layers`` has the weights. With ``seeds``, int32 [T, 2], N is 1 and the logits are
    [T, H', W', C], one sample of dropout for each; the layers before it are computed once.
    """
    x, low_level = architecture.backbone.features(layers, images, output_stride)
    x = _pyramid_pooling(architecture, layers, x, output_stride)
    if architecture.decoder:
        size = [scale_dimension(side, 1 / DECODER_STRIDE) for side in images.shape[1:3]]
        depth = architecture.decoder.low_level_depth
        low_level = layers.conv(low_level, "decoder/feature_projection0", depth, **_HEAD)
        with tf.name_scope("decoder/"):
            low_level = resize_bilinear(low_level, size)

    def decode(x: tf.Tensor) -> tf.Tensor:
        if architecture.decoder:
            with tf.name_scope("decoder/"):
                x = tf.concat([resize_bilinear(x, size), low_level], 3)
            for number in (0, 1):
                name = f"decoder/decoder_conv{number}"
                x = _head_separable(layers, x, name, architecture.decoder.depth)
        return layers.classify(x, "logits/semantic", architecture.n_classes)

    def sample(seed: tf.Tensor) -> tf.Tensor:
        # By name, since the generator must be the same on every device.
        kept = tf.random.stateless_uniform(x.shape[1:], seed, alg="philox") < KEEP_PROBABILITY
        return decode(tf.where(kept, x / KEEP_PROBABILITY, 0.0))[0]

    if seeds is None:
        return decode(x)
    # One after the other: side by side, the decoder's features would take T times the memory.
    return tf.map_fn(sample, seeds, parallel_iterations=1, fn_output_signature=tf.float32)


def _pyramid_pooling(architecture, layers, x, output_stride):
    depth, size = architecture.head_depth, x.shape[1:3]
    pooled = tf.nn.avg_pool2d(x, size, 1, "VALID", name="AvgPool")
    branches = [
        resize_bilinear(layers.conv(pooled, "image_pooling", depth, **_HEAD), size),
        layers.conv(x, "aspp0", depth, **_HEAD),
    ]
    if architecture.atrous_branches:
        for number, rate in enumerate(ATROUS_RATES, start=1):
            rate = rate * 16 // output_stride
            # One after the other: each takes several times the memory of the features.
            with tf.control_dependencies(branches[-1:]):
                branches.append(_head_separable(layers, x, f"aspp{number}", depth, rate))
    return layers.conv(tf.concat(branches, 3), "concat_projection", depth, **_HEAD)


def _head_separable(layers, x, scope, depth, rate=1):
    x = layers.depthwise(x, f"{scope}_depthwise", rate=rate, **_HEAD)
    return layers.conv(x, f"{scope}_pointwise", depth, **_HEAD)


@lru_cache(maxsize=16)
def variable_shapes(architecture: Architecture) -> Mapping[str, tuple[int, ...]]:
    """Name and shape of every variable of a network, in the order in which it uses them."""
    layers = RecordingLayers()
    with tf.Graph().as_default():
        images = tf.compat.v1.placeholder(tf.float32, (1, 65, 65, 3))
        compute_logits(architecture, layers, images, 16)
    return MappingProxyType(layers.shapes)


def pad_to_crop(image: tf.Tensor, crop: tuple[int, int]) -> tf.Tensor:
    """Pad an image, uint8 [1, h, w, 3], at its bottom and right with 127.5 to the crop (H, W).

    Returns a float32 tensor [1, H, W, 3] in 0..255, not yet normalised.
    """
    shape = tf.shape(image)
    below, right = (tf.maximum(side - shape[i], 0) for i, side in enumerate(crop, start=1))
    centred = tf.cast(image, tf.float32) - MEAN_PIXEL
    padded = tf.pad(centred, [[0, 0], [0, below], [0, right], [0, 0]]) + MEAN_PIXEL
    padded.set_shape((1, *crop, 3))
    return padded


def grid_logits(
    network: Function, image: tf.Tensor, stride: int, scale: float = 1.0, flip: bool = False
) -> tf.Tensor:
    """Logits [1, h, w, C] of an image, float32 [1, H, W, 3] in 0..255, padded to the crop.

    The network, whose logits have that stride, sees the image resized by ``scale`` and, with
    ``flip``, mirrored; its logits are mirrored back. Resized to the crop, they are its pixels'.
    """
    crop = image.shape[1:3]
    image = tf.reverse(image, [2]) if flip else image
    if scale != 1:
        image = resize_bilinear(image, [scale_dimension(side, scale) for side in crop])
    # A reduced image's logits grow to the grid of scale 1 first, and from there to the crop.
    grid = max(1.0, scale) / stride
    logits = network(normalise(image))
    logits = resize_bilinear(logits, [scale_dimension(side, grid) for side in crop])
    return tf.reverse(logits, [2]) if flip else logits


def full_logits(network: Function, image: tf.Tensor, *options) -> tf.Tensor:
    """`grid_logits`, of the same arguments, for each pixel of the crop: float32 [1, H, W, C]."""
    return resize_bilinear(grid_logits(network, image, *options), image.shape[1:3])


def scale_logits(
    network: Function,
    image: tf.Tensor,
    stride: int,
    settings: NetworkOptions,
    logits: Callable[..., tf.Tensor] = full_logits,
) -> Iterator[tf.Tensor]:
    """Logits [1, H, W, C] at each scale, unflipped and flipped; their softmaxes are to be averaged.

    Upstream's exporter ignores ``flip`` at a single scale; here it counts.
    """
    for scale in settings.scales:
        for flip in (False, True) if settings.flip else (False,):
            yield logits(network, image, stride, scale, flip)


def mean_softmax(logits: Iterable[tf.Tensor], size: tuple[int, int]) -> np.ndarray | tf.Tensor:
    """Mean of the softmaxes of some logits [1, H, W, C], of which one is held at a time.

    Returned is the part of ``size``, height h and width w, from the top left: float32 [h, w, C];
    as a tensor if the logits are on a GPU.
    """
    height, width = size
    total, count = None, 0
    for scores in logits:
        count += 1
        if is_on_gpu(scores[0]):
            probs = tf.nn.softmax(scores[0, :height, :width])
            total = probs if count == 1 else total + probs
            continue
        if total is None:
            total = np.empty((height, width, scores.shape[-1]), np.float32)
        for top in range(0, height, _STRIP):
            rows = slice(top, min(top + _STRIP, height))
            probs = tf.nn.softmax(scores[0, rows, :width])
            total[rows] = probs if count == 1 else total[rows] + probs
        del scores
    if count > 1:
        total /= count
    return total


class RebuiltNetwork(Network):
    """A DeepLabv3+ network with given weights and settings.

    ``weights`` holds every variable, float32, under upstream's name; the architecture is read from
    names and shapes. ``settings`` must have output stride and crop; scale 1 and no flip are the
    defaults. Raises InputError if no network can be built with these settings, and NetworkError if
    weights are missing, left over or of the wrong shape.
    """

    def __init__(self, weights: Mapping[str, np.ndarray], settings: NetworkOptions):
        settings = settings.completed(NetworkOptions(scales=1.0, flip=False))
        check_settings(settings)
        self.architecture = infer_architecture({name: w.shape for name, w in weights.items()})
        check_weights(variable_shapes(self.architecture), weights)
        self.weights, self.settings, self.crop = weights, settings, settings.crop
        self.passes = len(settings.scales) * (1 + settings.flip) * (settings.dropout or 1)
        kind = "logits" if self.passes == 1 and settings.scales == (1.0,) else "probabilities"
        self.ending = Ending(kind, self.architecture.n_classes)
        self._stride = self.architecture.logits_stride(settings.output_stride)
        self._layers = InferenceLayers(weights)
        self._functions: dict[tuple[int, ...], tf.types.experimental.ConcreteFunction] = {}

    def probabilities(self, image: np.ndarray) -> np.ndarray:
        """As in `Network.probabilities`, averaged over all scales, flips and samples."""
        if self.settings.dropout:
            return self.see(image)[0]
        logits = scale_logits(self._network, self._pad(image), self._stride, self.settings)
        return mean_softmax(logits, image.shape[:2])

    def see(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """As in `Network.see`.

        Samples of dropout are averaged and compared on the grid of the logits; the logarithm of
        their mean is then resized like the logits of a single pass.
        """
        padded, size = self._pad(image), image.shape[:2]
        if self.settings.dropout:
            samples = tf.nn.softmax(self._sample(image))
            mean = tf.reduce_mean(samples, axis=0)
            found = self._resize(compare_passes(mean.numpy(), samples.numpy())[np.newaxis])
            logits = tf.math.log(tf.maximum(mean, np.finfo(np.float32).tiny))
            probs = mean_softmax([self._resize(logits[np.newaxis])], size)
            return probs, found[0, : size[0], : size[1]].numpy()
        if self.passes == 1:
            return self.probabilities(image), None
        grids = list(scale_logits(self._network, padded, self._stride, self.settings, grid_logits))
        mean = np.empty((*size, self.classes), np.float32)
        found = np.empty((*size, len(MEASURES)), np.float32)
        # All passes of a strip at once: less memory than one pass over the whole crop.
        for top in range(0, size[0], 4 * _STRIP):
            rows = slice(top, min(top + 4 * _STRIP, size[0]))
            logits = (resize_rows(grid, self.crop, top, rows.stop) for grid in grids)
            passes = [tf.nn.softmax(strip[:, : size[1]]).numpy() for strip in logits]
            np.divide(sum(passes), len(passes), out=mean[rows])
            found[rows] = compare_passes(mean[rows], passes)
        return mean, found

    def logits(self, image: np.ndarray) -> np.ndarray:
        """As in `Network.logits`, at scale 1 without flip and dropout in any case."""
        height, width = image.shape[:2]
        logits = full_logits(self._network, self._pad(image), self._stride)
        return np.array(logits[0, :height, :width])

    def scores(self, image: np.ndarray) -> np.ndarray:
        """As in `Network.scores`: logits at scale 1 alone, else the mean of probabilities."""
        return self.logits(image) if self.ending.kind == "logits" else self.probabilities(image)

    def _pad(self, image):
        check_image(image, self.crop)
        return pad_to_crop(tf.constant(image[np.newaxis]), self.crop)

    def _resize(self, grid):
        return resize_bilinear(grid, self.crop)

    def _sample(self, image):
        """Logits with dropout, [T, h, w, C], whose seeds are the image's own, wherever it is."""
        own = np.array(zlib.crc32(image.tobytes()), np.uint32).view(np.int32)
        seeds = [(own, number) for number in range(self.settings.dropout)]
        return self._network(normalise(self._pad(image)), tf.constant(seeds, tf.int32))

    def _network(self, *inputs):
        """The network as one function for each input size, and one with dropout."""
        sizes = tuple(tuple(tensor.shape) for tensor in inputs)
        if sizes not in self._functions:

            @tf.function(autograph=False)
            def network(images, *seeds):
                stride = self.settings.output_stride
                return compute_logits(self.architecture, self._layers, images, stride, *seeds)

            signature = (tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in inputs)
            self._functions[sizes] = network.get_concrete_function(*signature)
        return self._functions[sizes](*inputs)


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
    if settings.dropout is not None and not (
        2 <= settings.dropout <= 64 and settings.scales == (1.0,) and not settings.flip
    ):
        raise InputError(
            f"dropout: expected 2 to 64 samples at scale 1 without flip, got {settings.dropout} at "
            f"{settings.scales} with flip={settings.flip}; ask for --scales 1 --no-flip with it"
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
