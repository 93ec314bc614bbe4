"""Graphs keep their meaning, whatever their nodes are called and wherever large constants are."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from metaseg_tf.networks.graph_function import GraphFunctions

NAMES = ("Identity", "Identity_1", "Placeholder", "unknown", "graph", "graph_1", "Const", "input")


def graph_of(names, control):
    """Two large kernels and one that nothing reads, on an image: (x @ a) @ b."""
    rng = np.random.default_rng(0)
    a, b, unread = rng.normal(size=(3, 32, 32)).astype(np.float32)
    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(tf.float32, (1, 32), names[0])
        first, _ = tf.constant(a, name=names[1]), tf.constant(unread, name=names[2])
        second = tf.constant(b, name=names[3])
        with graph.control_dependencies([first] if control else []):
            product = tf.matmul(image, first, name=names[4])
        tf.matmul(product, second, name=names[5])
    return graph.as_graph_def(), a @ b


@given(st.permutations(NAMES), st.booleans())
def test_names_cannot_clash_with_those_of_the_weights(names, control):
    graph_def, expected = graph_of(names, control)
    run = GraphFunctions(graph_def).function(f"{names[0]}:0", [names[5]])
    image = np.ones((1, 32), np.float32)
    np.testing.assert_allclose(run(tf.constant(image))[0], image @ expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["Identity", "output:0"])
def test_a_tensor_is_found_by_the_name_it_has_in_the_graph(name):
    node, *_ = name.split(":")
    graph_def, _ = graph_of(("x", "a", "unread", "b", "product", node), control=False)
    assert GraphFunctions(graph_def).tensor(name).shape == (1, 32)
