"""ONNX files taken apart and put together again, so that the runtime opens none that they name."""

import re
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.message import DecodeError, Message
from onnx import FunctionProto, ModelProto, NodeProto, SparseTensorProto, TensorProto

from metaseg_tf.errors import DataFormatError, NetworkError, UnsafeGraphError
from metaseg_tf.untrusted import check_file

__all__ = ["read_model"]

#: A protocol buffer cannot be larger, with all weights in it.
_MAX_BYTES = 2**31 - 1
#: Domain and name: the standard's operators, and the runtime's own that its optimiser and quantiser
#: put in place of them.
_OPERATORS = re.compile(
    r"(ai\.onnx)?:.*|com\.microsoft:(QLinear\w+|(Q|Deq)uantizeLinear|QGemm|\w*MatMul\w*|Fused\w+"
    r"|Nhwc\w+|\w*Gelu|Bias\w+|\w*Attention|\w*LayerNormalization|\w*GroupNorm|GridSample|Pad)"
)
_REFUSED = {
    FunctionProto: "functions; write them out by onnx.inliner.inline_local_functions",
    SparseTensorProto: "sparse weights, which unfold to any size; export it with dense ones",
}


def read_model(path: Path) -> tuple[ModelProto, list[Path]]:
    """The network in an ONNX file with all its weights inside, and the other files they were in.

    Operators of the standard are all allowed: by its definition they have no side effects. Raises
    DataFormatError if a file is missing, truncated or too large; NetworkError if there are
    functions or sparse weights; UnsafeGraphError if there are custom operators, or weights outside
    of the folder.
    """
    check_file(path, "an ONNX file")
    size = path.stat().st_size
    try:
        model = ModelProto.FromString(path.read_bytes() if size <= _MAX_BYTES else b"")
        parts = [*model.functions, *_parts(model.graph)]
    except DecodeError:
        model = ModelProto()
    if not model.graph.node:
        raise DataFormatError(
            f"{path}: expected an ONNX file below 2 GB, got another or a truncated file; copy or "
            "export it again"
        )
    # The runtime may know further fields than are read here, and act on them.
    for field, _ in model.ListFields():
        if field.name not in ("ir_version", "opset_import", "graph", "functions"):
            model.ClearField(field.name)
    model.DiscardUnknownFields()
    files = {}
    for part in parts:
        if refused := _REFUSED.get(type(part)):
            raise NetworkError(f"{path}: expected operators and dense weights, got {refused}")
        if isinstance(part, NodeProto):
            if not _OPERATORS.fullmatch(f"{part.domain}:{part.op_type}"):
                raise UnsafeGraphError(
                    f"{path}: expected only operators of ONNX that inference needs, got the custom "
                    f"one {part.op_type!r} of {part.domain!r}; export the network without it"
                )
        elif isinstance(part, TensorProto):
            if part.data_location == TensorProto.EXTERNAL:
                size += _embed(path, part, files, _MAX_BYTES - size)
            part.ClearField("data_location")
            part.ClearField("external_data")
    return model, list(files)


def _parts(message: Message) -> Iterator[Message]:
    """A message and all within it, branches and loops as well; a protocol buffer bounds depth."""
    yield message
    for field, value in message.ListFields():
        values = [value] if isinstance(value, Message | str | bytes) else value
        if field.message_type:
            for part in values:
                yield from _parts(part)
        # Text that is none is handed out as it is, and refused by whoever reads it.
        elif field.type == field.TYPE_STRING and any(isinstance(text, bytes) for text in values):
            raise DecodeError(field.name)


def _embed(path: Path, tensor: TensorProto, files: dict[Path, None], limit: int) -> int:
    """Read what a tensor keeps in another file of the folder into it; returns its size."""
    place = {entry.key: entry.value for entry in tensor.external_data}
    file = path.parent / place.get("location", "").replace("\0", "")
    # A link may lead to where the network itself is linked to, as in a cache of downloads.
    folders = (path.parent.resolve(), path.resolve().parent)
    if not any(file.resolve().is_relative_to(folder) for folder in folders):
        raise UnsafeGraphError(
            f"{path}: expected weights in its own folder, got some in {file}; save the network and "
            "its weights in one folder"
        )
    size = file.stat().st_size if file.is_file() else -1
    try:
        offset = int(place.get("offset", 0))
        length = int(place.get("length", size - offset))
    except ValueError:
        offset = length = -1
    if not 0 <= offset <= offset + length <= size or length > limit:
        raise DataFormatError(
            f"{path}: expected its weights {tensor.name!r} in {file}, 2 GB in all at most, got no "
            "such file, a truncated or a larger one; copy both again, or store them as float16"
        )
    with file.open("rb") as stream:
        stream.seek(offset)
        tensor.raw_data = stream.read(length)
    files[file] = None
    return length
