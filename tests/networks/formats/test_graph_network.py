"""Frozen graphs that are not exports of DeepLab's, with every end that a network may have."""

import numpy as np
import pytest
import tensorflow as tf
from small_networks import CLASSES, TAILS, Segmenter, draw, probabilities
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2 as freeze,
)

from metaseg_tf import load_network
from metaseg_tf.errors import InputError, NetworkError


def frozen(tail, size=(8, 10), dtype=tf.float32):
    module = Segmenter()
    function = tf.function(lambda image: tail(module.logits(image)))
    concrete = function.get_concrete_function(tf.TensorSpec((None, *size, 3), dtype))
    return freeze(concrete).graph.as_graph_def()


def write(folder, graph_def):
    (folder / "frozen.pb").write_bytes(graph_def.SerializeToString())
    return folder / "frozen.pb"


@pytest.mark.parametrize("dtype", [tf.uint8, tf.float32], ids=lambda dtype: dtype.name)
@pytest.mark.parametrize("size", [(8, 10), (None, None)], ids=["fixed", "any"])
@pytest.mark.parametrize("tail", TAILS.values(), ids=TAILS)
def test_every_end_gives_the_same_probabilities(tmp_path, tail, size, dtype):
    network, image = load_network(write(tmp_path, frozen(tail, size, dtype))), draw()
    assert (network.classes, network.crop) == (CLASSES, None if None in size else size)
    np.testing.assert_allclose(network.probabilities(image), probabilities(image), atol=1e-5)


def test_scores_are_taken_where_class_ids_are_given_too(tmp_path):
    def tail(x):
        return tf.nn.softmax(x), tf.argmax(x, -1)

    network, image = load_network(write(tmp_path, frozen(tail))), draw()
    np.testing.assert_allclose(network.probabilities(image), probabilities(image), atol=1e-5)


def test_what_has_no_part_in_the_scores_is_left_out(tmp_path):
    graph_def = frozen(lambda x: x)
    kernel = tf.make_tensor_proto(np.ones((3, 3, 64, 4), np.float32))
    for op, value in (("Const", kernel), ("Placeholder", None)):
        node = graph_def.node.add(name=f"unused/{op}", op=op)
        node.attr["dtype"].type = tf.float32.as_datatype_enum
        if value:
            node.attr["value"].tensor.CopyFrom(value)
    network, image = load_network(write(tmp_path, graph_def)), draw()
    np.testing.assert_allclose(network.probabilities(image), probabilities(image), atol=1e-5)


@pytest.mark.parametrize(
    ("tail", "words"),
    [
        (lambda x: tf.reshape(x, (1, 80, CLASSES)), r"scores \[1, H, W, C\].*got float32 \(1, 80,"),
        (lambda x: (x, tf.nn.softmax(x)), r"one output with scores .* got 2"),
        (lambda x: tf.zeros((1, 8, 10, CLASSES)), r"depends on a placeholder.* got none"),
    ],
    ids=["flat", "two", "no image"],
)
def test_graphs_without_scores_of_an_image_are_refused(tmp_path, tail, words):
    with pytest.raises(NetworkError, match=words) as caught:
        load_network(write(tmp_path, frozen(tail)))
    assert "\n" not in str(caught.value)


def test_settings_of_deeplab_are_refused(tmp_path):
    path = write(tmp_path, frozen(lambda x: x))
    with pytest.raises(InputError, match="leave out output stride, scales, crop and dropout"):
        load_network(path, scales=2)
