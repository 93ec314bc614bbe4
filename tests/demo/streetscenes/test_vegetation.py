"""Trees and bushes: vegetation in one piece, trunk included."""

import numpy as np
import pytest
from skimage.measure import label

from metaseg_tf.demo.streetscenes.cutouts import draw_foliage_colour, paint_bush, paint_tree

GREEN = (74.0, 98.0, 44.0)


@pytest.mark.parametrize("seed", range(12))
def test_a_tree_hangs_together_and_stands_on_the_ground(easel, seed):
    _, labels = easel.paint(paint_tree, 0.0, 25.0, 8.0, GREEN, seed=seed)
    assert easel.names(labels) == {"vegetation"}
    parts = np.bincount(label(labels, connectivity=2).ravel())[1:]
    assert parts.max() > 0.97 * parts.sum()
    ground = easel.camera.project([(0.0, 0.0, 25.0)])[0][1]
    assert np.nonzero(labels)[0].max() == pytest.approx(ground, abs=2)


def test_a_bush_is_as_wide_as_asked_for(easel):
    _, labels = easel.paint(paint_bush, 0.0, 10.0, 4.0, 2.0, GREEN)
    width = np.ptp(np.nonzero(labels)[1]) / easel.camera.pixels_per_metre(10.0)
    assert width == pytest.approx(4.0, rel=0.3)


@pytest.mark.parametrize("seed", range(6))
def test_a_bush_stands_on_the_ground(easel, seed):
    _, labels = easel.paint(paint_bush, 0.0, 8.0, 3.0, 2.0, GREEN, seed=seed)
    ground = easel.camera.project([(0.0, 0.0, 8.0)])[0][1]
    sunk = np.nonzero(labels)[0].max() - ground
    assert abs(sunk) / easel.camera.pixels_per_metre(8.0) < 0.35


def test_leaves_are_green_in_summer_and_some_turn_in_autumn():
    rng = np.random.default_rng(0)
    summer, autumn = (
        np.array([draw_foliage_colour(rng, season) for _ in range(40)]) for season in (0.5, 1.0)
    )
    assert (summer[:, 1] > summer[:, 0]).all()
    assert (autumn[:, 0] > autumn[:, 1]).any()
