"""The camera: distances and positions found from pixels are those that project onto them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaseg_tf.demo.streetscenes.camera import NEAR, Camera

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
