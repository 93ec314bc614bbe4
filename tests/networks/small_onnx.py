"""The tiny network of `small_networks` as ONNX, written in ONNX's own text."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper, parser
from small_networks import CLASSES, kernel

#: Kind of end -> its operators from ``x`` to ``out``, and the type and shape of ``out``.
TAILS = {
    "logits": ("out = Identity (x)", "float[N,C,H,W]"),
    "probabilities": ("out = Softmax <axis = 1> (x)", "float[N,C,H,W]"),
    "class ids": ("out = ArgMax <axis = 1, keepdims = 0> (x)", "int64[N,H,W]"),
    "class ids with an axis": (
        "ids = ArgMax <axis = 1> (x)  out = Cast <to = 2> (ids)",
        "uint8[N,1,H,W]",
    ),
}


def model(
    tail="out = Identity (x)",
    outputs="float[N,C,H,W] out",
    *,
    image="float[N,3,H,W] image",
    rescale=True,
    channels_last=False,
    opset=17,
):
    """The network: pixels to -1..1 if it rescales them, a 1x1 convolution, and the tail."""
    text = f"""
        <ir_version: 8, opset_import: ["": {opset}, "com.microsoft": 1]>
        network ({image}) => ({outputs}) <float factor = {{{2 / 255 if rescale else 1}}},
                                          float offset = {{{-1 if rescale else 0}}}> {{
            floats = Cast <to = 1> (image)
            first = {"Transpose <perm = [0, 3, 1, 2]>" if channels_last else "Identity"} (floats)
            scaled = Mul (first, factor)
            pixels = Add (scaled, offset)
            x = Conv (pixels, kernel)
            {tail}
        }}
    """
    network = parser.parse_model(text)
    weights = np.ascontiguousarray(kernel()[0, 0].T.reshape(CLASSES, 3, 1, 1))
    network.graph.initializer.append(numpy_helper.from_array(weights, "kernel"))
    return network


def write(path, network):
    path.write_bytes(network.SerializeToString())
    return path


def move_out(network, location="weights.bin", offset=0, length=None):
    """Say that the kernel is in another file; returns the bytes that belong there."""
    (tensor,) = (t for t in network.graph.initializer if t.name == "kernel")
    content = tensor.raw_data
    place = {"location": location, "offset": offset, "length": length or len(content)}
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in place.items():
        tensor.external_data.add(key=key, value=str(value))
    return content


def node(op, inputs, outputs, domain="", **attributes):
    return helper.make_node(op, inputs, outputs, domain=domain, **attributes)
