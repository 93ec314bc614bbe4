"""What a network's ops tell of its two ends, whichever format they are stored in.

Ops are named in capitals without underscores, where TensorFlow and TensorFlow Lite mostly agree.
They are told by how their names begin, since versions differ at the end.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from metaseg_tf.deeplab.graph import Graph

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
_MERGING = re.compile("CONCAT|PACK|ADD|MUL|DIV|REALDIV")
#: Ops at the beginning of a network that rescale pixels.
_RESCALING = re.compile("MUL|DIV|REALDIV|SUB|ADD|BIASADD")


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
    kinds, clipped = set(), False

    def carried(tensor) -> list:
        nonlocal clipped
        op, sources = flow.ops.get(tensor, ("", ()))
        clipped |= bool(_CLIPPING.match(op))
        varying = [source for source in sources if flow.constant(source) is None]
        if _MERGING.match(op):
            return varying
        if _MOVING.match(op):
            return varying[:1]
        kinds.add(next((kind for kind, ops in _KINDS.items() if ops.match(op)), None))
        return []

    _reach(scores, carried)
    if clipped and "logits" in kinds:
        return None
    return kinds.pop() if len(kinds) == 1 else None


def rescales_pixels(flow: Dataflow, image: Hashable) -> bool:
    """Whether a network brings pixels in 0..255 to its own range before its first layer."""
    readers = defaultdict(list)
    for tensor, (op, sources) in flow.ops.items():
        if any(ops.match(op) for ops in (_MOVING, _MERGING, _RESCALING)):
            for source in sources:
                readers[source].append(tensor)
    return any(_is_for_pixels(flow, t) for t in _reach(image, readers.__getitem__))


def _is_for_pixels(flow: Dataflow, tensor: Hashable) -> bool:
    """Whether a constant at the op is of the size of pixels in 0..255, not of those in 0..1."""
    op, sources = flow.ops.get(tensor, ("", ()))
    if not _RESCALING.match(op):
        return False
    constants = (flow.constant(source) for source in sources)
    sizes = [np.abs(c).max() for c in constants if c is not None and c.size]
    return any(size < 0.05 if op == "MUL" else size > 20 for size in sizes)


def _reach(start: Hashable, following: Callable) -> list:
    """All tensors that can be reached, each once."""
    queue, seen = [start], {start}
    for tensor in queue:
        new = [t for t in dict.fromkeys(following(tensor)) if t not in seen]
        seen.update(new)
        queue += new
    return queue
