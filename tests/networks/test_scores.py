"""Scores are what the network makes of them, whatever their values are in one image."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from small_networks import CLASSES, Segmenter, draw, logits, probabilities

from metaseg_tf import load_network
from metaseg_tf.errors import NetworkError
from metaseg_tf.networks.graph import Graph
from metaseg_tf.networks.scores import Ending, find_kind, rescales_pixels

SHAPE = (3, 4, 5)
LOGITS = arrays(np.float32, SHAPE, elements=st.floats(-20, 20, width=32))


def slow_softmax(logits):
    e = np.exp(logits.astype(np.float64) - logits.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@settings(deadline=None)
@given(LOGITS | arrays(np.float32, SHAPE, elements=st.floats(0, 1, width=32)))
def test_logits_give_their_softmax_even_within_0_and_1(logits):
    ending = Ending("logits", 5)
    np.testing.assert_allclose(ending.probabilities(logits), slow_softmax(logits), atol=1e-5)
    assert ending.logits(logits) is logits


@settings(deadline=None)
@given(LOGITS, st.sampled_from(["probabilities", None]))
def test_probabilities_stay_what_they_are(logits, kind):
    probs, ending = slow_softmax(logits).astype(np.float32), Ending(kind, 5)
    np.testing.assert_allclose(ending.probabilities(probs), probs, atol=1e-6)
    np.testing.assert_allclose(slow_softmax(ending.logits(probs)), probs, atol=1e-5)


@settings(deadline=None, max_examples=30)
@given(
    classes=st.sampled_from([2, 19, 65, 151, 254]),
    kind=st.sampled_from(["probabilities", None]),
    spread=st.floats(0, 30),
    seed=st.integers(0, 99),
)
def test_probabilities_rounded_to_8_bits_are_scaled_to_the_sum_1(classes, kind, spread, seed):
    logits = np.random.default_rng(seed).normal(0, spread, (9, 9, classes))
    exact = slow_softmax(logits)
    rounded = (np.minimum(np.round(exact * 256), 255) / 256).astype(np.float32)
    found = Ending(kind, classes, rounded=True).probabilities(rounded)
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-5)
    # As far from the truth as the sum of their roundings, at most.
    share = np.abs(rounded.sum(-1, keepdims=True) - 1).max()
    assert np.abs(found - exact).max() <= 1 / 256 + share


@settings(deadline=None)
@given(arrays(np.float32, (3, 4, 1), elements=st.floats(0, 1, width=32)))
def test_one_sigmoid_channel_is_two_classes(p):
    ending = Ending("sigmoid", 1)
    assert ending.classes == 2
    two = np.concatenate([1 - p, p], -1)
    np.testing.assert_allclose(ending.probabilities(p), two, atol=1e-6)
    np.testing.assert_allclose(slow_softmax(ending.logits(p))[..., 1:], p, atol=1e-6)


@pytest.mark.parametrize("channels", [2, 5, 19])
def test_several_sigmoid_channels_are_refused(channels):
    with pytest.raises(
        NetworkError, match=rf"rows summing to 1 .* got {channels} sigmoid"
    ) as caught:
        Ending("sigmoid", channels)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["logits", "probabilities", None])
@pytest.mark.parametrize("channels", [0, 1])
def test_one_channel_of_anything_else_is_refused(kind, channels):
    with pytest.raises(NetworkError, match=f"at least 2 classes.* got {channels} without"):
        Ending(kind, channels)


@pytest.mark.parametrize("kind", ["probabilities", None])
@pytest.mark.parametrize(
    "scores", [[0.5, 0.6], [0.0, 0.0], [1.0, 1.0], [0.5, 0.2]], ids=lambda scores: str(scores)
)
def test_scores_in_0_and_1_that_are_no_distribution_are_refused(kind, scores):
    image = np.array([[[0.5, 0.5], scores]], np.float32)
    with pytest.raises(NetworkError, match=r"rows summing to 1.*at pixel \(0, 1\)") as caught:
        Ending(kind, 2).probabilities(image)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("kind", "channels"), [("probabilities", 2), ("sigmoid", 1)])
@pytest.mark.parametrize("value", [np.nan, np.inf, 1.5])
def test_what_the_structure_promises_is_held_against_the_values(kind, channels, value):
    with pytest.raises(NetworkError, match="rows summing to 1"):
        Ending(kind, channels).probabilities(np.full((1, 1, channels), value, np.float32))


def test_the_first_image_decides_once_where_the_structure_does_not_tell():
    ending = Ending(None, 2)
    ending.probabilities(np.array([[[3.0, -1.0]]], np.float32))
    even = ending.probabilities(np.array([[[0.0, 0.0]]], np.float32))
    np.testing.assert_array_equal(even, [[[0.5, 0.5]]])
    ending = Ending(None, 2)
    ending.probabilities(np.array([[[0.3, 0.7]]], np.float32))
    with pytest.raises(NetworkError, match="rows summing to 1"):
        ending.probabilities(np.array([[[3.0, -1.0]]], np.float32))


def test_certainty_has_finite_logits():
    assert np.isfinite(
        Ending("probabilities", 2).logits(np.array([[[0.0, 1.0]]], np.float32))
    ).all()


SIZE = (8, 10)
layers = tf.keras.layers

#: Ends of networks, and what their scores are; None where the ops do not tell.
ENDS = {
    "logits": (lambda x: x, "logits"),
    "resized logits": (lambda x: tf.image.resize(x, SIZE), "logits"),
    "sum of logits": (lambda x: x + 2.0 * x, "logits"),
    "log softmax": (tf.nn.log_softmax, "logits"),
    "softmax": (tf.nn.softmax, "probabilities"),
    "resized softmax": (lambda x: tf.image.resize(tf.nn.softmax(x), SIZE), "probabilities"),
    "moved softmax": (
        lambda x: tf.transpose(tf.reshape(tf.nn.softmax(x), [1, 8, 10, 4]), [0, 2, 1, 3]),
        "probabilities",
    ),
    "clipped softmax": (
        lambda x: tf.clip_by_value(tf.nn.softmax(x), 1e-7, 1 - 1e-7),
        "probabilities",
    ),
    "softmax of tiles": (
        lambda x: tf.concat([tf.nn.softmax(x[:, :4]), tf.nn.softmax(x[:, 4:])], 1),
        "probabilities",
    ),
    "mean with the mirrored": (
        lambda x: (tf.nn.softmax(x) + tf.reverse(tf.nn.softmax(x[:, :, ::-1]), [2])) / 2,
        "probabilities",
    ),
    "mean over scales": (
        lambda x: tf.reduce_mean(tf.stack([tf.nn.softmax(x), tf.nn.softmax(x)]), 0),
        "probabilities",
    ),
    "sigmoid": (tf.sigmoid, "sigmoid"),
    "resized sigmoid": (lambda x: tf.image.resize(tf.sigmoid(x), SIZE), "sigmoid"),
    "clipped logits": (lambda x: tf.clip_by_value(x, 0, 1), None),
    "softmax by hand": (
        lambda x: tf.exp(x) / tf.reduce_sum(tf.exp(x), -1, keepdims=True),
        None,
    ),
    "relu": (tf.nn.relu, None),
    "logits and softmax": (lambda x: tf.concat([x, tf.nn.softmax(x)], -1), None),
}


def flow_of(call, dtype=tf.float32):
    """The ops of a function of an image, the name of its input, and that of its output."""
    function = tf.function(call, input_signature=[tf.TensorSpec([1, *SIZE, 3], dtype)])
    concrete = function.get_concrete_function()
    names = (tensor.name.split(":")[0] for tensor in (concrete.inputs[0], concrete.outputs[0]))
    return Graph(concrete.graph.as_graph_def()).flow, *names


def convolved(x):
    return tf.nn.conv2d(x, tf.ones([1, 1, 3, CLASSES]), 1, "SAME")


@pytest.mark.parametrize(("end", "kind"), ENDS.values(), ids=ENDS)
def test_the_ops_tell_what_scores_are(end, kind):
    flow, _, scores = flow_of(lambda image: end(convolved(image)))
    assert find_kind(flow, scores) == kind


def test_many_ways_to_the_same_tensor_are_walked_once():
    def call(image):
        x = tf.nn.softmax(convolved(image))
        for _ in range(60):
            x = 0.5 * (x + x)
        return x

    flow, _, scores = flow_of(call)
    assert find_kind(flow, scores) == "probabilities"


@pytest.mark.parametrize(
    ("begin", "rescales"),
    [
        (lambda x: x, False),
        (lambda x: x / 127.5 - 1, True),
        (lambda x: x * (2 / 255), True),
        (lambda x: (x - tf.constant([123.7, 116.8, 103.9]))[..., ::-1], True),
        (lambda x: tf.nn.bias_add(x[..., ::-1], [-103.9, -116.8, -123.7]), True),
        (lambda x: tf.image.resize(tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]), SIZE) / 255, True),
        # These expect pixels in 0..1.
        (lambda x: (x - 0.5) / 0.5, False),
        (lambda x: (x - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225], False),
        (lambda x: x * 2 - 1, False),
        # What comes after the first layer says nothing of pixels.
        (lambda x: tf.nn.conv2d(x, tf.ones([1, 1, 3, 3]), 1, "SAME") / 255, False),
    ],
)
def test_the_ops_tell_whether_pixels_are_rescaled(begin, rescales):
    flow, image, _ = flow_of(lambda image: convolved(begin(image)))
    assert rescales_pixels(flow, image) == rescales


def save_keras(folder, end):
    image = tf.keras.Input((*SIZE, 3))
    x = layers.Rescaling(2 / 255, -1)(image)
    convolution = layers.Conv2D(CLASSES, 1, use_bias=False)
    model = tf.keras.Model(image, end(convolution(x)))
    convolution.set_weights([Segmenter().kernel.numpy()])
    path = folder / "model.keras"
    model.save(path)
    return path


def concrete_of(end):
    module = Segmenter()
    spec = tf.TensorSpec([1, *SIZE, 3], tf.float32)
    function = tf.function(lambda image: end(module.logits(image)), input_signature=[spec])
    return module, function.get_concrete_function()


def save_folder(folder, end):
    module, function = concrete_of(end)
    tf.saved_model.save(module, str(folder / "model"), signatures=function)
    return folder / "model"


def save_tflite(folder, end):
    module, function = concrete_of(end)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], module)
    path = folder / "model.tflite"
    path.write_bytes(converter.convert())
    return path


FORMATS = {"SavedModel": save_folder, "TensorFlow Lite": save_tflite}
#: Ends after which the probabilities are those of the logits, or there are none.
SAME = [name for name, (_, kind) in ENDS.items() if kind or name == "softmax by hand"]
SAME = [name for name in SAME if name not in ("moved softmax", "sum of logits")]
KERAS_ENDS = {
    "logits": (layers.Activation("linear"), "logits"),
    "softmax": (layers.Softmax(), "probabilities"),
    "activation": (layers.Activation("softmax"), "probabilities"),
    "resized softmax": (
        tf.keras.Sequential([layers.Softmax(), layers.UpSampling2D(1, interpolation="bilinear")]),
        "probabilities",
    ),
}


@pytest.mark.parametrize("save", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("name", SAME)
def test_every_format_tells_the_same(tmp_path, caplog, save, name):
    end, kind = ENDS[name]
    if kind == "sigmoid":
        with pytest.raises(NetworkError, match="got 4 sigmoid channels"):
            load_network(save(tmp_path, end))
        return
    network, image = load_network(save(tmp_path, end)), draw(*SIZE)
    assert not caplog.records
    if name != "softmax by hand":  # which TensorFlow Lite recognises
        assert network.ending.kind == kind
    np.testing.assert_allclose(network.probabilities(image), probabilities(image), atol=1e-5)


@pytest.mark.parametrize(("end", "kind"), KERAS_ENDS.values(), ids=KERAS_ENDS)
def test_keras_models_tell_it(tmp_path, end, kind):
    network, image = load_network(save_keras(tmp_path, end)), draw(*SIZE)
    assert network.ending.kind == kind
    np.testing.assert_allclose(network.probabilities(image), probabilities(image), atol=1e-5)


@pytest.mark.parametrize("save", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("move", [lambda x: x, lambda x: tf.image.resize(x, SIZE)])
def test_one_sigmoid_channel_is_two_classes_in_every_format(tmp_path, save, move):
    network = load_network(save(tmp_path, lambda x: move(tf.sigmoid(x[..., :1]))), tile=None)
    image = draw(*SIZE)
    p = 1 / (1 + np.exp(-logits(image)[..., :1].astype(np.float64)))
    assert network.classes == 2
    np.testing.assert_allclose(
        network.probabilities(image), np.concatenate([1 - p, p], -1), atol=1e-5
    )


@pytest.mark.parametrize("save", FORMATS.values(), ids=FORMATS)
def test_one_channel_without_a_sigmoid_is_refused(tmp_path, save):
    with pytest.raises(NetworkError, match="one channel that ends in a sigmoid, got 1 without"):
        load_network(save(tmp_path, lambda x: x[..., :1]))


BOUNDED = {
    "clipped": lambda x: tf.clip_by_value(tf.abs(x), 0.1, 0.9),
    "hard sigmoid of Keras 2": tf.keras.activations.hard_sigmoid,
    # TensorFlow Lite makes the ReLU a part of the convolution.
    "hard sigmoid of Keras 3": lambda x: tf.nn.relu6(x + 3) / 6,
}


@pytest.mark.parametrize("save", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("end", BOUNDED.values(), ids=BOUNDED)
def test_values_in_0_and_1_of_unknown_ops_never_go_through_a_softmax(tmp_path, save, end):
    network = load_network(save(tmp_path, end))
    with pytest.raises(NetworkError, match="rows summing to 1"):
        network.probabilities(draw(*SIZE))
