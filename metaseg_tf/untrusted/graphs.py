"""The ops that a graph from a file may hold: a TensorFlow graph is a program, so it is read first.

The lists name what inference needs. Everything else is refused, whether known to do harm (files,
the network, Python, other processes) or not known at all.
"""

import contextlib
import math
from collections import Counter
from collections.abc import Iterator, Set
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import tensorflow as tf
from tensorflow.core.framework.variable_pb2 import VariableDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from metaseg_tf.errors import NetworkError, UnsafeGraphError
from metaseg_tf.untrusted import check_file, read_list

__all__ = ["ALLOWED_OPS", "check_graph", "check_saved_model", "check_sizes", "node_name"]

#: Upper bound of all constants together, in bytes: that of a file that holds them.
_MAX_BYTES = 2**31
#: Upper bound of nodes once all calls are replaced by what they call; Xception65 has 4,000.
_MAX_NODES = 10**6

#: The ops that networks for segmentation need to turn an image into labels.
ALLOWED_OPS = read_list("graph_ops")
#: Further ops in the functions of a SavedModel.
_MODEL_OPS = read_list("saved_model_ops")
#: How a model is saved again, which is never done here: these ops write files.
_SAVING_OPS = frozenset(("SaveV2", "MergeV2Checkpoints"))
#: Objects without functions of their own that loading runs; resources (tables) and assets have.
_KINDS = (
    *("user_object", "variable", "constant"),
    *("function", "bare_concrete_function", "captured_tensor"),
)
#: Methods that TensorFlow calls on every object it restores; a file may store functions as such.
_METHODS = frozenset(dir(tf.__internal__.tracking.AutoTrackable))


def node_name(tensor: str) -> str:
    """Name of the node that gives ``tensor``, as written in an input of a node."""
    return tensor.lstrip("^").split(":")[0]


def check_graph(graph_def, more: Set[str] = frozenset()) -> None:
    """Refuse a graph that holds an op which is not on the list, or what `check_sizes` refuses.

    All nodes are read, those of its function library as well; ``more`` are further ops that are
    allowed. Raises UnsafeGraphError with the op, its node and the function that the node is in.
    """
    check_sizes(graph_def)
    # A node may call a function of the graph's own library by its name instead of by an op.
    functions = {function.signature.name for function in graph_def.library.function}
    allowed = ALLOWED_OPS | functions | more
    for place, node in _all_nodes(graph_def):
        if node.op not in allowed:
            raise UnsafeGraphError(
                f"{place}: expected only ops that inference needs, got op {node.op!r}; such a "
                "graph may touch files, the network or Python: use one from a source you trust"
            )


def _all_nodes(graph_def) -> Iterator[tuple[str, object]]:
    for node in graph_def.node:
        yield f"graph node {node.name!r}", node
    for function in graph_def.library.function:
        for node in function.node_def:
            yield f"graph node {node.name!r} of function {function.signature.name!r}", node


def check_sizes(graph_def) -> None:
    """Refuse sizes that a small file can declare and that TensorFlow would build or fail at.

    A constant of one number can have any shape, and functions can call themselves, or each other
    so often that they grow without bound. Raises NetworkError with the constant or the function.
    """
    constants = (node for _, node in _all_nodes(graph_def) if node.op == "Const")
    if sum(map(_count_bytes, constants)) > _MAX_BYTES:
        raise NetworkError(
            f"graph: expected constants of {_MAX_BYTES} bytes at most, got more by the shapes that "
            "they declare; use a graph for inference"
        )
    if _count_nodes(graph_def) > _MAX_NODES:
        raise NetworkError(
            f"graph: expected {_MAX_NODES} nodes at most, got more by functions that call each "
            "other; use a graph for inference"
        )


def _count_bytes(node) -> int:
    tensor = node.attr["value"].tensor
    sides = [dim.size for dim in tensor.tensor_shape.dim]
    dtype = None
    with contextlib.suppress(TypeError):
        dtype = tf.as_dtype(tensor.dtype)
    if min(sides, default=0) < 0 or dtype is None or not dtype.is_numpy_compatible:
        raise NetworkError(
            f"graph: expected numbers or text of a fixed shape in {node.name!r}, got type "
            f"{tensor.dtype} of shape {sides}; the file is broken: copy it again"
        )
    return math.prod(sides) * max(dtype.size or 0, 1)


def _count_nodes(graph_def) -> int:
    """Nodes of the graph with each call replaced by the nodes of the function that it calls."""
    functions = {f.signature.name: f.node_def for f in graph_def.library.function}
    calls = {name: _count_calls(nodes, functions) for name, nodes in functions.items()}
    sizes = {}
    try:
        for name in TopologicalSorter(calls).static_order():
            inner = sum(times * sizes[called] for called, times in calls[name].items())
            sizes[name] = len(functions[name]) + inner
    except CycleError as error:
        raise NetworkError(
            f"graph: expected no function that calls itself, got {error.args[1][0]!r}; "
            "use a graph for inference"
        ) from error
    called = _count_calls(graph_def.node, functions)
    return len(graph_def.node) + sum(times * sizes[name] for name, times in called.items())


def _count_calls(nodes, functions) -> Counter:
    """How often each function is named by the nodes, as their op or in their attributes."""
    named = Counter(node.op for node in nodes)
    for node in nodes:
        for value in node.attr.values():
            named.update(f.name for f in (value.func, *value.list.func))
    return Counter({name: times for name, times in named.items() if name in functions})


def check_saved_model(path: Path) -> None:
    """Refuse a SavedModel folder from which loading would run functions of the file.

    These restore objects or fill tables, and in the format of TensorFlow 1 they are any ops that
    the file names. Raises UnsafeGraphError, also as `check_graph` does for all of its graphs, and
    DataFormatError if a file is missing or not a file; protocol buffers' own error if one is not a
    SavedModel.
    """
    for part in path.rglob("*"):
        check_file(part)
    file = path / "saved_model.pb"
    check_file(file, "a SavedModel")
    for graph in SavedModel.FromString(file.read_bytes()).meta_graphs:
        for node in graph.object_graph_def.nodes:
            _check_object(node, path)
        check_graph(graph.graph_def, _MODEL_OPS | _SAVING_OPS)
        _check_reached(graph, path)


def _check_object(node, path: Path) -> None:
    if node.WhichOneof("kind") not in _KINDS:
        raise UnsafeGraphError(
            f"{path}: expected a network of variables only, got one with tables or assets, "
            "which run code from the file when loaded; export it without them"
        )
    names = {child.local_name for child in node.children}
    registered = {node.registered_name, node.registered_saver} - {"", "tf.TrackableConstant"}
    if node.saveable_objects or registered or names & _METHODS:
        raise UnsafeGraphError(
            f"{path}: expected variables that TensorFlow restores, got an object that is "
            "restored by code from the file; export the network for inference without it"
        )


def _check_reached(graph, path: Path) -> None:
    """Refuse ops that write files in what loading runs by its name, or whatever may be called."""
    nodes = {node.name: node for node in graph.graph_def.node}
    functions = {f.signature.name: f.node_def for f in graph.graph_def.library.function}
    queue = list(dict.fromkeys(_started(graph)))
    seen = set(queue)
    for name in queue:
        top = [nodes[name]] if name in nodes else []
        inner = [*top, *functions.get(name, ())]
        for node in inner:
            if node.op in _SAVING_OPS:
                raise UnsafeGraphError(
                    f"{path}: expected only ops that inference needs, got op {node.op!r} in "
                    f"{name!r}, which writes files; export the network for inference"
                )
        new = {node_name(tensor) for node in top for tensor in node.input}
        new = (new | _count_calls(inner, functions).keys()) - seen
        seen |= new
        queue += new


def _started(graph) -> Iterator[str]:
    """Names of all that can be run: in the format of TensorFlow 1 nodes, else functions."""
    yield from graph.object_graph_def.concrete_functions
    if graph.object_graph_def.nodes:
        return
    yield node_name(graph.saver_def.restore_op_name)
    for collection in graph.collection_def.values():
        yield from map(node_name, collection.node_list.value)
    for variable in graph.collection_def["local_variables"].bytes_list.value:
        yield node_name(VariableDef.FromString(variable).initializer_name)
    for signature in graph.signature_def.values():
        yield from (node_name(tensor.name) for tensor in signature.outputs.values())
