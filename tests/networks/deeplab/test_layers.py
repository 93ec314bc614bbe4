"""Each kind of layer against plain numpy, in inference, training and recording."""

import numpy as np
import pytest
import slow_deeplab
import tensorflow as tf
from deeplab_samples import layer_weights
from hypothesis import given, settings
from hypothesis import strategies as st

from metaseg_tf.networks.deeplab.layers import (
    HEAD_EPSILON,
    InferenceLayers,
    RecordingLayers,
    resize_bilinear,
    resize_rows,
    scale_dimension,
)
from metaseg_tf.networks.graph import graph_multiply_adds


@settings(deadline=None, max_examples=40)
@given(
    size=st.tuples(st.integers(3, 20), st.integers(3, 20)),
    step=st.sampled_from([(1, 1), (2, 1), (1, 2), (1, 4), (1, 12)]),
    seed=st.integers(0, 99),
)
def test_depthwise_equals_the_slow_twin(size, step, seed):
    weights = layer_weights("layer/depthwise_weights", (3, 3, 5, 1), 5, seed)
    x = np.random.default_rng(seed).normal(size=(1, *size, 5)).astype(np.float32)
    stride, rate = step
    y = InferenceLayers(weights).depthwise(x, "layer", stride=stride, rate=rate)
    slow = slow_deeplab.depthwise(x[0], weights, "layer", stride, rate)
    np.testing.assert_allclose(y[0], slow, atol=1e-3)


@settings(deadline=None, max_examples=40)
@given(
    size=st.tuples(st.integers(3, 20), st.integers(3, 20)),
    stride=st.sampled_from([1, 2]),
    kernel=st.sampled_from([1, 3]),
    epsilon=st.sampled_from([1e-3, HEAD_EPSILON]),
)
def test_conv_equals_the_slow_twin(size, stride, kernel, epsilon):
    weights = layer_weights("layer/weights", (kernel, kernel, 4, 6), 6)
    x = np.random.default_rng(1).normal(size=(1, *size, 4)).astype(np.float32)
    y = InferenceLayers(weights).conv(
        x, "layer", 6, size=kernel, stride=stride, epsilon=epsilon, activation=tf.nn.relu
    )
    pad = slow_deeplab.identity if kernel == 1 else lambda x: slow_deeplab.pad_same(x, stride, 1)
    slow = slow_deeplab.conv(
        x[0], weights, "layer", stride, pad=pad, epsilon=epsilon, act=slow_deeplab.relu
    )
    np.testing.assert_allclose(y[0], slow, atol=2e-3)


def test_folding_holds_one_constant_over_several_traces():
    layers = InferenceLayers(layer_weights("layer/weights", (1, 1, 4, 6), 6))
    traced = tf.function(lambda x: layers.conv(x, "layer", 6), autograph=False)
    for side in (3, 5):
        x = tf.ones((1, side, side, 4))
        np.testing.assert_allclose(traced(x), layers.conv(x, "layer", 6), rtol=1e-6)
    # Two concrete functions share the one kernel and the one offset.
    concrete = [traced.get_concrete_function(tf.ones((1, s, s, 4))) for s in (3, 5)]
    captured = [{id(tensor) for tensor, _ in f.graph.captures} for f in concrete]
    assert captured[0] == captured[1]
    assert len(captured[0]) == 2


def test_recording_names_shapes_and_counts():
    layers = RecordingLayers()
    with tf.Graph().as_default() as graph:
        x = layers.conv(tf.zeros((1, 9, 9, 3)), "first", 8, size=3, stride=2)
        layers.classify(layers.depthwise(x, "second"), "last", 2)
    assert layers.shapes["first/weights"] == (3, 3, 3, 8)
    assert layers.shapes["second/depthwise_weights"] == (3, 3, 8, 1)
    assert layers.shapes["second/BatchNorm/gamma"] == (8,)
    assert layers.shapes["last/biases"] == (2,)
    assert len(layers.shapes) == 5 + 5 + 2
    assert graph_multiply_adds(graph) == 25 * (27 * 8 + 9 * 8 + 8 * 2)


@pytest.mark.parametrize("layers", [RecordingLayers()], ids=["recording"])
def test_nodes_bear_the_scope_of_their_layer(layers):
    with tf.Graph().as_default():
        y = layers.conv(tf.zeros((1, 9, 9, 3)), "net/first", 8, activation=tf.nn.relu6)
    assert y.op.name == "net/first/Relu6"


sides = st.integers(1, 40)


@settings(deadline=None, max_examples=50)
@given(old=st.tuples(sides, sides), new=st.tuples(sides, sides), seed=st.integers(0, 99))
def test_resizing_equals_the_slow_twin(old, new, seed):
    x = np.random.default_rng(seed).normal(size=(1, *old, 2)).astype(np.float32)
    np.testing.assert_allclose(
        resize_bilinear(x, new)[0], slow_deeplab.bilinear(x[0], new), atol=1e-5
    )


def test_corners_keep_their_values():
    x = np.arange(12, dtype=np.float32).reshape(1, 3, 4, 1)
    y = resize_bilinear(x, (9, 31)).numpy()
    assert [y[0, r, c, 0] for r in (0, -1) for c in (0, -1)] == [0, 3, 8, 11]


@pytest.mark.parametrize(
    ("size", "scale", "expected"),
    [(1025, 0.75, 769), (2049, 1.25, 2561), (1025, 1 / 8, 129), (97, 1.25 / 16, 8), (66, 0.5, 33)],
)
def test_sizes_are_truncated(size, scale, expected):
    assert scale_dimension(size, scale) == expected


@settings(deadline=None, max_examples=40)
@given(
    given_size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    size=st.tuples(st.integers(1, 70), st.integers(1, 40)),
    part=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_rows_are_those_of_the_whole(given_size, size, part):
    x = np.random.default_rng(0).normal(size=(1, *given_size, 3)).astype(np.float32)
    top, bottom = (round(share * size[0]) for share in sorted(part))
    bottom = max(bottom, top + 1) if top < size[0] else size[0]
    top = min(top, bottom - 1)
    expected = resize_bilinear(x, size)[0, top:bottom]
    np.testing.assert_allclose(resize_rows(x, size, top, bottom), expected, atol=1e-6)
