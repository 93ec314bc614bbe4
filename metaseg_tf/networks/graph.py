"""Frozen graphs: read from disk, taken apart by structure, and run as functions of their image.

The names of nodes are never relied on, since they differ between exports of the same network.
"""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from metaseg_tf.errors import DataFormatError, NetworkError, restate
from metaseg_tf.networks.scores import Dataflow, find_argmax
from metaseg_tf.untrusted import check_file
from metaseg_tf.untrusted.archives import read_members
from metaseg_tf.untrusted.graphs import check_graph, node_name

__all__ = [
    "Graph",
    "GraphFunctions",
    "find_tail",
    "graph_multiply_adds",
    "load_graph_def",
]

CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative")
#: Ops between the resize to the crop and ArgMax.
_SCORE_OPS = re.compile(
    "Identity|Cast|Softmax|Mean|ConcatV2|ExpandDims|Squeeze|Reshape|ReverseV2|StridedSlice"
)
#: Constants from this size on, in bytes, are weights; sizes and axes are far smaller.
_WEIGHT_BYTES = 4096
#: Scope of the graph's nodes, apart from those of its captured weights, whose names might clash.
_SCOPE = "graph"
#: A protocol buffer cannot be larger.
_MAX_BYTES = 2**31


class Graph:
    """A GraphDef with its edges at hand, except for control edges.

    ``nodes`` are its NodeDefs by name, ``consumers`` the readers of each node's outputs, and
    ``order`` has each node after those that it reads. Raises NetworkError if the graph runs in a
    circle, or a node reads one that is not there.
    """

    def __init__(self, graph_def):
        self.nodes = {node.name: node for node in graph_def.node}
        self.consumers = defaultdict(list)
        for node in graph_def.node:
            for source in self.inputs(node):
                self.consumers[source.name].append(node)
        before = {name: [s.name for s in self.inputs(node)] for name, node in self.nodes.items()}
        try:
            self.order = [self.nodes[name] for name in TopologicalSorter(before).static_order()]
        except CycleError as error:
            raise NetworkError(
                f"graph: expected no loops, got one through node {error.args[1][0]!r}; "
                "use a graph for inference"
            ) from error

    @cached_property
    def flow(self) -> Dataflow:
        """Its ops; all outputs of a node have its name."""

        def constant(name: str) -> np.ndarray | None:
            node = self.nodes[name]
            while node.op == "Identity":
                (node,) = self.inputs(node)
            return tf.make_ndarray(node.attr["value"].tensor) if node.op == "Const" else None

        nodes = self.nodes.values()
        ops = {n.name: (n.op.upper(), [s.name for s in self.inputs(n)]) for n in nodes}
        return Dataflow(ops, constant)

    def inputs(self, node) -> list:
        """The nodes that feed ``node``, in the order of its inputs."""
        names = (node_name(tensor) for tensor in node.input if not tensor.startswith("^"))
        try:
            return [self.nodes[name] for name in names]
        except KeyError as error:
            raise NetworkError(
                f"graph: expected all nodes that {node.name!r} reads, got none named {error}; "
                "the file is cut off or was taken apart: copy it again"
            ) from error

    def of(self, *ops: str) -> list:
        """All nodes whose op is among ``ops``."""
        return [node for node in self.nodes.values() if node.op in ops]

    def ancestors(self, node) -> list:
        """All nodes that ``node`` depends on, the nearest first."""
        found, queue = {}, self.inputs(node)
        for source in queue:
            if source.name not in found:
                found[source.name] = source
                queue.extend(self.inputs(source))
        return list(found.values())


class Tail(NamedTuple):
    """The end of a graph that gives labels.

    ``scores`` is the tensor that feeds ArgMax, ``labels`` the graph's output; ``resize`` holds the
    size to which the scores were brought, None if they were not resized.
    """

    argmax: str
    scores: str
    labels: str
    resize: str | None


def find_tail(graph: Graph) -> Tail:
    """The one ArgMax that leads to an output, and what feeds it, or a NetworkError."""
    outputs = [name for name in graph.nodes if not graph.consumers[name]]
    found = {x: name for name in reversed(outputs) if (x := find_argmax(graph.flow, name))}
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


class GraphFunctions:
    """Any tensors of a graph, as functions of its placeholders.

    Raises what `check_graph` raises, and NetworkError if TensorFlow cannot read the graph, such as
    one whose nodes lack inputs.
    """

    def __init__(self, graph_def: tf.compat.v1.GraphDef):
        check_graph(graph_def)
        with _cannot_be("read"):
            self._skeleton, self._weights = _split(graph_def)
            self._wrapped = self._wrap(self._skeleton)

    def _wrap(self, skeleton, outputs: Sequence[str] = (), inputs: Sequence = ()):
        """The concrete function of a graph, or of a part, with ``inputs`` (name, specification)."""
        # TensorFlow refuses to map what nothing reads.
        read = {node_name(source) for node in skeleton.node for source in node.input}

        def build(*given: tf.Tensor):
            own = self._weights | dict(zip((name for name, _ in inputs), given, strict=True))
            own = {name: tf.identity(x) for name, x in own.items() if node_name(name) in read}
            return tf.graph_util.import_graph_def(skeleton, own, list(outputs), name=_SCOPE)

        return tf.compat.v1.wrap_function(build, [spec for _, spec in inputs])

    def tensors(self) -> dict[str, tf.Tensor]:
        """The first output of each node that has any, by the node's name."""
        ops = self._wrapped.graph.get_operations()
        return {op.name.partition("/")[2]: op.outputs[0] for op in ops if op.outputs}

    def prune(self, inputs: Sequence[tf.Tensor], outputs: Sequence[tf.Tensor]):
        """The concrete function from some of its tensors to others."""
        return self._wrapped.prune(inputs, outputs)

    def tensor(self, name: str) -> tf.Tensor:
        """The symbolic tensor of that name; its shape is what TensorFlow knows without a run."""
        with _cannot_be("read"):
            full = f"{_SCOPE}/{name}" if ":" in name else f"{_SCOPE}/{name}:0"
            return self._wrapped.graph.as_graph_element(full)

    def function(self, image: str, names: Sequence[str]) -> Callable[[tf.Tensor], list[tf.Tensor]]:
        """A function from the placeholder ``image`` to the tensors of these names.

        It runs only what these tensors need, and raises a NetworkError of one line if that fails.
        """
        with _cannot_be("read"):
            # `prune` would copy what is needed in Python, one operation after the other.
            nodes, needed = {node.name: node for node in self._skeleton.node}, set()
            queue = [node_name(name) for name in names]
            for name in queue:
                if name in nodes and name not in needed:
                    needed.add(name)
                    queue += map(node_name, nodes[name].input)
            about = {"versions": self._skeleton.versions, "library": self._skeleton.library}
            own = [node for node in self._skeleton.node if node.name in needed]
            part, tensor = tf.compat.v1.GraphDef(node=own, **about), self.tensor(image)
            spec = f"{node_name(image)}:0", tf.TensorSpec(tensor.shape, tensor.dtype)
            outputs = [name if ":" in name else f"{name}:0" for name in names]
            pruned = self._wrap(part, outputs, [spec])

        def run(image: tf.Tensor) -> list[tf.Tensor]:
            with _cannot_be("run"):
                return pruned(image)

        return run


def _cannot_be(what: str):
    """TensorFlow's errors, while a graph is read or run, as a NetworkError."""
    errors = (KeyError, ValueError, TypeError, tf.errors.OpError)
    return restate(errors, NetworkError, f"graph: cannot be {what}", "export it again")


def _split(graph_def: tf.compat.v1.GraphDef):
    """The graph without its large constants, and these as tensors by their names.

    As constants of a function, TensorFlow would copy them with every function and optimisation:
    4 GB and 15 s to load Xception65 instead of 1 GB and 5 s.
    """
    skeleton = tf.compat.v1.GraphDef(versions=graph_def.versions, library=graph_def.library)
    # TensorFlow refuses an input map with what nothing reads.
    read = {source.partition(":")[0] for node in graph_def.node for source in node.input}
    weights = {}
    for node in graph_def.node:
        constant = node.op == "Const" and node.name in read
        if constant and node.attr["value"].tensor.ByteSize() >= _WEIGHT_BYTES:
            weights[f"{node.name}:0"] = tf.constant(tf.make_ndarray(node.attr["value"].tensor))
        else:
            # A node may ask to be placed next to a constant that is gone now, or to run after it.
            skeleton.node.add().CopyFrom(node)
            skeleton.node[-1].attr.pop("_class", None)
    gone = {f"^{weight.removesuffix(':0')}" for weight in weights}
    for node in skeleton.node:
        node.input[:] = [source for source in node.input if source not in gone]
    return skeleton, weights


def graph_multiply_adds(graph: tf.Graph) -> int | None:
    """Multiply-adds of all convolutions of a graph by its static shapes; None if one is unknown.

    A dilated convolution that is spread over smaller images counts for the pixels of its result.
    """
    total = 0
    for op in graph.get_operations():
        if op.type not in CONVOLUTIONS:
            continue
        spread = (c for c in op.outputs[0].consumers() if c.type == "BatchToSpaceND")
        output, kernel = next(spread, op).outputs[0].shape, op.inputs[1].shape
        if not (output.is_fully_defined() and kernel.is_fully_defined()):
            return None
        height, width, channels, _ = kernel.as_list()
        each = height * width * (channels if op.type == "Conv2D" else 1)
        total += math.prod(output.as_list()) * each
    return total


def load_graph_def(path: Path) -> tf.compat.v1.GraphDef:
    """Read the one frozen graph in a ``.pb`` file, or in the archive that it was published in.

    Raises DataFormatError if the file is missing, truncated or holds no graph, and UnsafeGraphError
    if the graph holds ops which inference does not need.
    """
    path = Path(path)
    if not path.name.endswith((".pb", ".tar.gz", ".tgz", ".tar")):
        raise DataFormatError(
            f"{path}: expected a frozen graph (.pb) or an archive with one (.tar.gz), got another "
            "file; networks of other formats can be run, but not read as a graph"
        )
    if path.suffix == ".pb":
        check_file(path, "a frozen graph")
        if path.stat().st_size >= _MAX_BYTES:
            raise DataFormatError(f"{path}: expected a frozen graph below 2 GB, got a larger file")
        contents = [path.read_bytes()]
    else:
        contents = read_members(path, ".pb")
    graphs = []
    for content in contents:
        with suppress(DecodeError):
            graphs.append(tf.compat.v1.GraphDef.FromString(content))
    graphs = [graph for graph in graphs if any(node.op == "Placeholder" for node in graph.node)]
    if len(graphs) != 1:
        expected = "a frozen graph (GraphDef), got another or a truncated file; copy it again"
        if path.suffix != ".pb":
            expected = (
                f"an archive with one frozen graph (.pb), got {len(graphs)}; unpack it and name "
                "the file"
            )
        raise DataFormatError(f"{path}: expected {expected}")
    check_graph(graphs[0])
    return graphs[0]
