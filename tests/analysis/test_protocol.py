"""The paper's settings, settings that are refused, the authors' halves and whole images."""

import numpy as np
import pytest

from metaseg_tf.analysis.protocol import (
    PAPER_PROTOCOL,
    Protocol,
    image_folds,
    image_splits,
    reference_splits,
)
from metaseg_tf.errors import InputError


def test_the_papers_path():
    assert len(PAPER_PROTOCOL.C) == 50
    exponents = np.log10(PAPER_PROTOCOL.C)
    np.testing.assert_allclose(np.diff(exponents), 5 / 49)
    np.testing.assert_allclose(exponents[[0, -1]], [-4.2, 0.8])
    assert PAPER_PROTOCOL.n_splits == 10


@pytest.mark.parametrize(
    "setting",
    [
        {"n_splits": 0},
        {"C": ()},
        {"C": (0.1, 0.1)},
        {"C": (0.0, 1.0)},
        {"splits": "thirds"},
        {"fit_on": "half"},
        {"classes": "some"},
        {"engine": "saga"},
    ],
)
def test_settings_that_cannot_be(setting):
    with pytest.raises(InputError, match=f"{next(iter(setting))}: expected"):
        Protocol(**setting)


def test_splits_and_scales_follow_the_settings(design):
    assert PAPER_PROTOCOL.draw_splits(design).shape == (10, len(design))
    by_image = Protocol(n_splits=2, splits="image").draw_splits(design)
    assert all(len(set(mask[design.image == design.image[0]])) == 1 for mask in by_image)
    assert PAPER_PROTOCOL.features(design, by_image[0]) is design.X
    halved = Protocol(fit_on="train").features(design, by_image[0])
    np.testing.assert_allclose(halved[by_image[0]].mean(axis=0), 0, atol=1e-12)


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
    splits = image_splits(images, 4)
    by_image = splits.reshape(4, 7, 5)
    assert np.all(by_image == by_image[:, :, :1])
    assert np.all(by_image[:, :, 0].sum(axis=1) == 3)
    assert len(np.unique(splits, axis=0)) > 1
    np.testing.assert_array_equal(splits, image_splits(images, 4))


@pytest.mark.parametrize(("n_images", "folds"), [(7, 3), (7, 10), (2, 10), (30, 10)])
def test_folds_hold_each_image_out_once(n_images, folds):
    images = np.repeat([f"town_{i}" for i in range(n_images)], 5)
    masks = image_folds(images, folds)
    assert masks.shape == (min(folds, n_images), 5 * n_images)
    assert (masks.sum(axis=0) == 1).all()
    by_image = masks.reshape(len(masks), n_images, 5)
    assert (by_image == by_image[:, :, :1]).all()
    assert np.ptp(by_image[:, :, 0].sum(axis=1)) <= 1
    np.testing.assert_array_equal(masks, image_folds(images, folds))


@pytest.mark.parametrize("split", [image_splits, image_folds])
def test_holding_out_images_needs_two(split):
    with pytest.raises(InputError, match=r"at least 2 images, got 1.*splits of segments"):
        split(np.array(["a", "a"]))
