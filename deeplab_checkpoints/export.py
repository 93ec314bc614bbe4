"""A network frozen into a graph with the interface and the names of upstream's exporter."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import tensorflow as tf

from metaseg_tf.data.folders import write_file
from metaseg_tf.errors import DataFormatError
from metaseg_tf.networks.deeplab.layers import Layers
from metaseg_tf.networks.deeplab.model import (
    RebuiltNetwork,
    compute_logits,
    full_logits,
    pad_to_crop,
    scale_logits,
)

__all__ = ["build_frozen_graph", "export_frozen_graph"]


class ConstantLayers(Layers):
    """Layers whose variables are Const nodes under upstream's names, with unfolded BatchNorm."""

    def __init__(self, weights: Mapping[str, np.ndarray]):
        self._weights = weights
        self._nodes: dict[str, tf.Tensor] = {}

    def _variable(self, name, shape):
        if name not in self._nodes:
            with tf.compat.v1.name_scope(None):
                constant = tf.constant(self._weights[name], tf.float32, shape, name=name)
                self._nodes[name] = tf.identity(constant, name=f"{name}/read")
        return self._nodes[name]


def export_frozen_graph(network: RebuiltNetwork, path: Path) -> None:
    """Write a network and its settings as a frozen graph that tools for upstream's graphs can read.

    An existing file is replaced in one step. Raises DataFormatError if it cannot be written.
    """
    path = Path(path)
    content = build_frozen_graph(network).SerializeToString(deterministic=True)
    try:
        write_file(path, content)
    except OSError as error:
        raise DataFormatError(
            f"{path}: cannot be written ({error.strerror}); give a path in a folder that exists "
            "and may be written to"
        ) from error


def build_frozen_graph(network: RebuiltNetwork) -> tf.compat.v1.GraphDef:
    """The graph of `export_frozen_graph`.

    ``ImageTensor:0`` uint8 [1, ?, ?, 3], RGB, not larger than the crop; ``SemanticPredictions:0``
    int64 [1, h, w], the class of each pixel. ArgMax is fed by resized logits if there is one
    scale and no flip, else by the mean of the probabilities.
    """
    architecture, settings = network.architecture, network.settings
    layers = ConstantLayers(network.weights)
    run = partial(compute_logits, architecture, layers, output_stride=settings.output_stride)
    stride = architecture.logits_stride(settings.output_stride)
    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(tf.uint8, (1, None, None, 3), name="ImageTensor")
        _, height, width, _ = tf.unstack(tf.shape(image))
        padded = pad_to_crop(image, network.crop)
        if network.ending.kind == "logits":
            scores = full_logits(run, padded, stride)
        else:
            logits = scale_logits(run, padded, stride, settings)
            probs = [tf.nn.softmax(scale)[..., None] for scale in logits]
            scores = tf.reduce_mean(tf.concat(probs, 4), 4, name="Mean")
        classes = tf.argmax(scores, 3, name="ArgMax")
        tf.slice(classes, [0, 0, 0], [1, height, width], name="SemanticPredictions")
    return graph.as_graph_def(add_shapes=True)
