"""Vehicles: of their class only, of a size that agrees with the distance, lamps on their ends."""

from math import pi

import numpy as np
import pytest

from metaseg_tf.demo.streetscenes.camera import Camera, Light
from metaseg_tf.demo.streetscenes.canvas import LABEL_IDS, Canvas, Frame
from metaseg_tf.demo.streetscenes.vehicles import (
    BUS,
    CARS,
    TRAM,
    TRUCKS,
    VAN,
    draw_paint,
    paint_vehicle,
)

SHAPES = (*CARS, VAN, *TRUCKS, BUS, TRAM)
CAMERA = Camera(400, 300, focal=400.0, centre=200.0, horizon=130.0, eye=1.3, bend=0.0)
LIGHT = Light((0.0, 1.0, 0.0), 0.1, 0.9, (200.0, 200.0, 200.0), 1e9, dusk=False)


def paint(shape, z, yaw=0.0, *, braking=False, x=0.0):
    canvas = Canvas(CAMERA, LIGHT)
    paint_vehicle(canvas, None, shape, Frame(x, z, yaw), (90.0, 90.0, 90.0), braking=braking)
    return canvas.arrays()


@pytest.mark.parametrize("yaw", [0.0, pi, pi / 2, 0.6])
@pytest.mark.parametrize("shape", SHAPES)
def test_image_and_labels_cover_the_same_pixels(shape, yaw):
    image, labels = paint(shape, 30.0, yaw, x=3.0)
    assert set(np.unique(labels)) == {LABEL_IDS["unlabeled"], LABEL_IDS[shape.label]}
    np.testing.assert_array_equal(image.any(-1), labels != LABEL_IDS["unlabeled"])


@pytest.mark.parametrize("shape", SHAPES)
def test_the_size_agrees_with_the_distance(shape):
    near = 20 + shape.half_length
    _, labels = paint(shape, near)
    rows, columns = np.nonzero(labels)
    assert np.ptp(columns) / 20 == pytest.approx(2 * shape.half_width, rel=0.25)
    assert np.ptp(rows) / 20 == pytest.approx(shape.height, rel=0.15)


@pytest.mark.parametrize("shape", SHAPES)
def test_marks_lie_within_the_outline(shape):
    for mark in (*shape.rear, *shape.front):
        assert mark.across + mark.half_width <= shape.half_width
        assert mark.up - mark.half_height >= 0.2
        assert mark.up + mark.half_height < shape.height


def red(image):
    return ((image[..., 0] > 120) & (image[..., 1] < 90)).sum()


def test_tail_lamps_are_seen_from_behind_only_and_shine_when_braking():
    behind, before = paint(CARS[0], 8.0)[0], paint(CARS[0], 8.0, pi)[0]
    assert red(behind) > 20
    assert red(before) == 0
    assert paint(CARS[0], 8.0, braking=True)[0].max() > behind.max()


def test_odd_paint_is_drawn_as_often_as_asked():
    rng = np.random.default_rng(0)
    usual = [max(draw_paint(rng, TRAM, 0.0)) for _ in range(50)]
    assert min(usual) > 100
    odd = np.array([draw_paint(rng, VAN, 1.0) for _ in range(50)])
    assert odd.std(1).mean() > 30
