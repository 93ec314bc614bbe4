"""Graphs are programs: what is not needed for inference is refused by name."""

import itertools

import pytest
import tensorflow as tf

from metaseg_tf.errors import NetworkError, UnsafeGraphError
from metaseg_tf.untrusted.graphs import ALLOWED_OPS, check_graph, check_sizes

HARMFUL = """
    ReadFile WriteFile MatchingFiles WholeFileReaderV2 TFRecordDataset TextLineDataset SaveV2
    RestoreV2 Save Restore MergeV2Checkpoints FixedLengthRecordDataset LookupTableImportV2
    InitializeTableFromTextFileV2 PrintV2 Print PyFunc PyFuncStateless EagerPyFunc RemoteCall
    _Send _Recv GeneratorDataset DebugIdentity DebugIdentityV2 ImageSummary WriteSummary
    CreateSummaryFileWriter XlaLaunch TPUReplicate CollectiveReduce Copy DecodeImage While
    LoadAndRemapMatrix VarHandleOp NoSuchOp
"""


def graph_with(op):
    graph = tf.compat.v1.GraphDef()
    graph.node.add(name="image", op="Placeholder")
    graph.node.add(name="culprit", op=op)
    return graph


@pytest.mark.parametrize("op", HARMFUL.split())
def test_harmful_ops_are_refused_by_name(op):
    with pytest.raises(UnsafeGraphError, match=f"'culprit'.*'{op}'") as caught:
        check_graph(graph_with(op))
    assert "\n" not in str(caught.value)


def test_function_libraries_are_read_as_well():
    graph = graph_with("PartitionedCall")
    function = graph.library.function.add()
    function.signature.name = "inner"
    function.node_def.add(name="culprit", op="WriteFile")
    with pytest.raises(UnsafeGraphError, match=r"'culprit' of function 'inner'.*'WriteFile'"):
        check_graph(graph)


def test_functions_of_the_graph_may_be_called_by_name():
    graph = graph_with("inner")
    graph.library.function.add().signature.name = "inner"
    check_graph(graph)


def test_every_allowed_op_is_known_to_tensorflow():
    assert [op for op in sorted(ALLOWED_OPS) if not hasattr(tf.raw_ops, op)] == []


def constant(graph, *sides, dtype=tf.float32):
    node = graph.node.add(name="bomb", op="Const")
    tensor = node.attr["value"].tensor
    tensor.dtype = dtype if isinstance(dtype, int) else dtype.as_datatype_enum
    tensor.float_val.append(1.0)
    for side in sides:
        tensor.tensor_shape.dim.add().size = side


@pytest.mark.parametrize(
    ("sides", "dtype", "said"),
    [
        ((10**4, 10**4, 10**4), tf.float32, "constants of"),
        ((2**62, 2**62), tf.uint8, "constants of"),
        ((5, -5), tf.float32, "fixed shape"),
        ((5,), tf.resource, "fixed shape"),
        ((5,), 999, "fixed shape"),
    ],
)
def test_constants_are_bounded_by_what_they_declare(sides, dtype, said):
    graph = tf.compat.v1.GraphDef()
    constant(graph, 100)
    check_sizes(graph)
    constant(graph, *sides, dtype=dtype)
    with pytest.raises(NetworkError, match=said):
        check_sizes(graph)


def calling(*calls):
    """A graph of functions, each of which calls others as an op or by an attribute."""
    graph = tf.compat.v1.GraphDef()
    for name, called in calls:
        function = graph.library.function.add()
        function.signature.name = name
        for index, other in enumerate(called):
            node = function.node_def.add(name=f"{name}{index}", op=other)
            if index:
                node.op = "PartitionedCall"
                node.attr["f"].func.name = other
    graph.node.add(name="call", op=calls[0][0])
    return graph


@pytest.mark.parametrize("calls", [[("f", "f")], [("f", "gg"), ("g", "hf"), ("h", "")]])
def test_functions_that_call_themselves_are_refused(calls):
    with pytest.raises(NetworkError, match="no function that calls itself"):
        check_sizes(calling(*calls))


def test_functions_that_grow_without_bound_are_refused():
    names = "abcdefghijklmnopqrstuvwxyz"
    doubling = [(a, b + b) for a, b in itertools.pairwise(names)]
    check_sizes(calling(*doubling[:15]))
    with pytest.raises(NetworkError, match="1000000 nodes"):
        check_sizes(calling(*doubling))
