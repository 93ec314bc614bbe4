"""Networks stored as TensorFlow Lite, 8-bit ones included."""

import warnings
from pathlib import Path

import numpy as np
import tensorflow as tf

from metaseg_tf.errors import DataFormatError, NetworkError, in_one_line
from metaseg_tf.networks.image_network import ImageNetwork, NetworkInput
from metaseg_tf.networks.scores import Dataflow, Ending, find_kind, rescales_pixels
from metaseg_tf.untrusted.tflite import find_fused, rebuild

__all__ = ["TFLiteNetwork"]

#: Ops between ArgMax and the output, which move labels about but do not change them.
_LABEL_OPS = frozenset(
    ("CAST", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "STRIDED_SLICE", "RESIZE_NEAREST_NEIGHBOR")
)
#: What a network of any size is first given.
_ANY_SIZE = (128, 128)


class TFLiteNetwork(ImageNetwork):
    """Class probabilities from a ``.tflite`` file.

    Where the output is class ids, the tensor that feeds their ArgMax is taken; 8-bit scores are
    turned into real ones by their scale and zero point.

    Parameters
    ----------
    path : Path
    input_range : str, optional
        The range of pixels that the input expects, as `NetworkInput`.

    Raises
    ------
    DataFormatError
        If the file is missing or not TensorFlow Lite.
    NetworkError
        If it does not take one image, or no scores can be reached.
    UnsafeGraphError
        If it holds TensorFlow ops which inference does not need.
    """

    def __init__(self, path: Path, *, input_range: str | None = None):
        self._interpreter = _open(Path(path))
        self._input = _image_input(self._interpreter)
        self._output = _scores_tensor(self._interpreter)
        size = tuple(int(side) for side in self._input["shape_signature"][1:3])
        flow = _dataflow(self._interpreter, find_fused(path))
        kind = find_kind(flow, self._output["index"])
        rounded = any(t["quantization"][0] for t in self._interpreter.get_tensor_details())
        rescales = rescales_pixels(flow, self._input["index"])
        super().__init__(
            Ending(kind, int(self._output["shape"][-1]), rounded),
            None if -1 in size else size,
            NetworkInput(self._input["dtype"], input_range, rescales, *self._input["quantization"]),
        )

    def _scores(self, pixels: np.ndarray) -> np.ndarray:
        try:
            if self.crop is None:
                self._interpreter.resize_tensor_input(self._input["index"], pixels.shape)
                self._interpreter.allocate_tensors()
            self._interpreter.set_tensor(self._input["index"], pixels)
            self._interpreter.invoke()
        except (MemoryError, ValueError, RuntimeError) as error:
            raise NetworkError(f"network: cannot be run: {in_one_line(error)}") from error
        return _dequantised(self._interpreter.get_tensor(self._output["index"])[0], self._output)


def _open(path: Path) -> tf.lite.Interpreter:
    if not path.is_file():
        raise DataFormatError(
            f"{path}: expected a TensorFlow Lite file, found no such file; check the path"
        )
    content = rebuild(path)
    try:
        interpreter = _keeping_all_tensors(content)
    except ValueError as error:
        raise _unreadable(path, error) from error
    try:
        for tensor in interpreter.get_input_details():
            if -1 in tensor["shape_signature"]:
                # The converter leaves the batch open, and other sides where they were.
                sides = zip(tensor["shape_signature"], (1, *_ANY_SIZE, 3), strict=False)
                interpreter.resize_tensor_input(
                    tensor["index"], [any_ if side < 0 else side for side, any_ in sides]
                )
        interpreter.allocate_tensors()
    except (MemoryError, ValueError, RuntimeError) as error:
        raise _unreadable(path, error) from error
    return interpreter


def _unreadable(path: Path, error: Exception) -> DataFormatError:
    return DataFormatError(
        f"{path}: expected a TensorFlow Lite file that this TensorFlow can run, got: "
        f"{in_one_line(error)}; convert it again"
    )


def _keeping_all_tensors(content: bytes) -> tf.lite.Interpreter:
    # Delegates hide tensors, and make the values depend on the version of TensorFlow.
    resolver = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that keeping all tensors takes memory: it is meant
        return tf.lite.Interpreter(
            model_content=content,
            experimental_op_resolver_type=resolver,
            experimental_preserve_all_tensors=True,
        )


def _image_input(interpreter: tf.lite.Interpreter) -> dict:
    inputs = interpreter.get_input_details()
    shapes = [list(tensor["shape_signature"]) for tensor in inputs]
    if len(inputs) != 1 or len(shapes[0]) != 4 or shapes[0][3] != 3 or shapes[0][0] not in (-1, 1):
        raise NetworkError(
            f"network: expected one image [1, H, W, 3] as input, got {shapes}; convert it with "
            "such an input"
        )
    return inputs[0]


def _scores_tensor(interpreter: tf.lite.Interpreter) -> dict:
    tensors = {tensor["index"]: tensor for tensor in interpreter.get_tensor_details()}
    output = interpreter.get_output_details()[0]
    argmax = _feeds_argmax(interpreter, output["index"])
    is_real = np.issubdtype(output["dtype"], np.floating) or output["quantization"][0] != 0
    if len(output["shape"]) == 4 and (output["shape"][-1] > 1 or (is_real and argmax is None)):
        return output
    scores = tensors.get(argmax)
    if scores is None or len(scores["shape"]) != 4:
        raise NetworkError(
            f"network: expected scores [1, H, W, C] or class ids by ArgMax, got an output "
            f"{list(output['shape'])} without reachable logits; convert it without its last steps"
        )
    return scores


def _feeds_argmax(interpreter: tf.lite.Interpreter, index: int) -> int | None:
    """Index of the tensor whose ArgMax the tensor ``index`` shows."""
    for op in reversed(interpreter._get_ops_details()):
        if index in op["outputs"] and op["op_name"] == "ARG_MAX":
            return op["inputs"][0]
        if index in op["outputs"] and op["op_name"] in _LABEL_OPS:
            index = op["inputs"][0]
    return None


def _dataflow(interpreter: tf.lite.Interpreter, fused: set[int]) -> Dataflow:
    ops = {
        output: (
            "FUSED"
            if output in fused
            else op["op_name"].removeprefix("Flex").replace("_", "").upper(),
            op["inputs"],
        )
        for op in interpreter._get_ops_details()
        for output in op["outputs"]
    }

    def constant(index: int) -> np.ndarray | None:
        if ops.get(index, ("", ()))[0] == "DEQUANTIZE":  # as weights of float16 are
            (index,) = ops[index][1]
        varies = index in ops or index == interpreter.get_input_details()[0]["index"]
        return None if varies or index < 0 else interpreter.get_tensor(index)

    return Dataflow(ops, constant)


def _dequantised(values: np.ndarray, tensor: dict) -> np.ndarray:
    scale, zero_point = tensor["quantization"]
    if scale == 0:
        return values.astype(np.float32)
    return np.float32(scale) * (values.astype(np.float32) - zero_point)
