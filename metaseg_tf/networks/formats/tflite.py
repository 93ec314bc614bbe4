"""Networks stored as TensorFlow Lite, 8-bit ones included."""

import warnings
from pathlib import Path

import numpy as np
import tensorflow as tf

from metaseg_tf.errors import DataFormatError, NetworkError, restate
from metaseg_tf.networks.image_network import ImageNetwork, NetworkInput
from metaseg_tf.networks.options import DEFAULTS, NetworkOptions
from metaseg_tf.networks.scores import Dataflow, Ending, find_argmax, find_kind, rescales_pixels
from metaseg_tf.untrusted import check_file
from metaseg_tf.untrusted.tflite import find_fused, rebuild

__all__ = ["TFLiteNetwork"]

#: The size of the first input of a network that takes any.
_ANY_SIZE = (128, 128)
_Resolver = tf.lite.experimental.OpResolverType
#: What the interpreter raises.
_ERRORS = (MemoryError, ValueError, RuntimeError)


class TFLiteNetwork(ImageNetwork):
    """Class probabilities from a ``.tflite`` file.

    If its output is class ids, the tensor that feeds their ArgMax is taken. Raises DataFormatError
    if the file is missing or not TensorFlow Lite; NetworkError if it does not take one image, or no
    scores can be reached; UnsafeGraphError if it holds TensorFlow ops which inference does not
    need.
    """

    def __init__(self, path: Path, options: NetworkOptions = DEFAULTS):
        self._interpreter = _open(Path(path))
        inputs = self._interpreter.get_input_details()
        shapes = [list(tensor["shape_signature"]) for tensor in inputs]
        if len(inputs) != 1 or shapes[0][3:] != [3] or shapes[0][0] not in (-1, 1):
            raise NetworkError(
                f"network: expected one image [1, H, W, 3] as input, got {shapes}; convert it with "
                "such an input"
            )
        self._input = inputs[0]
        flow = _dataflow(self._interpreter, path)
        self._output = _scores_tensor(self._interpreter, flow)
        size = tuple(int(side) for side in self._input["shape_signature"][1:3])
        kind = find_kind(flow, self._output["index"])
        rounded = any(t["quantization"][0] for t in self._interpreter.get_tensor_details())
        ending = Ending(kind, int(self._output["shape"][-1]), rounded)
        dtype, quantization = self._input["dtype"], self._input["quantization"]
        rescales = rescales_pixels(flow, self._input["index"])
        pixels = NetworkInput(dtype, options.input_range, rescales, *quantization)
        super().__init__(ending, None if -1 in size else size, pixels)

    def run(self, pixels: np.ndarray) -> np.ndarray:
        """As in `ImageNetwork.run`."""
        with restate(_ERRORS, NetworkError, "network: cannot be run", "convert it again"):
            if self.crop is None:
                self._interpreter.resize_tensor_input(self._input["index"], pixels.shape)
                self._interpreter.allocate_tensors()
            self._interpreter.set_tensor(self._input["index"], pixels)
            self._interpreter.invoke()
        scores = self._interpreter.get_tensor(self._output["index"])[0].astype(np.float32)
        scale, zero_point = self._output["quantization"]
        return scores if scale == 0 else np.float32(scale) * (scores - zero_point)


def _open(path: Path) -> tf.lite.Interpreter:
    check_file(path, "a TensorFlow Lite file")
    content = rebuild(path)
    said = f"{path}: expected a TensorFlow Lite file that this TensorFlow can run"
    with restate(_ERRORS, DataFormatError, said, "convert it again"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # keeping all tensors takes memory, on purpose
        interpreter = tf.lite.Interpreter(
            model_content=content,
            # Delegates hide tensors, and make the values depend on the version of TensorFlow.
            experimental_op_resolver_type=_Resolver.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            experimental_preserve_all_tensors=True,
        )
        for tensor in interpreter.get_input_details():
            if -1 in tensor["shape_signature"]:
                # The converter leaves the batch open, and other sides if they were.
                sides = zip(tensor["shape_signature"], (1, *_ANY_SIZE, 3), strict=False)
                interpreter.resize_tensor_input(
                    tensor["index"], [any_ if side < 0 else side for side, any_ in sides]
                )
        interpreter.allocate_tensors()
    return interpreter


def _scores_tensor(interpreter: tf.lite.Interpreter, flow: Dataflow) -> dict:
    tensors = {tensor["index"]: tensor for tensor in interpreter.get_tensor_details()}
    output = interpreter.get_output_details()[0]
    argmax = find_argmax(flow, output["index"])
    is_real = np.issubdtype(output["dtype"], np.floating) or output["quantization"][0] != 0
    if len(output["shape"]) == 4 and (output["shape"][-1] > 1 or (is_real and argmax is None)):
        return output
    scores = None if argmax is None else tensors.get(flow.ops[argmax][1][0])
    if scores is None or len(scores["shape"]) != 4:
        raise NetworkError(
            f"network: expected scores [1, H, W, C] or class ids by ArgMax, got an output "
            f"{list(output['shape'])} without reachable logits; convert it without its last steps"
        )
    return scores


def _dataflow(interpreter: tf.lite.Interpreter, path: Path) -> Dataflow:
    fused, ops = find_fused(path), {}
    for op in interpreter._get_ops_details():
        name = op["op_name"].removeprefix("Flex").replace("_", "").upper()
        for output in op["outputs"]:
            ops[output] = "FUSED" if output in fused else name, op["inputs"]

    def constant(index: int) -> np.ndarray | None:
        if ops.get(index, ("", ()))[0] == "DEQUANTIZE":  # as weights of float16 are
            (index,) = ops[index][1]
        varies = index in ops or index == interpreter.get_input_details()[0]["index"]
        return None if varies or index < 0 else interpreter.get_tensor(index)

    return Dataflow(ops, constant)
