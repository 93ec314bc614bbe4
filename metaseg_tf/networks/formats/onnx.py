"""Networks stored as ONNX, as other frameworks export them, run by ort."""

from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnx import GraphProto, ModelProto, numpy_helper

from metaseg_tf.errors import NetworkError, restate
from metaseg_tf.networks.image_network import ImageNetwork, NetworkInput, find_factor
from metaseg_tf.networks.options import DEFAULTS, NetworkOptions
from metaseg_tf.networks.scores import Dataflow, Ending, find_argmax, find_kind, rescales_pixels
from metaseg_tf.segments.dispersion import count_threads
from metaseg_tf.untrusted.onnx import read_model

__all__ = ["OnnxNetwork"]

_FLOATS = {"float": np.float32, "float16": np.float16, "double": np.float64}
_DTYPES = {f"tensor({name})": dtype for name, dtype in (*_FLOATS.items(), ("uint8", np.uint8))}
#: The size of the first input of a network that takes any.
_ANY_SIZE = (128, 192)


class OnnxNetwork(ImageNetwork):
    """Class probabilities from an ``.onnx`` file.

    It takes an image [1, 3, H, W] or [1, H, W, 3], uint8 or float, and gives logits or
    probabilities [1, C, H, W] or [1, H, W, C], or class ids; of these the input of their ArgMax is
    taken. Raises NetworkError if it does not, or onnxruntime cannot run it; other errors as
    `metaseg_tf.untrusted.onnx.read_model`.
    """

    def __init__(self, path: Path, options: NetworkOptions = DEFAULTS):
        model, self.files = read_model(Path(path))
        self._session = _open(model)
        flow = _dataflow(model.graph)
        scores = _scores_name(self._session.get_outputs(), flow)
        if [output.name for output in model.graph.output] != [scores]:
            del model.graph.output[:]
            model.graph.output.add(name=scores)
            self._session = _open(model)
        self._image, shape, self._axis = _image_input(self._session)
        size = tuple(shape[2:] if self._axis == 1 else shape[1:3])
        self._scores_axis, channels = self._find_channels(size)
        rounded = any(node.op_type.startswith("Q") for node in model.graph.node)
        rescales = rescales_pixels(flow, self._image.name)
        super().__init__(
            Ending(find_kind(flow, scores), channels, rounded),
            None if None in size else size,
            NetworkInput(_DTYPES[self._image.type], options.input_range, rescales),
        )

    def run(self, pixels: np.ndarray) -> np.ndarray:
        """As in `ImageNetwork.run`."""
        scores = np.moveaxis(self._run(pixels)[0], self._scores_axis - 1, -1)
        return np.ascontiguousarray(scores, np.float32)

    def _run(self, pixels: np.ndarray) -> np.ndarray:
        pixels = np.ascontiguousarray(np.moveaxis(pixels, -1, self._axis))
        with _errors_as_ours():
            return self._session.run(None, {self._image.name: pixels})[0]

    def _find_channels(self, size: tuple[int | None, ...]) -> tuple[int, int]:
        """The axis of the scores' channels, and how many; tried out unless the shape is known."""
        size = [side or usual for side, usual in zip(size, _ANY_SIZE, strict=True)]
        shape = self._session.get_outputs()[0].shape
        if not shape or not all(isinstance(side, int) for side in shape):
            shape = self._run(np.zeros((1, *size, 3), _DTYPES[self._image.type])).shape
        for axis in (self._axis, 4 - self._axis):
            if len(shape) == 4 and find_factor(np.delete(shape, (0, axis)), size):
                return axis, shape[axis]
        raise NetworkError(
            f"network: expected scores [1, C, H, W] or [1, H, W, C], got {list(shape)} for an "
            f"image of {size[0]}x{size[1]} pixels; end it with a resize to the image's size"
        )


def _errors_as_ours():
    # The runtime's have no base of their own.
    said = f"network: cannot be run by onnxruntime {ort.__version__}"
    remedy = "check it there, export it again, or update onnxruntime"
    return restate(Exception, NetworkError, said, remedy)


def _open(model: ModelProto) -> ort.InferenceSession:
    setup = ort.SessionOptions()
    setup.intra_op_num_threads = count_threads()
    setup.log_severity_level = 4
    # Otherwise it would guess from the first bytes.
    setup.add_session_config_entry("session.load_model_format", "ONNX")
    # Others would compile to files, or ask a server.
    wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
    providers = [name for name in wanted if name in ort.get_available_providers()]
    with _errors_as_ours():
        return ort.InferenceSession(model.SerializeToString(), setup, providers, enable_fallback=0)


def _image_input(session: ort.InferenceSession):
    """The one input, its shape, with None for what is open, and the axis of its channels."""
    inputs = session.get_inputs()
    if len(inputs) == 1 and len(inputs[0].shape) == 4 and inputs[0].type in _DTYPES:
        shape = [side if isinstance(side, int) and side > 0 else None for side in inputs[0].shape]
        axis = 3 if shape[3] == 3 != shape[1] else 1
        if shape[0] in (None, 1) and shape[axis] in (None, 3):
            return inputs[0], shape, axis
    expected = "one input, an image [1, 3, H, W] or [1, H, W, 3] of uint8 or float"
    raise _error(expected, inputs, "export it with such an input")


def _scores_name(outputs: list, flow: Dataflow) -> str:
    """The one output with scores, else what feeds the ArgMax of one with class ids."""
    found = [o for o in outputs if o.type[7:-1] in _FLOATS and len(o.shape) in (0, 4)]
    if len(found) > 1:
        remedy = "keep one of them by onnx.utils.extract_model"
        raise _error("one output with scores", found, remedy)
    argmaxes = filter(None, (find_argmax(flow, output.name) for output in outputs))
    names = [*(output.name for output in found), *(flow.ops[name][1][0] for name in argmaxes)]
    if not names:
        expected = "scores [1, C, H, W] or class ids by ArgMax as output"
        raise _error(expected, outputs, "export it with an output of that shape")
    return names[0]


def _error(expected: str, found: list, remedy: str) -> NetworkError:
    got = ", ".join(f"{value.name} {value.type} {value.shape}" for value in found) or "none"
    return NetworkError(f"network: expected {expected}, got {got}; {remedy}")


def _dataflow(graph: GraphProto) -> Dataflow:
    weights = {tensor.name: tensor for tensor in graph.initializer}
    ops = {}
    for node in graph.node:
        op = node.op_type.upper().removeprefix("QLINEAR"), [name for name in node.input if name]
        ops |= dict.fromkeys(node.output, op)
        if op[0] == "CONSTANT":
            weights |= dict.fromkeys(node.output, node.attribute[0].t)

    def constant(name: str) -> np.ndarray | None:
        if ops.get(name, ("", ()))[0] == "DEQUANTIZELINEAR":
            name = ops[name][1][0]
        return numpy_helper.to_array(weights[name]) if name in weights else None

    return Dataflow(ops, constant)
