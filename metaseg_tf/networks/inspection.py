"""What a frozen graph is, without running it: for people before they trust or compare one."""

import math
from dataclasses import dataclass

import tensorflow as tf

from metaseg_tf.networks.deeplab.frozen_graph import FrozenGraph
from metaseg_tf.networks.graph import (
    CONVOLUTIONS,
    Graph,
    find_backbone,
    find_image,
    find_tail,
)
from metaseg_tf.networks.options import NetworkSettings

__all__ = ["GraphReport", "inspect_graph"]

#: Ops that read weights, which may stand behind an Identity or directly at the op.
_WEIGHTED = frozenset(
    (
        "Conv2D",
        "DepthwiseConv2dNative",
        "BiasAdd",
        "Identity",
        "FusedBatchNorm",
        "FusedBatchNormV2",
        "FusedBatchNormV3",
    )
)


@dataclass(frozen=True)
class GraphReport:
    """What `inspect_graph` found; its text is meant for people.

    ``scores`` is the tensor that feeds ArgMax and ``kind`` says what it holds, "logits" or
    "probabilities". ``parameters`` counts all weights with the moving statistics of batch norm.
    ``multiply_adds`` are those of all convolutions for one image of the crop's size, all scales
    and mirrorings included; None where a shape is not known.
    """

    backbone: str
    classes: int
    scores: str
    kind: str
    settings: NetworkSettings
    parameters: int
    multiply_adds: int | None

    def rows(self) -> dict[str, str]:
        """Each finding in words, by its title."""
        settings = self.settings
        work = self.multiply_adds
        return {
            "backbone": self.backbone,
            "crop": "{} x {} pixels".format(*settings.crop),
            "classes": str(self.classes),
            "feeds ArgMax": f"{self.scores} ({self.kind})",
            "output stride": str(settings.output_stride),
            "scales": ", ".join(f"{scale:g}" for scale in settings.scales),
            "flip": "yes" if settings.flip else "no",
            "parameters": f"{self.parameters:,}",
            "multiply-adds": "unknown" if work is None else f"{work / 1e9:.4g} G an image",
        }

    def __str__(self) -> str:
        return "\n".join(f"{title:<14}{text}" for title, text in self.rows().items())


def inspect_graph(graph_def: tf.compat.v1.GraphDef) -> GraphReport:
    """Find out what a DeepLab frozen graph computes and at which cost.

    Parameters
    ----------
    graph_def : tf.compat.v1.GraphDef

    Raises
    ------
    UnsafeGraphError
        If the graph holds ops which inference does not need.
    NetworkError
        If the graph has not the structure of a DeepLab export.
    """
    network = FrozenGraph(graph_def)
    graph = Graph(graph_def)
    tail = find_tail(graph)
    image = find_image(graph, tail)
    return GraphReport(
        backbone=find_backbone(graph),
        classes=network.classes,
        scores=tail.scores,
        kind=network.ending.kind or "unknown",
        settings=network.settings,
        parameters=count_parameters(graph),
        multiply_adds=count_multiply_adds(graph_def, image.name, network.crop),
    )


def count_parameters(graph: Graph) -> int:
    """Number of weights: the floats of all constants that layers read, each constant once."""
    weights = (node for node in graph.of("Const") if _is_weight(graph, node))
    return sum(math.prod(_constant_shape(node)) for node in weights)


def _is_weight(graph: Graph, node) -> bool:
    floating = tf.as_dtype(node.attr["dtype"].type).is_floating
    read = any(consumer.op in _WEIGHTED for consumer in graph.consumers[node.name])
    return floating and read and len(_constant_shape(node)) > 0


def _constant_shape(node) -> list[int]:
    return [dim.size for dim in node.attr["value"].tensor.tensor_shape.dim]


def count_multiply_adds(
    graph_def: tf.compat.v1.GraphDef, image: str, crop: tuple[int, int]
) -> int | None:
    """Multiply-adds of all convolutions for an image of ``crop`` pixels, by shape inference.

    A dilated convolution counts for the pixels of its result, also where the graph spreads it
    over smaller images (space-to-batch), which computes some more at their edges.
    """
    with tf.Graph().as_default() as graph:
        fixed = tf.compat.v1.placeholder(tf.uint8, [1, *crop, 3])
        tf.graph_util.import_graph_def(graph_def, name="", input_map={f"{image}:0": fixed})
    counts = [_work(op) for op in graph.get_operations() if op.type in CONVOLUTIONS]
    return None if None in counts else sum(counts)


def _work(op: tf.Operation) -> int | None:
    output, kernel = _spread(op).outputs[0].shape, op.inputs[1].shape
    if not (output.is_fully_defined() and kernel.is_fully_defined()):
        return None
    height, width, channels, _ = kernel.as_list()
    each = height * width * (channels if op.type == "Conv2D" else 1)
    return math.prod(output.as_list()) * each


def _spread(op: tf.Operation) -> tf.Operation:
    following = [c for c in op.outputs[0].consumers() if c.type == "BatchToSpaceND"]
    return following[0] if following else op
