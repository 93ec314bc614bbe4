"""Scores are what the network makes of them, whatever their values are in one image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from metaseg_tf.errors import NetworkError
from metaseg_tf.networks.scores import Ending

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
