"""What a DeepLab graph is, read from its structure: ops and edges, never the names of nodes.

Names differ between exports (``ResizeBilinear_2`` or ``_3`` feeds ArgMax, by the date of the
export); the order of the ops does not.
"""

import re
from dataclasses import dataclass

from metaseg_tf.errors import NetworkError
from metaseg_tf.networks.graph import Graph, node_name

__all__ = [
    "CONVOLUTIONS",
    "Branch",
    "Tail",
    "find_backbone",
    "find_branches",
    "find_image",
    "find_output_stride",
    "find_padding",
    "find_tail",
]

CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative")
_STRIDED = (*CONVOLUTIONS, "MaxPool")
#: Ops between ArgMax and the output, which move labels about but do not change them.
_LABEL_OPS = re.compile(
    "Cast|Identity|Slice|StridedSlice|ExpandDims|Squeeze|Reshape|ResizeNearestNeighbor"
)
#: Ops between the resize to the crop and ArgMax.
_SCORE_OPS = re.compile(
    "Identity|Cast|Softmax|Mean|ConcatV2|ExpandDims|Squeeze|Reshape|ReverseV2|StridedSlice"
)


@dataclass(frozen=True)
class Tail:
    """The end of a graph that gives labels.

    ``scores`` is the tensor that feeds ArgMax, ``labels`` the graph's output; ``resize`` holds the
    size to which the scores were brought, None if they were not resized.
    """

    argmax: str
    scores: str
    labels: str
    resize: str | None


@dataclass(frozen=True)
class Branch:
    """One pass of the image through the network: the size it is resized to, and if mirrored."""

    resize: str | None
    flipped: bool


def find_tail(graph: Graph) -> Tail:
    """The one ArgMax that leads to an output, and what feeds it.

    Raises
    ------
    NetworkError
        If there is none, or more than one.
    """
    found = {node.name: _follow_labels(graph, node) for node in graph.of("ArgMax")}
    found = {name: output for name, output in found.items() if output is not None}
    if len(found) != 1:
        raise NetworkError(
            f"graph: expected one ArgMax that leads to an output, got {len(found)} "
            f"({', '.join(found) or 'none'}); use a frozen graph for semantic segmentation"
        )
    (argmax, labels), *_ = found.items()
    node = graph.inputs(graph.nodes[argmax])[0]
    while _SCORE_OPS.fullmatch(node.op):
        node = graph.inputs(node)[0]
    resize = node.input[1] if node.op == "ResizeBilinear" else None
    return Tail(argmax, graph.nodes[argmax].input[0], labels, resize)


def find_image(graph: Graph, tail: Tail):
    """The one placeholder that the labels depend on.

    Raises
    ------
    NetworkError
        If there is none, or more than one.
    """
    ancestors = graph.ancestors(graph.nodes[tail.argmax])
    found = [node for node in ancestors if node.op == "Placeholder"]
    if len(found) != 1:
        raise NetworkError(
            f"graph: expected one input, the image, got {len(found)} "
            f"({', '.join(node.name for node in found) or 'none'}); freeze the others as constants"
        )
    return found[0]


def find_branches(graph: Graph) -> list[Branch]:
    """The passes of the image through the network, one for each scale and mirroring."""
    return [_branch(graph, node) for node in _first_convolutions(graph)]


def find_padding(graph: Graph) -> str | None:
    """Name of the node that pads the image to the crop, None if there is none.

    It is the first of its kind: Xception pads again right in front of its first convolution.
    """
    before = {n.name for conv in _first_convolutions(graph) for n in graph.ancestors(conv)}
    pads = (n.name for n in graph.order if n.op in ("Pad", "PadV2") and n.name in before)
    return next(pads, None)


def find_output_stride(graph: Graph) -> int:
    """The product of the strides on the way to the coarsest feature map (1 without convolutions).

    Dilated convolutions and the decoder do not lower it, nor does the pooling of the whole map.
    """
    strides: dict[str, int] = {}
    for node in graph.order:
        own = max(node.attr["strides"].list.i, default=1) if node.op in _STRIDED else 1
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


def _follow_labels(graph: Graph, argmax) -> str | None:
    """Name of the output that shows the labels of ``argmax``, or None if none does."""
    node, consumers = argmax, graph.consumers[argmax.name]
    while consumers:
        moved = [
            c
            for c in consumers
            if _LABEL_OPS.fullmatch(c.op) and node_name(c.input[0]) == node.name
        ]
        if not moved:
            return None
        node, consumers = moved[0], graph.consumers[moved[0].name]
    return node.name


def _first_convolutions(graph: Graph) -> list:
    reached: set[str] = set()
    first = []
    for node in graph.order:
        behind = any(source.name in reached for source in graph.inputs(node))
        if node.op in CONVOLUTIONS and not behind:
            first.append(node)
        if node.op in CONVOLUTIONS or behind:
            reached.add(node.name)
    return first


def _branch(graph: Graph, convolution) -> Branch:
    before = graph.ancestors(convolution)
    resize = next((node.input[1] for node in before if node.op == "ResizeBilinear"), None)
    return Branch(resize, any(node.op in ("ReverseV2", "Reverse") for node in before))
