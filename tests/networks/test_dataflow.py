"""How networks begin and end is read from their ops, in every format they are stored in."""

import numpy as np
import pytest
import tensorflow as tf
from small_networks import CLASSES, Segmenter, draw, logits, probabilities

from metaseg_tf.errors import NetworkError
from metaseg_tf.networks.dataflow import find_kind, flow_of_graph, rescales_pixels
from metaseg_tf.networks.formats import open_network
from metaseg_tf.networks.graph import Graph

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
    return flow_of_graph(Graph(concrete.graph.as_graph_def())), *names


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
            open_network(save(tmp_path, end))
        return
    network, image = open_network(save(tmp_path, end)), draw(*SIZE)
    assert not caplog.records
    if name != "softmax by hand":  # which TensorFlow Lite recognises
        assert network.ending.kind == kind
    np.testing.assert_allclose(network.probabilities(image), probabilities(image), atol=1e-5)


@pytest.mark.parametrize(("end", "kind"), KERAS_ENDS.values(), ids=KERAS_ENDS)
def test_keras_models_tell_it(tmp_path, end, kind):
    network, image = open_network(save_keras(tmp_path, end)), draw(*SIZE)
    assert network.ending.kind == kind
    np.testing.assert_allclose(network.probabilities(image), probabilities(image), atol=1e-5)


@pytest.mark.parametrize("save", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("move", [lambda x: x, lambda x: tf.image.resize(x, SIZE)])
def test_one_sigmoid_channel_is_two_classes_in_every_format(tmp_path, save, move):
    network = open_network(save(tmp_path, lambda x: move(tf.sigmoid(x[..., :1]))), tile=None)
    image = draw(*SIZE)
    p = 1 / (1 + np.exp(-logits(image)[..., :1].astype(np.float64)))
    assert network.classes == 2
    np.testing.assert_allclose(
        network.probabilities(image), np.concatenate([1 - p, p], -1), atol=1e-5
    )


@pytest.mark.parametrize("save", FORMATS.values(), ids=FORMATS)
def test_one_channel_without_a_sigmoid_is_refused(tmp_path, save):
    with pytest.raises(NetworkError, match="one channel that ends in a sigmoid, got 1 without"):
        open_network(save(tmp_path, lambda x: x[..., :1]))


BOUNDED = {
    "clipped": lambda x: tf.clip_by_value(tf.abs(x), 0.1, 0.9),
    "hard sigmoid of Keras 2": tf.keras.activations.hard_sigmoid,
    # TensorFlow Lite makes the ReLU a part of the convolution.
    "hard sigmoid of Keras 3": lambda x: tf.nn.relu6(x + 3) / 6,
}


@pytest.mark.parametrize("save", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("end", BOUNDED.values(), ids=BOUNDED)
def test_values_in_0_and_1_of_unknown_ops_never_go_through_a_softmax(tmp_path, save, end):
    network = open_network(save(tmp_path, end))
    with pytest.raises(NetworkError, match="rows summing to 1"):
        network.probabilities(draw(*SIZE))
