"""Views keep image and labels together, and a seed fixes them."""

import numpy as np
import pytest
import tensorflow as tf

from metaseg_tf.data.sample import VOID
from metaseg_tf.demo.training.augmentation import BRIGHTNESS, CONTRAST, augment, make_batches

SIZE, CROP, SCALES = (40, 60), (33, 49), (0.8, 1.5)


def paired_scenes(n):
    """Scenes of flat patches whose colour tells their class: 50 for class 0, 200 for class 1."""
    patches = np.random.default_rng(0).integers(0, 2, (n, 4, 6), np.uint8)
    labels = patches.repeat(10, 1).repeat(10, 2)
    return np.where(labels == 0, 50, 200).astype(np.uint8)[..., np.newaxis].repeat(3, 3), labels


@pytest.mark.parametrize("seed", range(6))
def test_labels_go_where_their_pixels_go(seed):
    images, labels = paired_scenes(1)
    image, label = augment(
        images[0], labels[0], crop=CROP, scales=SCALES, seed=tf.constant([7, seed], tf.int64)
    )
    assert image.shape == (*CROP, 3)
    assert label.shape == CROP
    assert image.dtype == tf.float32
    assert label.dtype == tf.uint8
    grey, label = image.numpy().mean(-1), label.numpy()
    # Patches differ by at least 120 grey values; only their blurred borders lie in between.
    middle = (grey[label == 0].mean() + grey[label == 1].mean()) / 2
    known = label != VOID
    assert np.mean((grey[known] > middle) == (label[known] == 1)) > 0.93
    np.testing.assert_array_equal(image.numpy()[~known], 127.5)


def test_a_view_that_shows_all_is_padded_with_mean_grey_and_void():
    images, labels = paired_scenes(1)
    image, label = augment(
        images[0], labels[0], crop=(97, 129), scales=SCALES, seed=tf.constant([7, 1], tf.int64)
    )
    assert (label.numpy()[-1] == VOID).all()
    np.testing.assert_array_equal(image.numpy()[-1], 127.5)


def test_colours_stay_within_their_bounds():
    image = np.full((*SIZE, 3), 150, np.uint8)
    drawn = [
        augment(
            image,
            np.zeros(SIZE, np.uint8),
            crop=(9, 9),
            scales=SCALES,
            seed=tf.constant([1, i], tf.int64),
        )[0]
        for i in range(12)
    ]
    change = np.array(drawn) - 150
    assert np.abs(change).max() <= BRIGHTNESS + CONTRAST * 22.5 + 1e-3
    assert change.std() > 5


def test_batches_are_endless_shuffled_and_fixed_by_the_seed():
    images, labels = paired_scenes(3)

    def first(seed):
        batches = make_batches(images, labels, crop=CROP, scales=SCALES, batch=2, seed=seed)
        return [batch[0].numpy() for batch in batches.take(4)]

    one, again, other = first(0), first(0), first(1)
    assert [batch.shape for batch in one] == [(2, *CROP, 3)] * 4
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
