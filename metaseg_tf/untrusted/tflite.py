"""TensorFlow Lite files taken apart and put together again, since the interpreter trusts them.

It follows every offset in a file: a wrong one, or a number of a tensor that is not there, ends the
process. A file that Python has read and written anew has offsets of its own. The interpreter also
runs TensorFlow's own ops, of which a file may bring any, in any branch.
"""

import math
import struct
from collections.abc import Iterator
from pathlib import Path

from flatbuffers import flexbuffers
from google.protobuf.message import DecodeError
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.lite.tools import flatbuffer_utils

from metaseg_tf.errors import DataFormatError, UnsafeGraphError, in_one_line
from metaseg_tf.untrusted.graphs import ALLOWED_OPS

__all__ = ["find_fused", "rebuild"]

# Raised by reading past the end, or a text as a number.
_BROKEN = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, struct.error)

#: Prefix of TensorFlow's own ops inside of a TensorFlow Lite file.
_FLEX = "Flex"
#: Of one tensor: 8 GB of float32.
_MAX_ELEMENTS = 1 << 31


def rebuild(path: Path) -> bytes:
    """The content of a TensorFlow Lite file, written anew.

    Raises DataFormatError if it is truncated or something else, and UnsafeGraphError if any of its
    subgraphs holds a custom op other than those of TensorFlow that inference needs.
    """
    try:
        model = flatbuffer_utils.convert_bytearray_to_object(bytearray(path.read_bytes()))
        tensors = [tensor for graph in model.subgraphs for tensor in graph.tensors or []]
        names = [code.customCode or b"" for code in model.operatorCodes or []]
        for name in (*names, *(tensor.name or b"" for tensor in tensors)):
            name.decode()  # fails here, since TensorFlow would fail later at a message with it
        missing = [
            what
            for what, numbers, count in _references(model)
            if not all(0 <= number < count for number in numbers)
        ]
        for tensor in tensors:
            # A dimension of any size is 1 or -1 here.
            if math.prod(abs(side) for side in _listed(tensor.shape)) > _MAX_ELEMENTS:
                missing.append("a bound on its size")
        # All custom ops, used or not, by what they would run: names of TensorFlow's, or others.
        ops = [name.decode().removeprefix(_FLEX) for name in names if name]
        for op in (op for graph in model.subgraphs for op in graph.operators or []):
            if names[op.opcodeIndex]:
                ops.append(_flex_op(op, names[op.opcodeIndex].decode()))
        refused = [op for op in ops if op not in ALLOWED_OPS]
        # Only converters read it.
        model.metadata = None
        content = bytes(flatbuffer_utils.convert_object_to_bytearray(model))
    except _BROKEN as error:
        content, missing = b"", [in_one_line(error)]
    if missing:
        raise DataFormatError(
            f"{path}: expected a TensorFlow Lite file, got another or one that lacks parts "
            f"({missing[0]}); convert or copy it again"
        )
    if refused:
        raise UnsafeGraphError(
            f"{path}: expected only ops that inference needs, got the custom op {refused[0]!r}; "
            "such a network may touch files, the network or Python: use one from a source you trust"
        )
    return content


def _flex_op(op, name: str) -> str:
    """The op that a custom op runs: TensorFlow takes it from its options, not from its name."""
    # Options of more than 2 GB lie behind the file's tables, where they are not read.
    if not name.startswith(_FLEX) or op.customOptions is None or op.largeCustomOptionsOffset:
        return name
    try:
        called, node = flexbuffers.GetRoot(bytes(op.customOptions)).AsVector
        node = NodeDef.FromString(node.AsStringBytes)
        called = called.AsString
    except (DecodeError, *_BROKEN) as error:
        raise ValueError(f"options of {name}: {error}") from error
    # A function's body would come from elsewhere in the file.
    calls = any(value.HasField("func") or value.list.func for value in node.attr.values())
    return name if calls or not called == node.op == name.removeprefix(_FLEX) else called


def find_fused(path: Path) -> set[int]:
    """The tensors, by their numbers, at whose op a ReLU or the like is carried out as well."""
    operators = flatbuffer_utils.read_model(str(path)).subgraphs[0].operators
    fused = (o for o in operators if getattr(o.builtinOptions, "fusedActivationFunction", 0))
    return {number for operator in fused for number in _listed(operator.outputs)}


def _references(model) -> Iterator[tuple[str, list[int], int]]:
    """Each kind of part that is referred to by number, the numbers used, and how many exist."""
    yield "subgraphs", [0], len(model.subgraphs)
    for graph in model.subgraphs:
        tensors, operators = graph.tensors or [], graph.operators or []
        yield "outputs", [0], len(_listed(graph.outputs))
        yield "buffers", [tensor.buffer for tensor in tensors], len(model.buffers)
        yield "operators", [op.opcodeIndex for op in operators], len(model.operatorCodes or [])
        for owner in (graph, *operators):
            used = (owner.inputs, owner.outputs)
            yield "tensors", [number for part in used for number in _listed(part)], len(tensors)


def _listed(numbers) -> list[int]:
    # Optional inputs that are left out have the number -1.
    return [] if numbers is None else [int(number) for number in numbers if number != -1]
