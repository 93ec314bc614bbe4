"""Small networks of both kinds, their weights, and an image, shared by the tests of this folder."""

from dataclasses import replace
from functools import cache, partial

import numpy as np
import slow_deeplab
import tensorflow as tf
from training import TrainingLayers, initial_weights, make_variables, scaled

from metaseg_tf.networks.deeplab.backbones import MOBILENETV2, XCEPTION65, Decoder
from metaseg_tf.networks.deeplab.layers import InferenceLayers, batch_norm_names, resize_bilinear
from metaseg_tf.networks.deeplab.model import RebuiltNetwork, compute_logits
from metaseg_tf.networks.options import NetworkOptions

SMALL = {
    "mobilenetv2": replace(
        MOBILENETV2, backbone=scaled(MOBILENETV2.backbone, 0.25), head_depth=32, n_classes=7
    ),
    "xception65": replace(
        XCEPTION65,
        backbone=scaled(XCEPTION65.backbone, 0.125, middle_units=2),
        head_depth=32,
        n_classes=7,
        decoder=Decoder(16, 24),
    ),
}
CROP = (65, 97)


def random_weights(architecture, seed):
    """Random weights whose statistics are those of a trained network.

    Gamma and beta scatter around the identity, the moving statistics are those that random images
    have in each layer, and the logits of small images have a standard deviation of 2.5.
    """
    rng = np.random.default_rng(seed)
    weights = initial_weights(architecture, seed)
    for name, value in weights.items():
        if name.endswith(("/gamma", "/beta", "/biases")):
            weights[name] = value + rng.normal(0, 0.1, value.shape).astype(np.float32)
    # Eight images in [-1, 1]: smooth coloured patterns under more and more noise.
    patterns = resize_bilinear(rng.normal(0, 0.5, (8, 5, 5, 3)).astype(np.float32), (65, 65))
    levels = np.linspace(0, 0.5, 8, dtype=np.float32).reshape(8, 1, 1, 1)
    noise = rng.normal(0, 1, patterns.shape).astype(np.float32)
    images = tf.clip_by_value(patterns + levels * noise, -1.0, 1.0)
    variables = make_variables(weights)
    # Some of the initial variance 1 stays, so that channels without signal are not blown up.
    compute_logits(architecture, TrainingLayers(variables, momentum=0.1), images, 16)
    weights = {name: variable.numpy() for name, variable in variables.items()}
    logits = compute_logits(architecture, InferenceLayers(weights), images, 16)
    weights["logits/semantic/weights"] *= 2.5 / np.std(logits)
    return weights


def layer_weights(kernel_name, kernel_shape, channels, seed=0):
    rng = np.random.default_rng(seed)
    gamma, beta, mean, variance = batch_norm_names("layer")
    return {
        kernel_name: rng.normal(size=kernel_shape).astype(np.float32),
        gamma: rng.uniform(0.5, 2, channels).astype(np.float32),
        beta: rng.normal(size=channels).astype(np.float32),
        mean: rng.normal(size=channels).astype(np.float32),
        variance: rng.uniform(0.001, 2, channels).astype(np.float32),
    }


@cache
def small_weights(name):
    return random_weights(SMALL[name], seed=0)


def rebuild(name, output_stride=16, scales=(1.0,), flip=False, crop=CROP):
    """A small network with any settings."""
    return RebuiltNetwork(small_weights(name), NetworkOptions(output_stride, scales, flip, crop))


@cache
def full_weights(architecture):
    return random_weights(architecture, seed=1)


def smooth_image(height, width, seed=0):
    """A uint8 [height, width, 3] image with coloured patches and a little noise."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(30, 226, (height // 12 + 1, width // 12 + 1, 3))
    image = np.kron(patches, np.ones((12, 12, 1)))[:height, :width]
    return np.clip(image + rng.normal(0, 12, image.shape), 0, 255).astype(np.uint8)


def slow_network(architecture, weights, output_stride):
    """The slow twin of a network: [H, W, 3] in [-1, 1] -> logits."""
    if architecture.decoder is None:
        return partial(slow_deeplab.logits_of_mobilenet, w=weights, output_stride=output_stride)
    units = architecture.backbone.middle_units
    return partial(
        slow_deeplab.logits_of_xception,
        w=weights,
        output_stride=output_stride,
        middle_units=units,
    )


def run_graph(graph_def, image, *tensors):
    """Values of ``tensors`` when a frozen graph is given an image [H, W, 3].

    Without TensorFlow's graph optimiser: on so small an image it takes longer than the network.
    """
    imported = tf.compat.v1.wrap_function(
        lambda: tf.compat.v1.import_graph_def(graph_def, name=""), []
    )
    elements = [imported.graph.as_graph_element(name) for name in ("ImageTensor:0", *tensors)]
    run = imported.prune(elements[0], elements[1:])
    try:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
        return [value.numpy() for value in run(tf.constant(image[np.newaxis]))]
    finally:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})


def write_checkpoint(prefix, variables):
    """Write a checkpoint with exactly these named arrays."""
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(variables),
        shape_and_slices=[""] * len(variables),
        tensors=list(variables.values()),
    )
