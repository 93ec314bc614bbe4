"""Padding, scales and flips against the slow twin, on a network of one line."""

import numpy as np
import pytest
import slow_deeplab
import tensorflow as tf
from deeplab_samples import smooth_image
from hypothesis import given, settings
from hypothesis import strategies as st

from metaseg_tf.networks.deeplab.multiscale import (
    full_logits,
    mean_softmax,
    pad_to_crop,
    scale_logits,
)
from metaseg_tf.networks.options import NetworkOptions

STRIDE = 8


def network(x):
    """Every 8th pixel, its neighbour to the right and their product: not symmetric."""
    x = tf.pad(x, [[0, 0], [0, 0], [0, 1], [0, 0]])
    here, right = x[:, ::STRIDE, :-1:STRIDE], x[:, ::STRIDE, 1::STRIDE]
    return 3 * tf.concat([here, right, here * right], 3)


def slow_network(x):
    return network(tf.constant(x[np.newaxis])).numpy()[0]


def average(image, crop, scales, flip):
    padded = pad_to_crop(tf.constant(image[np.newaxis]), crop)
    logits = scale_logits(network, padded, STRIDE, NetworkOptions(8, scales, flip))
    return mean_softmax(logits, image.shape[:2])


crops = st.tuples(st.integers(2, 6), st.integers(2, 6)).map(lambda k: tuple(8 * n + 1 for n in k))


@settings(deadline=None, max_examples=30)
@given(
    crop=crops,
    cut=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    scales=st.lists(st.sampled_from([0.5, 0.75, 1.0, 1.25, 1.5]), min_size=1, max_size=3),
    flip=st.booleans(),
)
def test_probabilities_equal_the_slow_twin(crop, cut, scales, flip):
    image = smooth_image(crop[0] - cut[0], crop[1] - cut[1])
    flips = (False, True) if flip else (False,)
    slow = slow_deeplab.multi_scale(slow_network, image, crop, STRIDE, scales, flips)
    np.testing.assert_allclose(average(image, crop, tuple(scales), flip), slow, atol=2e-5)


def test_a_reduced_image_goes_through_the_grid_of_scale_1():
    image = tf.cast(smooth_image(65, 97)[np.newaxis], tf.float32)
    seen = []

    def recorded(x):
        seen.append(tuple(x.shape[1:3]))
        return network(x)

    reduced = full_logits(recorded, image, STRIDE, scale=0.75)
    direct = slow_deeplab.bilinear(
        network(slow_deeplab.bilinear(image[0].numpy(), (49, 73))[np.newaxis] * 2 / 255 - 1)[0],
        (65, 97),
    )
    assert seen == [(49, 73)]
    # On the low-resolution grid the two agree, in between they do not.
    np.testing.assert_allclose(reduced[0, ::8, ::8], direct[::8, ::8], atol=1e-3)
    assert np.abs(reduced[0] - direct).max() > 0.05


def test_padding_is_the_mean_pixel_at_bottom_and_right():
    image = smooth_image(5, 7)
    padded = pad_to_crop(tf.constant(image[np.newaxis]), (9, 17)).numpy()[0]
    np.testing.assert_array_equal(padded[:5, :7], image)
    assert (padded[5:] == 127.5).all()
    assert (padded[:, 7:] == 127.5).all()


@pytest.mark.parametrize("scale", [0.75, 1.0, 1.25])
def test_flipped_logits_lie_over_the_image_again(scale):
    image = tf.cast(smooth_image(65, 97)[np.newaxis], tf.float32)

    def symmetric(x):
        return x[:, ::STRIDE, ::STRIDE]

    plain, flipped = (full_logits(symmetric, image, STRIDE, scale, flip) for flip in (False, True))
    # The grid of a resized image is not quite symmetric: its sizes are truncated.
    np.testing.assert_allclose(plain, flipped, atol=1e-5 if scale == 1 else 0.2)


def test_a_single_scale_honours_the_flip():
    image = smooth_image(33, 33)
    plain, flipped = (average(image, (33, 33), (1.0,), flip) for flip in (False, True))
    assert np.abs(plain - flipped).max() > 0.01
