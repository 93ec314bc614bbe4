from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import make_probs, probability_maps, slow_difference, slow_entropy

import metaseg_tf.segments.dispersion
from metaseg_tf.errors import InputError, ShapeError
from metaseg_tf.segments.columns import CONVENTIONS
from metaseg_tf.segments.dispersion import (
    compute_heat_maps,
    difference,
    dispersion,
    entropy,
)


@pytest.fixture
def probs():
    rng = np.random.default_rng(0)
    return make_probs(rng.integers(0, 5, (13, 17)), 5, rng)


@given(probability_maps(), st.sampled_from(CONVENTIONS), st.booleans())
def test_heat_maps_equal_the_equations(probs, convention, xla):
    heat = compute_heat_maps(probs, convention=convention, xla=xla)
    pixels = probs.reshape(-1, probs.shape[-1])
    np.testing.assert_array_equal(heat.pred.ravel(), pixels.argmax(-1))
    second = np.sort(pixels)[:, -2]
    runner_up = heat.runner_up.ravel()
    np.testing.assert_array_equal(pixels[np.arange(len(pixels)), runner_up], second)
    assert not (runner_up == heat.pred.ravel()).any()
    slow = [slow_entropy(p, convention) for p in pixels]
    np.testing.assert_allclose(heat.entropy.ravel(), slow, atol=5e-7)
    np.testing.assert_allclose(
        heat.difference.ravel(), [slow_difference(p) for p in pixels], atol=5e-7
    )


@given(probability_maps(n_classes=2))
def test_dispersion_stays_within_its_range(probs):
    heat = compute_heat_maps(probs)
    for values in (heat.entropy, heat.difference):
        assert values.min() >= 0
        assert values.max() <= 1


def test_certainty_has_no_dispersion_and_equality_has_all():
    certain, equal = np.eye(4, dtype=np.float32)[:1], np.full((1, 4), 0.25, np.float32)
    for measure in (entropy, difference):
        assert measure(tf.constant(certain)).numpy()[0] == pytest.approx(0, abs=1e-6)
        assert measure(tf.constant(equal)).numpy()[0] == pytest.approx(1, abs=1e-6)


def test_a_tie_of_the_two_largest_gives_difference_one_and_the_lower_class():
    probs = np.array([[[0.1, 0.45, 0.45]]], np.float32)
    heat = compute_heat_maps(probs)
    assert heat.difference[0, 0] == 1
    assert heat.pred[0, 0] == 1


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_floats_are_computed_in_float32(probs, dtype):
    probs = probs.astype(dtype)
    ours, expected = compute_heat_maps(probs), compute_heat_maps(probs.astype(np.float32))
    for a, b in zip(ours, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-7)


def test_xla_and_plain_ops_agree(probs):
    for a, b in zip(compute_heat_maps(probs), compute_heat_maps(probs, xla=False), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_tensors_and_images_agree(probs):
    heat = compute_heat_maps(probs)
    for a, b in zip(dispersion(tf.constant(probs)), heat[:3], strict=True):
        np.testing.assert_allclose(a.numpy(), b, atol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 150, 254])
def test_any_number_of_classes_and_images_larger_than_a_block(n_classes):
    rng = np.random.default_rng(1)
    height = 3 * 2**20 // (200 * n_classes)
    pred = rng.integers(0, n_classes, (height, 201))
    heat = compute_heat_maps(make_probs(pred, n_classes, rng))
    np.testing.assert_array_equal(heat.pred, pred)


@settings(deadline=None)
@given(
    height=st.integers(1, 9),
    n_classes=st.integers(2, 9),
    shift=st.integers(0, 20),
    writeable=st.booleans(),
    dtype=st.sampled_from([np.float16, np.float32, np.float64]),
)
def test_wherever_in_memory_an_image_of_many_blocks_lies(
    height, n_classes, shift, writeable, dtype
):
    rng = np.random.default_rng(0)
    expected = rng.integers(0, n_classes, (height, 50))
    probs = make_probs(expected, n_classes, rng).astype(dtype)
    moved = np.empty(probs.size + shift, dtype)[shift:].reshape(probs.shape)
    moved[:] = probs
    moved.flags.writeable = writeable
    with mock.patch.object(metaseg_tf.segments.dispersion, "_BLOCK_ELEMENTS", 512):
        heat = compute_heat_maps(moved)
    np.testing.assert_array_equal(heat.pred, expected)
    for values, tensor in zip(heat[:3], dispersion(tf.constant(probs)), strict=True):
        np.testing.assert_allclose(values, tensor.numpy(), atol=1e-6)


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        (lambda p: p[None], ShapeError, r"expected \[H, W, C\]"),
        (lambda p: p[:0], ShapeError, "at least one pixel"),
        (lambda p: p[..., :1], ShapeError, r"2 to 254 classes.*\[1-p, p\]"),
        (lambda p: p[..., 0], ShapeError, r"\[1-p, p\]"),
        (lambda p: np.moveaxis(p, -1, 0), ShapeError, "transpose to channels last"),
        (lambda p: np.moveaxis(p, -1, 0)[None], ShapeError, r"channels first.* probs\[0\]\.trans"),
        (lambda p: p[None].repeat(2, 0), ShapeError, "one image at a time"),
        (lambda p: np.where(p > 0, 0.9, p), InputError, "several sigmoids"),
        (lambda p: (p * 255).astype(np.uint8), InputError, "expected float16"),
        (lambda p: p * 2, InputError, "summing to 1"),
        (lambda p: np.where(p == p[3, 4, 2], np.nan, p), InputError, r"pixel \(3, 4\)"),
        (lambda p: np.where(p == p[3, 4, 2], -0.5, p), InputError, "apply softmax"),
        (lambda p: p + np.array([-2, 2, 0, 0, 0], np.float32), InputError, r"values in \[0, 1\]"),
        (lambda p: np.log(p), InputError, "apply softmax"),
    ],
)
def test_what_is_no_distribution_is_refused(probs, spoil, error, words):
    with pytest.raises(error, match=words):
        compute_heat_maps(spoil(probs))


@pytest.mark.parametrize("dtype", [">f2", ">f4", ">f8"])
def test_any_byte_order(probs, dtype):
    for ours, expected in zip(
        compute_heat_maps(probs.astype(dtype)),
        compute_heat_maps(probs.astype(dtype[1:])),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("nothing", [np.nan, 0.0, np.inf, -1.0, 1.0])
def test_void_pixels_need_no_distribution(probs, nothing):
    void = np.zeros(probs.shape[:2], bool)
    void[1:3] = True
    expected = compute_heat_maps(probs)
    heat = compute_heat_maps(np.where(void[..., None], nothing, probs), void=void)
    for ours, sound in zip(heat, expected, strict=True):
        np.testing.assert_array_equal(ours[~void], sound[~void])
    assert not heat.entropy[void].any()
    assert not heat.difference[void].any()
    for ours, sound in zip(compute_heat_maps(probs, void=void), expected, strict=True):
        np.testing.assert_array_equal(ours, sound)
    broken = probs.copy()
    broken[1], broken[4, 2] = np.nan, np.nan
    with pytest.raises(InputError, match=r"pixel \(4, 2\)"):
        compute_heat_maps(broken, void=void)


def test_unknown_convention_is_refused(probs):
    with pytest.raises(InputError, match="reference, paper"):
        compute_heat_maps(probs, convention="other")
