"""TensorFlow Lite files: float and 8-bit, with scores or class ids at their end."""

import numpy as np
import pytest
import tensorflow as tf
from flatbuffers import flexbuffers
from small_networks import CLASSES, TAILS, Segmenter, draw, logits, probabilities
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.lite.python import schema_py_generated as schema_fb
from tensorflow.lite.tools import flatbuffer_utils

from metaseg_tf.errors import DataFormatError, NetworkError, ShapeError, UnsafeGraphError
from metaseg_tf.networks.formats.tflite import TFLiteNetwork
from metaseg_tf.networks.image_network import NetworkInput
from metaseg_tf.networks.options import NetworkOptions

SIZE = (8, 10)


def convert(path, call, *, size=SIZE, dtype=tf.float32, integer=None, flex=False, prepare=None):
    module = Segmenter()
    spec = tf.TensorSpec([1, *size, 3], dtype)
    function = tf.function(
        lambda image: call(module, image), input_signature=[spec], autograph=False
    )
    concrete = function.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
    if integer:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (
            [(prepare or np.float32)(draw(*size, seed)[np.newaxis])] for seed in range(8)
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = integer
    if flex:
        builtin, select = tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS
        converter.target_spec.supported_ops = [builtin, select]
    path.write_bytes(converter.convert())
    return path


@pytest.mark.parametrize("tail", TAILS.values(), ids=TAILS)
def test_every_end_gives_the_same_probabilities(tmp_path, tail):
    path = convert(tmp_path / "a.tflite", lambda m, image: tail(m.logits(image)))
    network, image = TFLiteNetwork(path), draw(*SIZE)
    np.testing.assert_allclose(network.probabilities(image), probabilities(image), atol=1e-5)
    assert (network.classes, network.crop, network.settings.crop) == (CLASSES, SIZE, SIZE)


@pytest.mark.parametrize("tail", ["logits", "class ids"])
@pytest.mark.parametrize("integer", [tf.uint8, tf.int8], ids=lambda dtype: dtype.name)
def test_integer_networks_are_fed_as_they_are_and_dequantised(tmp_path, tail, integer):
    path = convert(
        tmp_path / "a.tflite", lambda m, image: TAILS[tail](m.logits(image)), integer=integer
    )
    image = draw(*SIZE)
    expected = logits(image)
    step = np.ptp(expected) / 255
    found = TFLiteNetwork(path).logits(image)
    np.testing.assert_allclose(found, expected, atol=4 * step)
    assert np.abs(found - expected).mean() < step


@pytest.mark.parametrize("integer", [tf.uint8, tf.int8, tf.float32], ids=lambda d: d.name)
@pytest.mark.parametrize("resized", [False, True])
def test_quantised_softmax_of_many_classes_is_no_logits(tmp_path, integer, resized):
    """Steps of 1/256 over 151 classes sum to 1 within 151/512 only (cases/quantised_softmax)."""
    rng = np.random.default_rng(0)
    weights = rng.normal(0, 2, (1, 1, 3, 151)).astype(np.float32)

    def call(module, image):
        x = tf.nn.softmax(tf.nn.conv2d(image * (2 / 255) - 1, weights, 1, "SAME"))
        return tf.image.resize(x[:, ::2, ::2], SIZE) if resized else x

    network = TFLiteNetwork(convert(tmp_path / "a.tflite", call, integer=integer))
    for image in (np.full((*SIZE, 3), 60, np.uint8), draw(*SIZE)):
        exact = call(None, tf.constant(image[np.newaxis], tf.float32))[0].numpy()
        found = network.probabilities(image)
        np.testing.assert_allclose(found.sum(-1), 1, atol=1e-5)
        assert found.max(-1).mean() == pytest.approx(exact.max(-1).mean(), abs=0.05)
    assert network.ending.kind == "probabilities"


@pytest.mark.parametrize("integer", [tf.uint8, tf.int8], ids=lambda d: d.name)
def test_one_quantised_sigmoid_channel_is_two_classes(tmp_path, integer):
    path = convert(
        tmp_path / "a.tflite",
        lambda m, image: tf.sigmoid(m.logits(image)[..., :1]),
        integer=integer,
    )
    image = draw(*SIZE)
    p = 1 / (1 + np.exp(-logits(image)[..., 0]))
    network = TFLiteNetwork(path)
    assert network.classes == 2
    np.testing.assert_allclose(network.probabilities(image)[..., 1], p, atol=0.06)


@pytest.mark.parametrize("integer", [tf.uint8, tf.int8, tf.float32], ids=lambda d: d.name)
@pytest.mark.parametrize("name", ["0..1", "-1..1", "imagenet"])
def test_the_input_range_goes_through_the_quantisation(tmp_path, integer, name):
    prepare = NetworkInput(np.float32, name).prepare
    weights = np.random.default_rng(0).normal(0, 1, (1, 1, 3, 4)).astype(np.float32)
    path = tmp_path / "a.tflite"
    convert(
        path,
        lambda _, image: tf.nn.softmax(tf.nn.conv2d(image, weights, 1, "SAME")),
        integer=integer,
        prepare=prepare,
    )
    image = draw(*SIZE)
    exact = tf.nn.softmax(prepare(image) @ weights[0, 0]).numpy()
    network = TFLiteNetwork(path, NetworkOptions(input_range=name))
    np.testing.assert_allclose(network.probabilities(image), exact, atol=0.04)
    assert network.settings.input_range == name


def test_images_of_another_size_are_refused(tmp_path):
    network = TFLiteNetwork(convert(tmp_path / "a.tflite", lambda m, image: m.logits(image)))
    with pytest.raises(ShapeError, match=r"at most 8x10 pixels.*, got 9x10.*--tile 8x10"):
        network.probabilities(draw(9, 10))


def test_ids_that_no_argmax_made_have_no_scores(tmp_path):
    def call(module, image):
        return tf.cast(tf.reduce_sum(module.logits(image), -1) > 0, tf.int32)

    with pytest.raises(NetworkError, match="without reachable logits") as caught:
        TFLiteNetwork(convert(tmp_path / "a.tflite", call))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(1, 4, 5, 6), (1, 3), ()])
def test_networks_that_take_no_image_are_refused(tmp_path, shape):
    double = tf.function(lambda x: x * 2.0, [tf.TensorSpec(shape, tf.float32)])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([double.get_concrete_function()])
    path = tmp_path / "a.tflite"
    path.write_bytes(converter.convert())
    with pytest.raises(NetworkError, match=r"expected one image \[1, H, W, 3\]"):
        TFLiteNetwork(path)


def written_in_branch(mark):
    def call(module, image):
        scores = module.logits(image)

        def write():
            with tf.control_dependencies([tf.io.write_file(str(mark), "harm")]):
                return tf.identity(scores)

        return tf.cond(tf.reduce_sum(image) > -1.0, write, lambda: scores)

    return call


def written_at_once(mark):
    def call(module, image):
        tf.io.write_file(str(mark), "harm")
        return module.logits(image)

    return call


@pytest.mark.parametrize("harmful", [written_at_once, written_in_branch])
def test_tensorflow_ops_are_checked_in_every_subgraph(tmp_path, harmful):
    path = convert(tmp_path / "a.tflite", harmful(tmp_path / "written"), flex=True)
    with pytest.raises(UnsafeGraphError, match="custom op 'WriteFile'") as caught:
        TFLiteNetwork(path).probabilities(draw(*SIZE))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "written").exists()


def test_harmless_tensorflow_ops_run(tmp_path):
    def call(module, image):
        return tf.image.resize(module.logits(image), SIZE, method="bicubic")

    path = convert(tmp_path / "a.tflite", call, flex=True)
    try:
        tf.lite.Interpreter(str(path)).allocate_tensors()
    except RuntimeError:
        pytest.skip("this TensorFlow has none of its own ops in TensorFlow Lite")
    network = TFLiteNetwork(path)
    np.testing.assert_allclose(network.logits(draw(*SIZE)), logits(draw(*SIZE)), atol=1e-4)


def flex_operators(model):
    codes = model.operatorCodes
    for graph in model.subgraphs:
        for op in graph.operators:
            if codes[op.opcodeIndex].customCode:
                yield op, codes[op.opcodeIndex]


def spoil_name(model):
    """TensorFlow runs what the options say, whatever the op is called."""
    for _, code in flex_operators(model):
        code.customCode = b"FlexResizeBicubic"


def spoil_unused(model):
    code = schema_fb.OperatorCodeT()
    code.customCode, code.builtinCode, code.deprecatedBuiltinCode = b"FlexEagerPyFunc", 32, 32
    model.operatorCodes.append(code)


def spoil_options(model):
    for op, _ in flex_operators(model):
        op.customOptions = op.customOptions[:-8]


def spoil_function(model):
    node = NodeDef(name="a", op="ResizeBicubic")
    node.attr["f"].func.name = "elsewhere"
    builder = flexbuffers.Builder()
    with builder.Vector():
        builder.String("ResizeBicubic")
        builder.String(node.SerializeToString().decode())
    for op, _ in flex_operators(model):
        op.customOptions = list(builder.Finish())


def spoil_kind(model):
    for _, code in flex_operators(model):
        code.customCode = b"SomebodysOwn"


@pytest.mark.parametrize(
    ("harmless", "spoil", "words"),
    [
        (False, spoil_name, "custom op 'FlexResizeBicubic'"),
        (True, spoil_unused, "custom op 'EagerPyFunc'"),
        (True, spoil_options, "options of FlexResizeBicubic"),
        (True, spoil_function, "custom op 'FlexResizeBicubic'"),
        (True, spoil_kind, "custom op 'SomebodysOwn'"),
    ],
)
def test_custom_ops_that_are_not_what_they_seem_are_refused(tmp_path, harmless, spoil, words):
    def call(module, image):
        return tf.image.resize(module.logits(image), SIZE, method="bicubic")

    harmful = written_at_once(tmp_path / "written")
    path = convert(tmp_path / "a.tflite", call if harmless else harmful, flex=True)
    model = flatbuffer_utils.read_model(str(path))
    spoil(model)
    path.write_bytes(flatbuffer_utils.convert_object_to_bytearray(model))
    with pytest.raises((UnsafeGraphError, DataFormatError), match=words) as caught:
        TFLiteNetwork(path).probabilities(draw(*SIZE))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "written").exists()


@pytest.mark.parametrize("share", [0.5, 0.1, 0])
def test_truncated_files_give_one_line(tmp_path, share):
    path = convert(tmp_path / "a.tflite", lambda m, image: m.logits(image))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DataFormatError, match="expected a TensorFlow Lite file") as caught:
        TFLiteNetwork(path)
    assert "\n" not in str(caught.value)


def test_missing_files(tmp_path):
    with pytest.raises(DataFormatError, match="no such file"):
        TFLiteNetwork(tmp_path / "none.tflite")


@pytest.mark.parametrize(
    "change", ["tensor", "buffer", "operator", "graph", "outputs", "name", "offsets", "size"]
)
def test_what_would_end_the_process_is_refused(tmp_path, change):
    path = convert(tmp_path / "a.tflite", lambda m, image: m.logits(image))
    model = flatbuffer_utils.read_model(str(path))
    (graph,) = model.subgraphs
    if change == "tensor":
        graph.operators[0].inputs[0] = 10**6
    elif change == "buffer":
        graph.tensors[0].buffer = 10**6
    elif change == "operator":
        graph.operators[0].opcodeIndex = 99
    elif change == "outputs":
        graph.outputs = []
    elif change == "size":
        graph.tensors[0].shape[1] = 620_756_996
    elif change == "name":
        graph.tensors[0].name = b"\xff"
    elif change == "graph":
        model.subgraphs = []
    content = bytearray(flatbuffer_utils.convert_object_to_bytearray(model))
    if change == "offsets":
        content[:4] = b"\xff\xff\0\0"
    path.write_bytes(content)
    with pytest.raises(DataFormatError, match="lacks parts"):
        TFLiteNetwork(path)
