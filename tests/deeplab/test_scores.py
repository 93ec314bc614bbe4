"""Logits and probabilities are told apart and turned into each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from metaseg_tf.deeplab.scores import as_logits, as_probabilities, is_probability

LOGITS = arrays(np.float32, (3, 4, 5), elements=st.floats(-20, 20, width=32))


def slow_softmax(logits):
    e = np.exp(logits.astype(np.float64))
    return e / e.sum(-1, keepdims=True)


@settings(deadline=None)
@given(LOGITS)
def test_logits_give_their_softmax(logits):
    if not is_probability(logits):
        np.testing.assert_allclose(as_probabilities(logits), slow_softmax(logits), atol=1e-5)
        assert as_logits(logits) is logits


@settings(deadline=None)
@given(LOGITS)
def test_probabilities_stay_what_they_are(logits):
    probs = slow_softmax(logits).astype(np.float32)
    assert is_probability(probs)
    np.testing.assert_allclose(as_probabilities(probs), probs, atol=1e-6)
    np.testing.assert_allclose(as_probabilities(as_logits(probs)), probs, atol=1e-5)


def test_probabilities_rounded_to_8_bits_are_scaled_to_the_sum_1():
    probs = np.round(slow_softmax(np.random.default_rng(0).normal(0, 2, (9, 9, 19))) * 256) / 256
    scaled = as_probabilities(probs.astype(np.float32))
    np.testing.assert_allclose(scaled.sum(-1), 1, atol=1e-6)


@pytest.mark.parametrize("scores", [[[0.5, 0.6]], [[1.5, -0.5]], [[0.0, 0.0]]])
def test_what_is_no_distribution(scores):
    assert not is_probability(np.array(scores, np.float32))


def test_certainty_has_finite_logits():
    assert np.isfinite(as_logits(np.array([[0.0, 1.0]], np.float32))).all()
