"""Passes over an image: mirroring any network, DeepLab's scales and dropout, and what differs."""

import numpy as np
import pytest
import slow_deeplab
import tensorflow as tf
from deeplab_samples import CROP, SMALL, rebuild, slow_network, small_weights, smooth_image
from slow_disagreement import slow_disagreement
from small_networks import CLASSES, Segmenter, draw, logits

from metaseg_tf import load_network
from metaseg_tf.errors import InputError
from metaseg_tf.networks.deeplab import model
from metaseg_tf.networks.deeplab.model import RebuiltNetwork
from metaseg_tf.networks.network import Tiled, describe_network
from metaseg_tf.networks.options import NetworkOptions

#: Of each pixel and its neighbour to the right, so that a mirrored image gives something else.
SHIFT = np.random.default_rng(1).normal(0, 0.5, (1, 2, CLASSES, CLASSES)).astype(np.float32)
PAPER_SCALES = (0.75, 1.0, 1.25)


def softmax_of_shifted(image):
    x = np.pad(logits(image).astype(np.float64), [(0, 0), (0, 1), (0, 0)])
    return slow_deeplab.softmax(x[:, :-1] @ SHIFT[0, 0] + x[:, 1:] @ SHIFT[0, 1])


class Shifted(Segmenter):
    @tf.function(input_signature=[tf.TensorSpec([1, 8, 10, 3], tf.uint8)])
    def call(self, image):
        return tf.nn.conv2d(self.logits(image), SHIFT, 1, "SAME")


def write_saved_model(folder):
    module = Shifted()
    tf.saved_model.save(module, str(folder / "net"), module.call)
    return folder / "net"


def write_keras(folder):
    image = tf.keras.Input((8, 10, 3), dtype="uint8")
    x = tf.keras.layers.Rescaling(2 / 255, -1)(image)
    first = tf.keras.layers.Conv2D(CLASSES, 1, use_bias=False)
    second = tf.keras.layers.Conv2D(CLASSES, (1, 2), padding="same", use_bias=False)
    network = tf.keras.Model(image, second(first(x)))
    first.set_weights([Segmenter().kernel.numpy()])
    second.set_weights([SHIFT])
    network.save(folder / "net.keras")
    return folder / "net.keras"


def write_tflite(folder):
    module = Shifted()
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [module.call.get_concrete_function()], module
    )
    (folder / "net.tflite").write_bytes(converter.convert())
    return folder / "net.tflite"


def write_onnx(folder):
    pytest.importorskip("onnxruntime", reason='pip install "metaseg-tf[onnx]"')
    from onnx import numpy_helper
    from small_onnx import model, write

    network = model(
        'out = Conv <auto_pad = "SAME_UPPER"> (x, shift)', image="uint8[1,3,8,10] image"
    )
    kernel = np.ascontiguousarray(SHIFT.transpose(3, 2, 0, 1))
    network.graph.initializer.append(numpy_helper.from_array(kernel, "shift"))
    return write(folder / "net.onnx", network)


@pytest.mark.parametrize("write", [write_saved_model, write_keras, write_tflite, write_onnx])
def test_mirroring_any_network_equals_doing_it_by_hand(tmp_path, write):
    path, image = write(tmp_path), draw()
    network = load_network(path, flip=True)
    passes = softmax_of_shifted(image), softmax_of_shifted(image[:, ::-1])[:, ::-1]
    assert np.abs(passes[0] - passes[1]).max() > 0.1
    probs, disagreement = network.see(image)
    np.testing.assert_allclose(probs, np.mean(passes, axis=0), atol=1e-5)
    np.testing.assert_allclose(disagreement, slow_disagreement(passes), atol=1e-5)
    np.testing.assert_array_equal(network.probabilities(image), probs)
    assert (network.passes, network.classes, network.crop) == (2, CLASSES, (8, 10))
    assert describe_network(path, network, NetworkOptions(flip=True))["flip"] is True


def test_the_tiles_of_a_mirrored_image_are_mirrored_back(tmp_path):
    path, image = write_saved_model(tmp_path), draw(13, 17)
    tiled = load_network(path, tile=(8, 10), overlap=3)
    passes = tiled.probabilities(image), tiled.probabilities(image[:, ::-1])[:, ::-1]
    probs, disagreement = load_network(path, tile=(8, 10), overlap=3, flip=True).see(image)
    np.testing.assert_allclose(probs, np.mean(passes, axis=0), atol=1e-6)
    np.testing.assert_allclose(disagreement, slow_disagreement(passes), atol=1e-5)
    assert tiled.see(image)[1] is None


@pytest.mark.parametrize("name", SMALL)
def test_scales_and_mirroring_of_deeplab_are_compared(name):
    network, image = rebuild(name, scales=PAPER_SCALES, flip=True), smooth_image(61, 90)
    stride = SMALL[name].logits_stride(16)
    run = slow_network(SMALL[name], small_weights(name), 16)
    passes = [
        slow_deeplab.multi_scale(run, image, CROP, stride, (scale,), (flip,))
        for scale in PAPER_SCALES
        for flip in (False, True)
    ]
    probs, disagreement = network.see(image)
    assert network.passes == 6
    np.testing.assert_allclose(probs, network.probabilities(image), atol=1e-6)
    expected = slow_disagreement(passes)
    np.testing.assert_allclose(disagreement[..., :2], expected[..., :2], atol=5e-4)
    # Rounding decides where two classes are as good as equal.
    assert np.mean(np.abs(disagreement - expected)[..., 2] > 1e-5) < 0.002


def test_tiles_blend_the_disagreement_as_they_blend_probabilities():
    network, image = rebuild("mobilenetv2", flip=True), smooth_image(65, 120)
    probs, disagreement = Tiled(network, CROP, 30).see(image)
    np.testing.assert_allclose(probs, Tiled(network, CROP, 30).probabilities(image), atol=1e-6)
    for place, inner in ((np.s_[:, :97], np.s_[:, :23]), (np.s_[:, 23:], np.s_[:, 74:])):
        alone = network.see(image[place])[1]
        np.testing.assert_allclose(disagreement[place][inner], alone[inner], atol=1e-6)
    assert disagreement.max() > 0.01


def with_dropout(name, samples=3):
    options = NetworkOptions(16, crop=CROP, dropout=samples)
    return RebuiltNetwork(small_weights(name), options)


@pytest.mark.parametrize("name", SMALL)
def test_samples_of_dropout_equal_the_slow_twin(name, monkeypatch):
    network, image = with_dropout(name), smooth_image(*CROP)
    drawn = iter(zlib_seeds(image, 3))

    def aspp(*args, own=slow_deeplab.aspp):
        x = own(*args)
        kept = tf.random.stateless_uniform(x.shape, next(drawn), alg="philox").numpy() < 0.9
        return x * kept / 0.9

    monkeypatch.setattr(slow_deeplab, "aspp", aspp)
    run = slow_network(SMALL[name], small_weights(name), 16)
    samples = [run(model.normalise(image.astype(np.float32))) for _ in range(3)]
    np.testing.assert_allclose(network._sample(image), samples, atol=1e-3)
    assert np.std(samples, axis=0).mean() > 0.05
    passes = slow_deeplab.softmax(np.array(samples))
    mean = slow_deeplab.bilinear(np.log(passes.mean(0)), CROP)
    probs, disagreement = network.see(image)
    np.testing.assert_allclose(probs, slow_deeplab.softmax(mean), atol=1e-3)
    np.testing.assert_array_equal(network.probabilities(image), probs)
    on_grid = slow_disagreement(passes)
    stride = (CROP[0] - 1) // (on_grid.shape[0] - 1)
    found = disagreement[::stride, ::stride]
    np.testing.assert_allclose(found[..., :2], on_grid[..., :2], atol=1e-3)
    assert np.mean(np.abs(found - on_grid)[..., 2] > 1e-5) < 0.01


def zlib_seeds(image, n):
    import zlib

    own = zlib.crc32(image.tobytes())
    return [(own - (1 << 32) * (own >= 1 << 31), number) for number in range(n)]


@pytest.mark.parametrize("name", SMALL)
def test_dropout_that_drops_nothing_is_the_network_itself(name, monkeypatch):
    monkeypatch.setattr(model, "KEEP_PROBABILITY", 1.0)
    image = smooth_image(61, 90)
    probs, disagreement = with_dropout(name).see(image)
    np.testing.assert_allclose(probs, rebuild(name).probabilities(image), atol=1e-5)
    np.testing.assert_allclose(disagreement, 0, atol=1e-5)


def test_an_image_has_the_same_samples_wherever_it_is_seen():
    first, second = smooth_image(61, 90), smooth_image(61, 90, seed=1)
    network = with_dropout("mobilenetv2")
    found = [network.see(image)[0] for image in (first, second, first)]
    np.testing.assert_array_equal(found[0], found[2])
    np.testing.assert_array_equal(found[1], with_dropout("mobilenetv2").see(second)[0])
    logits = network._sample(first)
    assert len(np.unique(logits[:, 0, 0, 0])) == 3
    one_seed = tf.constant([zlib_seeds(second, 1)[0]] * 3)
    others = network._network(model.normalise(network._pad(first)), one_seed)
    assert np.abs(logits[0] - others[0]).max() > 0.01
    assert np.abs(others[0] - others[1]).max() == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dropout": 1}, "dropout: expected 2 to 64 samples at scale 1 without flip, got 1 at"),
        ({"dropout": 65}, "got 65 at"),
        ({"dropout": 8, "flip": True}, "flip=True; ask for --scales 1 --no-flip with it"),
        ({"dropout": 8, "scales": (1, 2)}, r"got 8 at \(1.0, 2.0\)"),
    ],
)
def test_dropout_that_cannot_be_had_is_refused_in_one_line(options, message):
    with pytest.raises(InputError, match=message) as caught:
        RebuiltNetwork(small_weights("mobilenetv2"), NetworkOptions(16, crop=CROP, **options))
    assert "\n" not in str(caught.value)


def test_other_networks_have_no_dropout_to_sample(tmp_path):
    with pytest.raises(InputError, match="leave out output stride, scales, crop and dropout"):
        load_network(write_saved_model(tmp_path), dropout=8)
