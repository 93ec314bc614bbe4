"""TensorFlow Lite files taken apart and put together again, since the interpreter trusts them.

It follows every offset in a file: a wrong one, or a number of a tensor that is not there, ends the
process. What Python has read and written anew has offsets of its own.
"""

import math
import struct
from collections.abc import Iterator
from pathlib import Path

from tensorflow.lite.tools import flatbuffer_utils

from metaseg_tf.errors import DataFormatError, in_one_line

__all__ = ["find_fused", "rebuild"]

# What reading past the end, or a text as a number, comes to.
_BROKEN = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, struct.error)

#: Of one tensor: 8 GB of float32.
_MAX_ELEMENTS = 1 << 31


def rebuild(path: Path) -> bytes:
    """The content of a TensorFlow Lite file, written anew.

    Raises
    ------
    DataFormatError
        If it is truncated or something else.
    """
    try:
        model = flatbuffer_utils.convert_bytearray_to_object(bytearray(path.read_bytes()))
        _decode_names(model)
        missing = [what for what, numbers, count in _references(model) if not _fit(numbers, count)]
        missing += ["a bound on its size" for tensor in _tensors(model) if not _is_bounded(tensor)]
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
    return content


def find_fused(path: Path) -> set[int]:
    """The tensors, by their numbers, at whose op a ReLU or the like is carried out as well."""
    operators = flatbuffer_utils.read_model(str(path)).subgraphs[0].operators
    fused = (o for o in operators if getattr(o.builtinOptions, "fusedActivationFunction", 0))
    return {number for operator in fused for number in _listed(operator.outputs)}


def _decode_names(model) -> None:
    """Fail here where TensorFlow would fail later, whenever it tells of a tensor or an op."""
    for name in (
        *(t.name for t in _tensors(model)),
        *(c.customCode for c in model.operatorCodes or []),
    ):
        (name or b"").decode()


def _tensors(model) -> Iterator:
    return (tensor for graph in model.subgraphs for tensor in graph.tensors or [])


def _is_bounded(tensor) -> bool:
    """A dimension of any size is 1 or -1 here."""
    return math.prod(abs(int(side)) for side in _listed(tensor.shape)) <= _MAX_ELEMENTS


def _references(model) -> Iterator[tuple[str, list[int], int]]:
    """What is referred to by number, by which numbers, and how many of it there are."""
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


def _fit(numbers: list[int], count: int) -> bool:
    return all(0 <= number < count for number in numbers)
