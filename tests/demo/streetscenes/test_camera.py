"""The camera: pixels and distances agree; its effects keep shape and range."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaseg_tf.demo.streetscenes.camera import (
    NEAR,
    TRAINING,
    VALIDATION,
    Camera,
    Light,
    reduce,
    take_photograph,
)

CAMERA = Camera(width=400, height=200, focal=420.0, centre=190.0, horizon=85.0, eye=1.3, bend=4e-4)


@given(st.floats(-20, 20), st.floats(2, 150))
def test_a_point_at_eye_level_lies_on_the_horizon(x, z):
    ((_, row),) = CAMERA.project([(x, CAMERA.eye, z)])
    assert row == pytest.approx(CAMERA.horizon)


@given(st.floats(-20, 20), st.floats(0, 10), st.floats(2, 100))
def test_things_twice_as_far_look_half_as_large(x, size, z):
    def height(distance):
        (_, top), (_, low) = CAMERA.project([(x, size, distance), (x, 0, distance)])
        return low - top

    assert height(2 * z) == pytest.approx(height(z) / 2)


def test_what_is_behind_the_camera_is_moved_before_it():
    assert CAMERA.project([(0, 0, -5)]) == CAMERA.project([(0, 0, NEAR)])


def test_ground_pixels_project_onto_themselves():
    first, z = CAMERA.ground_rows()
    x = CAMERA.ground_x(z)
    for row, column in ((0, 10), (20, 200), (len(z) - 1, 399)):
        ((u, v),) = CAMERA.project([(float(x[row, column]), 0.0, float(z[row]))])
        assert u == pytest.approx(column, abs=0.01)
        assert v == pytest.approx(first + row + 0.5, abs=1.1)


@pytest.mark.parametrize(
    ("start", "end"), [((6, 10), (6, 40)), ((-8, 12), (-3, 12)), ((-5, 9), (-7, 30))]
)
def test_wall_columns_agree_with_a_search_along_the_wall(start, end):
    shares = np.linspace(0, 1, 20001)
    xs, zs = (a + shares * (b - a) for a, b in zip(_bent(start), _bent(end), strict=True))
    seen = CAMERA.centre + CAMERA.focal * xs / zs
    columns = np.linspace(seen.min() + 1, seen.max() - 1, 7)
    along, z = CAMERA.wall_columns(start, end, columns.astype(np.float32))
    nearest = np.abs(seen[:, None] - columns).argmin(0)
    length = np.hypot(xs[-1] - xs[0], zs[-1] - zs[0])
    np.testing.assert_allclose(along, shares[nearest] * length, atol=0.02)
    np.testing.assert_allclose(z, zs[nearest], atol=0.02)


def _bent(point):
    return CAMERA.bent(*point), point[1]


def test_the_drawn_camera_scales_with_the_canvas():
    small, large = (Camera.draw(np.random.default_rng(3), 100 * k, 50 * k) for k in (1, 4))
    assert large.focal == pytest.approx(4 * small.focal)
    assert large.horizon == pytest.approx(4 * small.horizon)
    assert (large.eye, large.bend) == (small.eye, small.bend)


CRISP = replace(
    TRAINING, exposure=(1.0, 1.0), contrast=(1.0, 1.0), defocus=(0.0, 0.0), motion=(0.0, 0.0),
    noise=(0.0, 0.0), jpeg=(100, 100), cast=0.0, saturation=(1.0, 1.0),
)  # fmt: skip
IMAGE = np.random.default_rng(0).integers(0, 256, (12, 18, 3)).astype(np.uint8)


def test_reduce_is_the_mean_over_blocks():
    slow = [[IMAGE[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean((0, 1)) for j in range(9)]
            for i in range(6)]  # fmt: skip
    np.testing.assert_allclose(reduce(IMAGE, 2), slow, rtol=1e-6)


def test_without_effects_a_flat_image_only_darkens_at_the_corners():
    flat = np.full((64, 64, 3), 120, np.float32)
    photograph = take_photograph(flat, np.random.default_rng(0), CRISP)
    assert photograph.dtype == np.uint8
    assert abs(int(photograph[32, 32].mean()) - 120) <= 2
    assert photograph[0, 0].mean() <= photograph[32, 32].mean()


@pytest.mark.parametrize("effect", ["defocus", "motion"])
def test_blur_lowers_the_steps(effect):
    stripes = np.zeros((200, 64, 3), np.float32)
    stripes[:, ::2] = 200
    blurred = replace(CRISP, **{effect: (15.0, 15.0)})
    sharp, soft = (
        take_photograph(stripes, np.random.default_rng(0), conditions).astype(float)
        for conditions in (CRISP, blurred)
    )
    assert np.abs(np.diff(soft, axis=1)).mean() < 0.5 * np.abs(np.diff(sharp, axis=1)).mean()


def test_haze_thickens_with_distance_and_with_the_conditions():
    lights = [[Light.draw(np.random.default_rng(s), c) for s in range(50)]
              for c in (TRAINING, VALIDATION)]  # fmt: skip
    clear, hazy = (np.mean([light.clearness(100.0) for light in drawn]) for drawn in lights)
    assert hazy < clear
    far = lights[0][0].clearness(np.array([0.0, 10.0, 100.0]))
    assert far[0] == 1
    assert (np.diff(far) < 0).all()
