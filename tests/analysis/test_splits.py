"""The authors' halves number by number, and halves of whole images."""

import numpy as np
import pytest

from metaseg_tf.analysis.splits import image_splits, reference_splits
from metaseg_tf.errors import InputError


def test_reference_splits_are_the_authors():
    splits = reference_splits(1000)
    assert splits.shape == (10, 1000)
    state = np.random.get_state()  # noqa: NPY002
    for r in range(10):
        np.random.seed(r)  # noqa: NPY002 - the authors' call is what is tested
        np.testing.assert_array_equal(splits[r], np.random.rand(1000) < 0.5)  # noqa: NPY002
    np.random.set_state(state)  # noqa: NPY002


def test_reference_splits_leave_the_global_generator_alone():
    before = np.random.get_state()[1]  # noqa: NPY002
    reference_splits(10)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_image_splits_keep_images_whole():
    images = np.repeat([f"town_{i}" for i in range(7)], 5)
    splits = image_splits(images, 4, seed=2)
    by_image = splits.reshape(4, 7, 5)
    assert np.all(by_image == by_image[:, :, :1])
    assert np.all(by_image[:, :, 0].sum(axis=1) == 3)
    assert len(np.unique(splits, axis=0)) > 1
    np.testing.assert_array_equal(splits, image_splits(images, 4, seed=2))


def test_image_splits_need_two_images():
    with pytest.raises(InputError, match=r"at least 2 images, got 1.*splits='reference'"):
        image_splits(np.array(["a", "a"]))
