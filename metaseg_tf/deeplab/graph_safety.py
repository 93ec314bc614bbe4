"""Which ops a graph from a file may hold: a TensorFlow graph is a program, so it is read first.

The list names what inference needs. Everything else is refused, whether known to do harm (files,
the network, Python, other processes) or not known at all.
"""

from collections.abc import Iterator, Set

from metaseg_tf.errors import UnsafeGraphError

__all__ = ["ALLOWED_OPS", "check_ops"]

_VALUES = """
    Const Placeholder PlaceholderWithDefault Identity IdentityN StopGradient PreventGradient NoOp
    Cast CheckNumerics Fill OnesLike ZerosLike Range
"""
_SHAPES = """
    Shape ShapeN Size Rank Reshape Squeeze ExpandDims Transpose Pack Unpack Concat ConcatV2 Split
    SplitV Slice StridedSlice GatherV2 Gather Tile Pad PadV2 MirrorPad Reverse ReverseV2 BroadcastTo
    SpaceToBatchND BatchToSpaceND SpaceToBatch BatchToSpace SpaceToDepth DepthToSpace
    ConcatOffset BroadcastArgs
"""
_ARITHMETIC = """
    Add AddV2 AddN BiasAdd Sub Mul Div RealDiv FloorDiv FloorMod Mod TruncateDiv DivNoNan Neg Abs
    Maximum Minimum Square Sqrt Rsqrt Pow Exp Log Log1p Floor Ceil Round Rint Sign Reciprocal
    SquaredDifference ClipByValue MatMul BatchMatMul BatchMatMulV2 Einsum Sum Prod Mean Max Min
    ArgMax ArgMin TopKV2 OneHot Erf
"""
_LOGIC = """
    Equal NotEqual Less LessEqual Greater GreaterEqual LogicalAnd LogicalOr LogicalNot All Any
    Select SelectV2 Where Assert Switch Merge If StatelessIf PartitionedCall StatefulPartitionedCall
"""
_LAYERS = """
    Conv2D DepthwiseConv2dNative Conv2DBackpropInput FusedBatchNorm FusedBatchNormV2
    FusedBatchNormV3 BatchNormWithGlobalNormalization Relu Relu6 LeakyRelu Elu Selu Softplus
    Softsign Sigmoid Tanh Softmax LogSoftmax AvgPool MaxPool MaxPoolV2 LRN L2Loss ResizeBilinear
    ResizeNearestNeighbor ResizeBicubic ResizeArea CropAndResize FakeQuantWithMinMaxArgs
    FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel
"""

#: The ops that networks for segmentation need to turn an image into labels.
ALLOWED_OPS = frozenset((_VALUES + _SHAPES + _ARITHMETIC + _LOGIC + _LAYERS).split())


def check_ops(graph_def, more: Set[str] = frozenset()) -> None:
    """Refuse a graph that holds an op which is not on the list.

    Parameters
    ----------
    graph_def : tf.compat.v1.GraphDef
        All its nodes are read, those of its function library as well.
    more : set of str
        Ops that are allowed besides.

    Raises
    ------
    UnsafeGraphError
        Naming the op, its node and the function that the node stands in.
    """
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
