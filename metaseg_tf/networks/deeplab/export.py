"""Freezes a network into a graph with the interface and the names of upstream's exporter."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from metaseg_tf.data.folders import write_file
from metaseg_tf.errors import DataFormatError
from metaseg_tf.networks.deeplab.layers import Layers, batch_norm_names
from metaseg_tf.networks.deeplab.model import compute_logits
from metaseg_tf.networks.deeplab.multiscale import full_logits, pad_to_crop, scale_logits
from metaseg_tf.networks.deeplab.rebuilt import RebuiltNetwork

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

    def _normalised(self, scope, kind, shape, convolve, epsilon):
        y = convolve(self._variable(f"{scope}/{kind}", shape))
        statistics = (self._variable(name, y.shape[-1:]) for name in batch_norm_names(scope))
        return tf.compat.v1.nn.fused_batch_norm(
            y, *statistics, epsilon, is_training=False, name="BatchNorm/FusedBatchNorm"
        )[0]


def export_frozen_graph(network: RebuiltNetwork, path: Path) -> None:
    """Write ``path``, a frozen graph that tools made for upstream's graphs take.

    Parameters
    ----------
    network : RebuiltNetwork
        Its weights become constants, each held once, and its settings are fixed in the graph.
    path : Path
        Where the ``.pb`` goes; an existing file is replaced in one step.

    Raises
    ------
    DataFormatError
        If the file cannot be written.
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
    int64 [1, h, w], the class of each pixel. ArgMax is fed by resized logits where there is one
    scale and no flip, else by the mean of the probabilities.
    """
    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(tf.uint8, (1, None, None, 3), name="ImageTensor")
        _, height, width, _ = tf.unstack(tf.shape(image))
        scores = _scores(network, pad_to_crop(image, network.crop))
        classes = tf.argmax(scores, 3, name="ArgMax")
        tf.slice(classes, [0, 0, 0], [1, height, width], name="SemanticPredictions")
    return graph.as_graph_def(add_shapes=True)


def _scores(network, image):
    architecture, settings = network.architecture, network.settings
    layers = ConstantLayers(network.weights)
    stride = architecture.logits_stride(settings.output_stride)

    def run(images):
        return compute_logits(architecture, layers, images, settings.output_stride)

    if settings.scales == (1.0,) and not settings.flip:
        return full_logits(run, image, stride)
    probs = [
        tf.nn.softmax(logits)[..., None] for logits in scale_logits(run, image, stride, settings)
    ]
    return tf.reduce_mean(tf.concat(probs, 4), 4, name="Mean")
