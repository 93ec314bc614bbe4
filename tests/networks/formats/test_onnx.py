"""ONNX files: channels first or last, floats or 8 bits, with every end that a network may have."""

import sys

import numpy as np
import pytest
import tensorflow as tf
from small_networks import CLASSES, draw, kernel, logits, probabilities

onnx = pytest.importorskip("onnx", reason='pip install "metaseg-tf[onnx]"')
pytest.importorskip("onnxruntime", reason='pip install "metaseg-tf[onnx]"')

from small_onnx import TAILS, model, move_out, node, write  # noqa: E402

from metaseg_tf import load_network  # noqa: E402
from metaseg_tf.errors import (  # noqa: E402
    InputError,
    MissingDependencyError,
    NetworkError,
    ShapeError,
)
from metaseg_tf.networks.formats.onnx import OnnxNetwork  # noqa: E402
from metaseg_tf.networks.network import describe_network  # noqa: E402
from metaseg_tf.networks.options import DEFAULTS, NetworkOptions  # noqa: E402
from metaseg_tf.runs.sources import ProcessNetwork  # noqa: E402

IMAGES = ("uint8", "float", "float16", "double")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.onnx"


def sized(text, size):
    height, width = size
    return text.replace("H", str(height or "H")).replace("W", str(width or "W"))


@pytest.mark.parametrize("size", [(8, 10), (None, None), (8, None)], ids=str)
@pytest.mark.parametrize("channels_last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("tail", TAILS)
def test_every_end_gives_the_same_probabilities(path, tail, channels_last, size):
    ops, shape = TAILS[tail]
    image = sized("float[N,H,W,3] image" if channels_last else "float[N,3,H,W] image", size)
    network = model(ops, f"{sized(shape, size)} out", image=image, channels_last=channels_last)
    network, image = load_network(write(path, network)), draw()
    probs = network.probabilities(image)
    assert probs.dtype == np.float32
    assert (network.classes, network.crop) == (CLASSES, None if None in size else size)
    np.testing.assert_allclose(probs, probabilities(image), atol=1e-5)
    np.testing.assert_allclose(network.logits(image).argmax(-1), logits(image).argmax(-1))


@pytest.mark.parametrize("dtype", IMAGES)
@pytest.mark.parametrize("opset", [11, 13, 21])
def test_any_number_for_an_image(path, dtype, opset):
    network = load_network(write(path, model(image=f"{dtype}[1,3,H,W] image", opset=opset)))
    np.testing.assert_allclose(
        network.probabilities(draw()), probabilities(draw()), atol=2e-2 if "16" in dtype else 1e-5
    )
    assert network.settings == NetworkOptions(
        scales=1.0, flip=False, input_range=None if dtype == "uint8" else "0..255"
    )


def test_scores_are_channels_last_though_the_image_is_not(path):
    ops = "out = Transpose <perm = [0, 2, 3, 1]> (x)"
    for size in ((8, 10), (None, None), (8, 4)):
        network = model(ops, sized("float[N,H,W,C] out", size), image=sized(IMAGE, size))
        network, image = load_network(write(path, network)), draw(*(size if 4 in size else (8, 10)))
        np.testing.assert_allclose(network.probabilities(image), probabilities(image), atol=1e-5)


IMAGE = "float[N,3,H,W] image"


@pytest.mark.parametrize("name", ["0..1", "imagenet"])
def test_the_range_of_pixels_is_asked_for(path, caplog, name):
    write(path, model(rescale=False))
    load_network(path)
    assert "name it by --input-range" in caplog.text
    caplog.clear()
    network, image = load_network(path, input_range=name), draw()
    mean, std = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]) if name == "imagenet" else (0, 1)
    expected = ((image / 255 - mean) / std) @ kernel()[0, 0]
    np.testing.assert_allclose(network.logits(image), expected, atol=1e-4)
    assert not caplog.records
    load_network(write(path, model()))
    assert not caplog.records  # it rescales pixels itself
    with pytest.raises(InputError, match="takes pixels as they are"):
        load_network(write(path, model(image="uint8[1,3,H,W] image")), input_range=name)


@pytest.mark.parametrize(
    ("ops", "kind"),
    [
        ("out = Identity (x)", "logits"),
        ("y = Relu (x)  out = BatchNormalization (y, one, zero, zero, one)", "logits"),
        ("out = Clip (x, low, high)", None),
        ("y = Softmax <axis = 1> (x)  out = Clip (y, low, high)", "probabilities"),
        ("out = LogSoftmax <axis = 1> (x)", "logits"),
        ("out = Sigmoid (y)  y = Slice (x, i0, i1, i1)", "sigmoid"),
        ("y = Slice (x, i0, i1, i1)  z = Sigmoid (y)  out = Dropout (z)", "sigmoid"),
        ("a = Softmax <axis = 1> (x)  b = Identity (a)  out = Mean (a, b)", "probabilities"),
    ],
)
def test_the_kind_of_scores_is_read_from_the_operators(path, ops, kind):
    network = model(ops.partition("  y = Slice")[0], "float[N,C,H,W] out")
    if "  y = Slice" in ops:
        network = model("y = Slice (x, i0, i1, i1)  out = Sigmoid (y)")
    for name, value in {
        "one": np.ones(CLASSES, np.float32),
        "zero": np.zeros(CLASSES, np.float32),
        "low": np.float32(0),
        "high": np.float32(1),
        "i0": np.array([0]),
        "i1": np.array([1]),
    }.items():
        network.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value), name))
    network = load_network(write(path, network))
    assert network.ending.kind == kind
    assert network.classes == (2 if kind == "sigmoid" else CLASSES)
    if kind == "sigmoid":
        expected = 1 / (1 + np.exp(-logits(draw())[..., 0].astype(float)))
        np.testing.assert_allclose(network.probabilities(draw())[..., 1], expected, atol=1e-5)


def test_ordinary_layers_are_tensorflows(path):
    """A strided convolution, normalisation and a resize, as PyTorch exports and centres them."""
    rng = np.random.default_rng(0)
    weights = rng.normal(0, 0.3, (3, 3, 3, 16)).astype(np.float32)
    last = rng.normal(0, 1, (1, 1, 16, 5)).astype(np.float32)
    gamma, beta, mean, variance = rng.uniform(0.5, 1.5, (4, 16)).astype(np.float32)
    network = onnx.parser.parse_model("""<ir_version: 8, opset_import: ["": 17]>
        network (float[1,3,32,48] image) => (float[1,5,32,48] out) {
            a = Conv <strides = [2, 2], pads = [1, 1, 1, 1]> (image, weights)
            b = BatchNormalization <epsilon = 0.001> (a, gamma, beta, mean, variance)
            c = Relu (b)
            d = Conv (c, last)
            e = Resize <mode = "linear", coordinate_transformation_mode = "half_pixel"> (d, , , s)
            out = Softmax <axis = 1> (e)
        }""")
    arrays = {"gamma": gamma, "beta": beta, "mean": mean, "variance": variance}
    arrays |= {"weights": weights.transpose(3, 2, 0, 1), "last": last.transpose(3, 2, 0, 1)}
    for name, value in (*arrays.items(), ("s", np.array([1, 5, 32, 48]))):
        value = np.ascontiguousarray(value)
        network.graph.initializer.append(onnx.numpy_helper.from_array(value, name))
    image = draw(32, 48)
    found = load_network(write(path, network), input_range="0..1").probabilities(image)
    x = tf.pad(image[np.newaxis] / np.float32(255), [[0, 0], [1, 1], [1, 1], [0, 0]])
    x = tf.nn.conv2d(x, weights, 2, "VALID")
    x = tf.nn.relu(tf.nn.batch_normalization(x, mean, variance, beta, gamma, 1e-3))
    x = tf.image.resize(tf.nn.conv2d(x, last, 1, "SAME"), (32, 48))
    np.testing.assert_allclose(found, tf.nn.softmax(x)[0], atol=1e-5)


@pytest.mark.parametrize("operators", ["standard", "of the runtime"])
def test_quantised_networks_run(path, operators):
    quantise = {
        "standard": "q = QuantizeLinear (p, s, z)  out = DequantizeLinear (q, s, z)",
        "of the runtime": "q = QuantizeLinear (x, t, y)  r = com.microsoft.QLinearSoftmax "
        "<axis = 1, opset = 13> (q, t, y, s, z)  out = DequantizeLinear (r, s, z)",
    }[operators]
    network = model(f"p = Softmax <axis = 1> (x)  {quantise}")
    scale = np.float32(np.abs(logits(draw())).max() / 127)
    for name, value in (("s", np.float32(1 / 256)), ("z", np.uint8(0)), ("t", scale)):
        network.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value), name))
    network.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(np.uint8(128)), "y"))
    network = load_network(write(path, network))
    assert network.ending.kind == "probabilities"
    found = network.probabilities(draw())
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-5)
    np.testing.assert_allclose(found, probabilities(draw()), atol=0.05)


def test_scores_at_a_fraction_of_the_size_are_resized(path):
    pool = "out = AveragePool <kernel_shape = [4, 4], strides = [4, 4], ceil_mode = 1> (x)"
    for size in ((None, None), (13, 18)):
        network = model(pool, "float[N,C,h,w] out", image=sized(IMAGE, size))
        image = draw(13, 18)
        found = load_network(write(path, network)).logits(image)
        x = tf.nn.avg_pool2d(logits(image)[np.newaxis], 4, 4, "VALID")
        inner = np.s_[4:8, 4:12]  # the last row and column of the fixed size is padded
        np.testing.assert_allclose(found[inner], tf.image.resize(x, (12, 16))[0][inner], atol=2)
        assert found.shape == (13, 18, CLASSES)


def test_tiles_of_a_fixed_size(path):
    write(path, model(image=sized(IMAGE, (8, 10))))
    image = draw(19, 23)
    with pytest.raises(ShapeError, match=r"at most 8x10 pixels.*, got 19x23.*--tile 8x10"):
        load_network(path).probabilities(image)
    found = load_network(path, tile=(8, 10), overlap=2).probabilities(image)
    np.testing.assert_allclose(found, probabilities(image), atol=1e-5)


def test_scores_are_taken_where_class_ids_are_given_too(path):
    network = model(
        "out = Softmax <axis = 1> (x)  ids = ArgMax <axis = 1> (x)",
        "int64[N,1,H,W] ids, float[N,C,H,W] out",
    )
    found = load_network(write(path, network)).probabilities(draw())
    np.testing.assert_allclose(found, probabilities(draw()), atol=1e-5)


TWO = ("out = Identity (x)  aux = Neg (x)", "float[N,C,H,W] out, float[N,C,H,W] aux")


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (
            lambda: model(*TWO),
            "one output with scores, got out .*, aux .* onnx.utils.extract_model",
        ),
        (lambda: model("out = ReduceMean (x)", "float[1,1,1,1] out"), r"got \[1, 1, 1, 1\] for"),
        (
            lambda: model("out = ReduceMax <keepdims = 0> (x)", "float out"),
            r"got \[\] for an image",
        ),
        (
            lambda: model("out = Cast <to = 7> (x)", "int64[N,C,H,W] out"),
            "by ArgMax as output, got",
        ),
        (lambda: model(image="float[N,4,H,W] image"), r"one input, an image .* 4, 'H', 'W'\]"),
        (lambda: model(image="float[2,3,H,W] image"), r"one input, an image .*\[2, 3,"),
        (lambda: model(image="int64[1,3,H,W] image"), r"one input, an image .*tensor\(int64\)"),
        (lambda: model(image=f"{IMAGE}, float[1] more"), "one input, an image .* more"),
        (lambda: model("out = Slice (x, i, j, j)"), "cannot be run by onnxruntime"),
        (lambda: model("out = Unheard (x)"), r"cannot be run by onnxruntime \d.*Unheard"),
        (lambda: model("out = Sigmoid (x)"), f"got {CLASSES} sigmoid channels"),
        (lambda: model("out = Conv (x, kernel)"), "cannot be run .*Input channels"),
    ],
)
def test_what_is_no_network_is_refused_in_one_line(path, network, words):
    with pytest.raises(NetworkError, match=words) as caught:
        load_network(write(path, network()))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dims", [[2**40], [4, 2**20, 2**20], [-1, -12], [2**30], [CLASSES, 17]])
def test_sizes_that_a_small_file_declares_are_refused(path, dims):
    network = model("out = Mul (x, big)")
    network.graph.initializer.add(name="big", data_type=1, dims=dims, raw_data=bytes(48))
    with pytest.raises(NetworkError, match="cannot be run"):
        load_network(write(path, network))


def test_one_of_two_outputs_is_kept_as_the_message_says(path, tmp_path):
    write(path, model(*TWO, image="float[1,3,8,10] image"))
    onnx.utils.extract_model(str(path), str(tmp_path / "one.onnx"), ["image"], ["out"])
    found = load_network(tmp_path / "one.onnx").probabilities(draw())
    np.testing.assert_allclose(found, probabilities(draw()), atol=1e-5)


def test_a_network_is_not_taken_for_another_format_by_how_it_begins(path):
    network = model()
    network.producer_name = "ORTM" + "x" * 9
    write(path, network)
    assert path.read_bytes()[4:8] == b"ORTM"
    assert load_network(path).classes == CLASSES


def test_errors_of_a_run_are_ours(path):
    network = model("out = Reshape (x, s)", "float[N,C,H,W] out", image="float[1,3,H,W] image")
    network.graph.initializer.append(
        onnx.numpy_helper.from_array(np.array([1, CLASSES, 128, 192]), "s")
    )
    network = load_network(write(path, network))
    with pytest.raises(NetworkError, match="cannot be run") as caught:
        network.probabilities(draw())
    assert "\n" not in str(caught.value)


def test_settings_of_deeplab_are_refused(path):
    with pytest.raises(InputError, match="leave out output stride, scales, crop and dropout"):
        load_network(write(path, model()), scales=2)


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_what_is_missing_is_said_with_how_to_get_it(path, monkeypatch, missing):
    write(path, model())
    for name in ("formats.onnx", "untrusted.onnx"):
        for room in ("metaseg_tf.networks.", "metaseg_tf."):
            monkeypatch.delitem(sys.modules, room + name, raising=False)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingDependencyError) as caught:
        load_network(path)
    assert f"expected {missing}, which reads an ONNX file" in str(caught.value)
    assert str(caught.value).endswith('pip install "metaseg-tf[onnx]"')


def test_the_digest_covers_weights_in_other_files(path):
    network = model()
    weights = path.parent / "weights.bin"
    weights.write_bytes(move_out(network))
    write(path, network)
    found = set()
    for change in (0, 1):
        content = bytearray(weights.read_bytes())
        content[0] ^= change
        weights.write_bytes(content)
        for options in (DEFAULTS, NetworkOptions(tile=8)):
            known = describe_network(path, load_network(path, options), options)
            found.add(known["network_sha256"])
    assert len(found) == 2


def test_it_is_loaded_once_in_each_process(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    write(path, model())
    function, arguments = ProcessNetwork("net.onnx").__reduce__()
    monkeypatch.chdir("/")
    found, _ = function(*arguments).see(draw())
    np.testing.assert_allclose(found, probabilities(draw()), atol=1e-5)


def test_the_runtimes_own_operators_are_run(path):
    network = model("")
    del network.graph.node[-1]
    network.graph.node.append(
        node("FusedConv", ["pixels", "kernel"], ["out"], "com.microsoft", activation="Relu")
    )
    network = OnnxNetwork(write(path, network))
    np.testing.assert_allclose(network.logits(draw()), np.maximum(logits(draw()), 0), atol=1e-4)
