"""A DeepLab frozen graph as it is: an image in, class probabilities out (eq. 1, section 3).

Upstream's graphs give labels only. The probabilities are in the tensor that feeds ArgMax, still
padded to the crop.
"""

import math
import re
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from metaseg_tf.errors import NetworkError
from metaseg_tf.networks.deeplab.model import mean_softmax
from metaseg_tf.networks.graph import (
    CONVOLUTIONS,
    Graph,
    GraphFunctions,
    Tail,
    find_tail,
    graph_multiply_adds,
)
from metaseg_tf.networks.image_network import Network, check_image
from metaseg_tf.networks.options import NetworkOptions
from metaseg_tf.networks.scores import Ending, find_kind
from metaseg_tf.untrusted.graphs import node_name

__all__ = ["FrozenGraph", "GraphReport"]

#: Ops that read weights, directly or by way of an Identity.
_WEIGHTED = re.compile("Conv2D|DepthwiseConv2dNative|BiasAdd|Identity|FusedBatchNorm(V[23])?")


class FrozenGraph(Network):
    """Class probabilities from a DeepLab frozen graph, run with the settings it was exported with.

    The graph takes one uint8 image [1, H, W, 3] and gives labels; ``settings`` are read from its
    structure. Raises UnsafeGraphError if it holds ops which inference does not need, and
    NetworkError if it does not have the structure of a DeepLab export.
    """

    def __init__(self, graph_def: tf.compat.v1.GraphDef):
        # TensorFlow sees to it that no node lacks inputs or attributes, on which the rest relies.
        graph, functions = Graph(graph_def), GraphFunctions(graph_def)
        tail = find_tail(graph)
        image = find_image(graph, tail)
        dtype = tf.as_dtype(image.attr["dtype"].type)
        if dtype != tf.uint8:
            raise NetworkError(
                f"graph: expected a uint8 image as its input, got {dtype.name} at {image.name!r}; "
                "use a graph that prepares the image itself, as DeepLab's export does"
            )
        if tail.resize is None:
            raise NetworkError(
                f"graph: expected scores resized to the crop in front of {tail.argmax!r}, "
                f"got {tail.scores!r}; export it with prediction_with_upsampled_logits"
            )
        self._function = partial(functions.function, image.name)
        self._run = self._function([tail.scores, tail.labels])
        shape = functions.tensor(tail.scores).shape
        channels = shape[-1] if shape.rank == 4 else None
        self.ending = Ending(find_kind(graph.flow, node_name(tail.scores)), channels or 0)
        self.crop = self._fixed_size(tail.resize)
        padding = find_padding(graph)
        size = tuple(self._function([padding])(_black(1))[0].shape[-3:-1]) if padding else self.crop
        if size != self.crop:
            raise NetworkError(
                f"graph: expected scores of the crop's size {size} in front of ArgMax, got "
                f"{self.crop}; export it with prediction_with_upsampled_logits"
            )
        self.settings = self._read_settings(graph)

    def probabilities(self, image: np.ndarray) -> np.ndarray:
        """As in `Network.probabilities`; also refused if the graph's labels are not its scores'."""
        scores = self._scores(image)
        if self.ending.kind == "logits":
            return mean_softmax([scores[tf.newaxis]], image.shape[:2])
        return self.ending.probabilities(scores.numpy())

    def logits(self, image: np.ndarray) -> np.ndarray:
        """As in `Network.logits`; refused if the graph averages probabilities over scales."""
        if self.ending.kind == "probabilities":
            raise NetworkError(
                "graph: expected logits in front of ArgMax, got probabilities averaged over "
                "scales, which have no logits; use probabilities()"
            )
        return self.ending.logits(self.scores(image))

    def scores(self, image: np.ndarray) -> np.ndarray:
        """The input of ArgMax; as in `Network.scores`."""
        return self._scores(image).numpy()

    def _scores(self, image: np.ndarray) -> tf.Tensor:
        check_image(image, self.crop)
        scores, labels = self._run(tf.constant(image[np.newaxis]))
        height, width = image.shape[:2]
        scores = tf.cast(scores[0, :height, :width], tf.float32)
        # The graph's own labels prove that the scores are cut at the right place.
        if scores.shape[:2] == labels.shape[1:] == [height, width]:
            chosen = tf.gather(scores, tf.cast(labels[0], tf.int32), batch_dims=2)
            if tf.reduce_all(chosen == tf.reduce_max(scores, axis=-1)):
                return scores
        raise NetworkError(
            "graph: its labels are not the ArgMax of its scores at the image's size; "
            "it resizes or moves them on the way, so its probabilities cannot be cut out"
        )

    def _read_settings(self, graph: Graph) -> NetworkOptions:
        scales, flip = set(), False
        for convolution in _first_convolutions(graph):
            before = graph.ancestors(convolution)
            resize = next((node.input[1] for node in before if node.op == "ResizeBilinear"), None)
            _, width = self._fixed_size(resize) if resize else self.crop
            # The sizes are truncated to whole pixels; the wider side gives the scale more exactly.
            scales.add(round((width - 1) / max(self.crop[1] - 1, 1), 2))
            flip |= any(node.op in ("ReverseV2", "Reverse") for node in before)
        return NetworkOptions(find_output_stride(graph), tuple(sorted(scales)), flip, self.crop)

    def _fixed_size(self, tensor: str) -> tuple[int, int]:
        """The height and width in ``tensor``; they must not depend on the image's size."""
        size = self._function([tensor])
        found = {tuple(size(_black(side))[0].numpy().tolist()) for side in (1, 2)}
        if len(found) != 1:
            raise NetworkError(
                "graph: expected a fixed crop to which images are padded, got a size that follows "
                "the image's; export the graph with a crop size"
            )
        return found.pop()


def _black(side: int) -> tf.Tensor:
    return tf.zeros([1, side, side, 3], tf.uint8)


def find_image(graph: Graph, tail: Tail):
    """The one placeholder that the labels depend on, or a NetworkError."""
    argmax = graph.nodes[tail.argmax]
    found = [node for node in graph.ancestors(argmax) if node.op == "Placeholder"]
    if len(found) != 1:
        raise NetworkError(
            f"graph: expected one input, the image, got {len(found)} "
            f"({', '.join(node.name for node in found) or 'none'}); freeze the others as constants"
        )
    return found[0]


def find_padding(graph: Graph) -> str | None:
    """Name of the node that pads the image to the crop, None if there is none."""
    # It is the first of its kind: Xception pads again right in front of its first convolution.
    before = {n.name for conv in _first_convolutions(graph) for n in graph.ancestors(conv)}
    pads = (n.name for n in graph.order if n.op in ("Pad", "PadV2") and n.name in before)
    return next(pads, None)


def find_output_stride(graph: Graph) -> int:
    """The product of the strides on the way to the coarsest feature map (1 without convolutions).

    Dilated convolutions and the decoder do not lower it, nor does the pooling of the whole map.
    """
    strided, strides = (*CONVOLUTIONS, "MaxPool"), {}
    for node in graph.order:
        own = max(node.attr["strides"].list.i, default=1) if node.op in strided else 1
        before = max((strides[source.name] for source in graph.inputs(node)), default=1)
        strides[node.name] = own * before
    return max((strides[node.name] for node in graph.of(*CONVOLUTIONS)), default=1)


def find_backbone(graph: Graph) -> str:
    """Outermost scope of the first convolution's weights, which upstream names for the backbone."""
    for node in _first_convolutions(graph):
        weights = graph.inputs(node)[1]
        for source in (weights, *graph.ancestors(weights)):
            if source.op == "Const":
                return source.name.split("/")[0]
    return "unknown"


def _first_convolutions(graph: Graph) -> list:
    reached, first = set(), []
    for node in graph.order:
        behind = any(source.name in reached for source in graph.inputs(node))
        if node.op in CONVOLUTIONS and not behind:
            first.append(node)
        if node.op in CONVOLUTIONS or behind:
            reached.add(node.name)
    return first


class GraphReport:
    """What a DeepLab frozen graph computes and at which cost; errors as `FrozenGraph`.

    ``scores`` is the tensor that feeds ArgMax and ``kind`` its content, "logits" or
    "probabilities". ``parameters`` counts all weights with the moving statistics of batch norm.
    ``multiply_adds`` are those of all convolutions for one image of the crop's size, all scales
    and mirrorings included; None if a shape is not known.
    """

    def __init__(self, graph_def: tf.compat.v1.GraphDef):
        network, graph = FrozenGraph(graph_def), Graph(graph_def)
        tail = find_tail(graph)
        image = find_image(graph, tail)
        with tf.Graph().as_default() as fixed:
            pixels = tf.compat.v1.placeholder(tf.uint8, [1, *network.crop, 3])
            inputs = {f"{image.name}:0": pixels}
            tf.graph_util.import_graph_def(graph_def, name="", input_map=inputs)
        self.backbone, self.classes = find_backbone(graph), network.classes
        self.scores, self.kind = tail.scores, network.ending.kind or "unknown"
        self.settings, self.parameters = network.settings, count_parameters(graph)
        self.multiply_adds = graph_multiply_adds(fixed)

    def to_json(self) -> dict[str, Any]:
        """All findings as plain data."""
        return vars(self) | {"settings": asdict(self.settings)}

    def rows(self) -> dict[str, str]:
        """Each finding in words, by its title."""
        settings, work = self.settings, self.multiply_adds
        return {
            "backbone": self.backbone,
            "crop": "{} x {} pixels".format(*settings.crop),
            "classes": str(self.classes),
            "feeds ArgMax": f"{self.scores} ({self.kind})",
            "output stride": str(settings.output_stride),
            "scales": ", ".join(f"{scale:g}" for scale in settings.scales),
            "flip": "yes" if settings.flip else "no",
            "parameters": f"{self.parameters:,}",
            "multiply-adds": "unknown" if work is None else f"{work / 1e9:.4g} G per image",
        }


def count_parameters(graph: Graph) -> int:
    """Number of weights: the floats of all constants that layers read, each constant once."""
    total = 0
    for node in graph.of("Const"):
        shape = [dim.size for dim in node.attr["value"].tensor.tensor_shape.dim]
        floating = tf.as_dtype(node.attr["dtype"].type).is_floating
        readers = graph.consumers[node.name]
        if shape and floating and any(_WEIGHTED.fullmatch(reader.op) for reader in readers):
            total += math.prod(shape)
    return total
