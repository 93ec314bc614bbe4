"""Graphs are programs: what is not needed for inference is refused by name."""

import pytest
import tensorflow as tf

from metaseg_tf.deeplab.graph_safety import ALLOWED_OPS, check_ops
from metaseg_tf.errors import UnsafeGraphError

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
        check_ops(graph_with(op))
    assert "\n" not in str(caught.value)


def test_function_libraries_are_read_as_well():
    graph = graph_with("PartitionedCall")
    function = graph.library.function.add()
    function.signature.name = "inner"
    function.node_def.add(name="culprit", op="WriteFile")
    with pytest.raises(UnsafeGraphError, match=r"'culprit' of function 'inner'.*'WriteFile'"):
        check_ops(graph)


def test_functions_of_the_graph_may_be_called_by_name():
    graph = graph_with("inner")
    graph.library.function.add().signature.name = "inner"
    check_ops(graph)


def test_every_allowed_op_is_known_to_tensorflow():
    assert [op for op in sorted(ALLOWED_OPS) if not hasattr(tf.raw_ops, op)] == []
