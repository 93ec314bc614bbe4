"""Facades: windows repeat by bay and storey, shops have signs, colours stay in range."""

import numpy as np
import pytest

from metaseg_tf.demo.streetscenes.conditions import TRAINING, Light
from metaseg_tf.demo.streetscenes.facades import Facade, masonry

ALONG = np.linspace(0, 12, 240, dtype=np.float32)
UP = np.repeat(np.linspace(12, 0, 200, dtype=np.float32)[:, None], 240, 1)


def draw_facade(seed=0, ground="plain"):
    rng = np.random.default_rng(seed)
    light = Light.draw(rng, TRAINING)
    return Facade.draw(rng, 12.0, light, (1.0, 0.0, 0.0), ground=ground)


@pytest.mark.parametrize("ground", ["shop", "doors", "plain"])
@pytest.mark.parametrize("seed", range(4))
def test_colours_are_finite_and_in_range(seed, ground):
    rgb, opacity = draw_facade(seed, ground)(ALONG, UP)
    assert rgb.shape == (200, 240, 3)
    assert rgb.dtype == np.float32
    assert opacity is None
    assert np.isfinite(rgb).all()
    assert -1 < rgb.min() < rgb.max() < 700


def test_upper_storeys_have_windows_and_a_plain_ground_floor_has_none():
    facade = draw_facade(0)
    rgb, _ = facade(ALONG, UP)
    upper = rgb[(facade.floor < UP) & (2 * facade.floor > UP)].mean(-1)
    ground = rgb[(0.3 * facade.floor < UP) & (0.9 * facade.floor > UP)].mean(-1)
    assert upper.std() > 1.5 * ground.std()


def test_two_facades_differ():
    assert not np.array_equal(draw_facade(0)(ALONG, UP)[0], draw_facade(1)(ALONG, UP)[0])


def test_masonry_keeps_the_mean_colour():
    rgb, _ = masonry((120.0, 100.0, 80.0), 1.0)(ALONG, UP)
    np.testing.assert_allclose(rgb.mean((0, 1)), (120, 100, 80), rtol=0.1)
