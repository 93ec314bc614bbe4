"""Facades, houses, bridges, walls and fences: textures in range, labels of their own class."""

import numpy as np
import pytest

from metaseg_tf.demo.streetscenes.buildings import (
    Facade,
    masonry,
    paint_bridge,
    paint_fence,
    paint_house,
    paint_wall,
)
from metaseg_tf.demo.streetscenes.camera import TRAINING, Light

ALONG = np.linspace(0, 12, 240, dtype=np.float32)
UP = np.repeat(np.linspace(12, 0, 200, dtype=np.float32)[:, None], 240, 1)


def draw_facade(seed=0, ground="plain"):
    rng = np.random.default_rng(seed)
    light = Light.draw(rng, TRAINING)
    return Facade(rng, 12.0, light, (1.0, 0.0, 0.0), ground=ground)


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


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_house_is_building_and_stands_on_its_side(easel, sign, seed):
    house = (sign, sign * 5.0, 14.0, 28.0, 8.0, "shop")
    image, labels = easel.paint(paint_house, *house, seed=seed)
    assert easel.names(labels) == {"building"}
    assert sign * (np.nonzero(labels)[1].mean() - 100) > 10
    np.testing.assert_array_equal(image.any(-1), labels > 0)


@pytest.mark.parametrize(("train", "expected"), [(True, {"bridge", "train"}), (False, {"bridge"})])
def test_a_bridge_leaves_the_road_open(easel, train, expected):
    _, labels = easel.paint(paint_bridge, (-5.0, 5.0), 30.0, train=train)
    assert easel.names(labels) == expected
    column, row = easel.camera.project([(0.0, 2.0, 30.0)])[0]
    assert labels[round(row), round(column)] == 0


@pytest.mark.parametrize(("painter", "name"), [(paint_wall, "wall"), (paint_fence, "fence")])
@pytest.mark.parametrize("seed", range(6))
def test_barriers_carry_their_label_over_their_whole_length(easel, painter, name, seed):
    _, labels = easel.paint(painter, (-2.0, 10.0), (2.0, 10.0), 1.2, seed=seed)
    assert easel.names(labels) == {name}
    assert np.ptp(np.nonzero(labels)[1]) / easel.camera.pixels_per_metre(10.0) == pytest.approx(
        4.0, abs=0.15
    )
