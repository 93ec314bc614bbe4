"""What a network's ops tell of its two ends, whichever format they are stored in.

Ops are named in capitals without underscores, where TensorFlow and TensorFlow Lite mostly agree.
They are told by how their names begin, since versions differ at the end.
"""

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from metaseg_tf.networks.graph import Graph

__all__ = ["Dataflow", "find_kind", "flow_of_graph", "rescales_pixels"]

#: What scores are after these ops; those of linear ones have no bounds.
_KINDS = {
    "probabilities": re.compile("SOFTMAX"),
    "sigmoid": re.compile("SIGMOID|LOGISTIC"),
    "logits": re.compile(
        "CONV|DEPTHWISECONV|TRANSPOSECONV|MATMUL|FULLYCONNECTED|BIASADD|FUSEDBATCHNORM|LOGSOFTMAX"
    ),
}
#: Ops that set bounds to what has none.
_CLIPPING = re.compile("CLIPBYVALUE|MINIMUM|MAXIMUM")
#: Ops whose first varying input keeps its meaning, wherever its values are moved or spread to.
_MOVING = re.compile(
    "IDENTITY|CAST|RESHAPE|SQUEEZE|EXPANDDIMS|TRANSPOSE$|SLICE|STRIDEDSLICE|SPLIT|UNPACK|REVERSE"
    "|GATHER|PAD|MIRRORPAD|BATCHTOSPACE|SPACETOBATCH|DEPTHTOSPACE|RESIZE|SCALEANDTRANSLATE|MEAN"
    "|AVGPOOL|AVERAGEPOOL|QUANTIZE|DEQUANTIZE|FAKEQUANT|CHECKNUMERICS|ENSURESHAPE|STOPGRADIENT"
    f"|PLACEHOLDERWITHDEFAULT|{_CLIPPING.pattern}"
)
#: Ops whose inputs all do: they put together tiles, scales or a mirrored image.
_MERGING = re.compile("CONCAT|PACK|ADD|BIASADD|MUL|DIV|REALDIV")


class Dataflow(NamedTuple):
    """The op that makes a tensor, and what it reads; the value of a tensor, None if it varies."""

    ops: Mapping[Hashable, tuple[str, Sequence]]
    constant: Callable[[Hashable], np.ndarray | None]


def flow_of_graph(graph: Graph) -> Dataflow:
    """The ops of a GraphDef; a node stands for all of its outputs."""

    def constant(name: str) -> np.ndarray | None:
        node = graph.nodes[name]
        while node.op == "Identity":
            (node,) = graph.inputs(node)
        return tf.make_ndarray(node.attr["value"].tensor) if node.op == "Const" else None

    nodes = graph.nodes.values()
    return Dataflow(
        {n.name: (n.op.upper(), [source.name for source in graph.inputs(n)]) for n in nodes},
        constant,
    )


def find_kind(flow: Dataflow, scores: Hashable) -> str | None:
    """What the scores of a network are: "probabilities", "sigmoid" or "logits".

    None where the ops do not tell.
    """
    path = _carriers(flow, scores)
    ends = [op for op in path.values() if not (_MERGING.match(op) or _MOVING.match(op))]
    kinds = {next((kind for kind, ops in _KINDS.items() if ops.match(op)), None) for op in ends}
    if len(kinds) != 1 or (kinds == {"logits"} and any(map(_CLIPPING.match, path.values()))):
        return None
    return kinds.pop()


def rescales_pixels(flow: Dataflow, image: Hashable) -> bool:
    """Whether a network brings pixels in 0..255 to its own range before its first layer.

    Constants tell, if they are of the size of pixels in 0..255 and not of those in 0..1.
    """
    for op, sources in flow.ops.values():
        if re.match("MUL|DIV|REALDIV|SUB|ADD|BIASADD", op):
            constants = [c for c in map(flow.constant, sources) if c is not None and c.size]
            sizes = [np.abs(c).max() for c in constants]
            tell = any(size < 0.05 if op == "MUL" else size > 20 for size in sizes)
            if tell and any(image in _carriers(flow, source) for source in sources):
                return True
    return False


def _carriers(flow: Dataflow, tensor: Hashable) -> dict[Hashable, str]:
    """The tensors that a tensor's values come from with their meaning, and the ops that made them.

    The last ones on each way are made by ops that give values another meaning.
    """
    found, queue = {}, [tensor]
    for tensor in queue:
        if tensor in found:
            continue
        op, sources = flow.ops.get(tensor, ("", ()))
        found[tensor] = op
        if _MERGING.match(op) or _MOVING.match(op):
            varying = [source for source in sources if flow.constant(source) is None]
            queue += varying if _MERGING.match(op) else varying[:1]
    return found
