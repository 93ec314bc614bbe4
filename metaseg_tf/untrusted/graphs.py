"""The ops that a graph from a file may hold: a TensorFlow graph is a program, so it is read first.

The list names what inference needs. Everything else is refused, whether known to do harm (files,
the network, Python, other processes) or not known at all.
"""

import contextlib
import math
from collections import Counter
from collections.abc import Iterator, Set
from graphlib import CycleError, TopologicalSorter

import tensorflow as tf

from metaseg_tf.errors import NetworkError, UnsafeGraphError
from metaseg_tf.untrusted import read_list

__all__ = ["ALLOWED_OPS", "check_graph", "check_sizes", "count_calls"]

#: Upper bound of all constants together, in bytes: that of a file that holds them.
_MAX_BYTES = 2**31
#: Upper bound of nodes once all calls are replaced by what they call; Xception65 has 4,000.
_MAX_NODES = 10**6

#: The ops that networks for segmentation need to turn an image into labels.
ALLOWED_OPS = read_list("graph_ops")


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
    calls = {name: count_calls(nodes, functions) for name, nodes in functions.items()}
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
    called = count_calls(graph_def.node, functions)
    return len(graph_def.node) + sum(times * sizes[name] for name, times in called.items())


def count_calls(nodes, functions) -> Counter:
    """How often each function is named by the nodes, as their op or in their attributes."""
    named = Counter(node.op for node in nodes)
    for node in nodes:
        for value in node.attr.values():
            named.update(f.name for f in (value.func, *value.list.func))
    return Counter({name: times for name, times in named.items() if name in functions})
