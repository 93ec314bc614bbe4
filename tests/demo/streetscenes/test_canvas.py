"""The canvas changes image and labels at the same pixels; stamps agree with a slow look-up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaseg_tf.demo.streetscenes.camera import Camera, Light
from metaseg_tf.demo.streetscenes.canvas import LABEL_IDS, Canvas, cut_stamp, make_stamp

RED = (200.0, 10.0, 10.0)
CORNERS = st.tuples(st.floats(-3, 3), st.floats(0, 4), st.floats(3, 20))


def make_canvas(visibility=1e9):
    camera = Camera(120, 80, focal=100.0, centre=60.0, horizon=40.0, eye=1.3, bend=0.0)
    light = Light((0.0, 1.0, 0.0), 0.5, 0.6, (200.0, 200.0, 200.0), visibility, dusk=False)
    return Canvas(camera, light)


def changed(canvas):
    image, labels = canvas.arrays()
    return image.any(-1), labels != LABEL_IDS["unlabeled"]


@given(st.lists(CORNERS, min_size=3, max_size=6))
def test_a_polygon_covers_the_same_pixels_of_both(corners):
    canvas = make_canvas()
    canvas.polygon(corners, RED, "car")
    np.testing.assert_array_equal(*changed(canvas))


def test_a_polygon_without_label_leaves_the_labels():
    canvas = make_canvas()
    canvas.polygon([(-1, 0, 5), (0, 2, 5), (1, 0, 5)], RED)
    image, labels = changed(canvas)
    assert image.any()
    assert not labels.any()


@pytest.mark.parametrize(("z", "colour"), [(1.0, (200, 10, 10)), (1e6, (200, 200, 200))])
def test_haze_takes_the_colour_with_the_distance(z, colour):
    assert make_canvas(visibility=500.0).fade(RED, z) == pytest.approx(colour, abs=2)


def test_a_face_towards_the_sun_is_brighter():
    top, front = make_canvas(), make_canvas()
    top.lit([(-2, 0, 4), (-2, 0, 8), (2, 0, 8), (2, 0, 4)], RED, "road")
    front.lit([(-2, 0, 4), (-2, 2, 4), (2, 2, 4), (2, 0, 4)], RED, "road")
    assert top.arrays()[0].max() > front.arrays()[0].max()


def flat_shader(along, up):
    return np.full((*up.shape, 3), 90, np.float32), None


def striped_shader(along, up):
    rgb, _ = flat_shader(along, up)
    return rgb, np.broadcast_to(along % 1 < 0.5, up.shape)


def test_a_wall_covers_the_same_pixels_of_both():
    canvas = make_canvas()
    canvas.wall((2, 5), (2, 20), 0, 3, flat_shader, "wall")
    image, labels = changed(canvas)
    assert labels.sum() > 100
    np.testing.assert_array_equal(image, labels)


def test_a_fence_is_seen_through_yet_labelled_as_a_whole():
    canvas = make_canvas()
    canvas.wall((-2, 8), (2, 8), 0, 1, striped_shader, "fence")
    image, labels = changed(canvas)
    assert 0.3 < image.sum() / labels.sum() < 0.7
    assert not (image & ~labels).any()


@pytest.mark.parametrize("x", [-3.0, 0.0, 3.0, 4.2])
def test_a_stamp_covers_the_same_pixels_of_both_even_when_cut(x):
    y, across = np.mgrid[-1:1:64j, -1:1:64j]
    stamp = make_stamp(np.hypot(y, across) < 0.9, np.abs(y))
    canvas = make_canvas()
    canvas.stamp((x, 1.3, 6.0), 2.0, 2.0, stamp, RED, "vegetation")
    image, labels = changed(canvas)
    assert labels.any()
    np.testing.assert_array_equal(image, labels)


def test_what_is_out_of_view_paints_nothing():
    canvas = make_canvas()
    canvas.wall((50, 5), (60, 5), 0, 3, flat_shader, "wall")
    canvas.polygon([(50, 0, 5), (50, 2, 5), (60, 0, 5)], RED, "car")
    assert not np.any(changed(canvas))


Y, X = np.mgrid[-1:1:96j, -1:1:96j]
STAMP = make_stamp(np.hypot(X, Y) < 0.8, np.abs(X))


def test_levels_halve_and_keep_their_cover():
    sides = [len(mask) for mask, _ in STAMP]
    assert sides == [96, 48, 24, 12]
    covers = [mask.mean() for mask, _ in STAMP]
    assert covers == pytest.approx([covers[0]] * 4, abs=0.05)


@pytest.mark.parametrize(
    ("size", "level"), [((300, 200), 0), ((96, 50), 0), ((48, 48), 1), ((9, 5), 3)]
)
def test_cut_agrees_with_a_look_up_pixel_by_pixel(size, level):
    corner, window = (-3, 4), (0, 5, size[0] - 4, size[1] + 2)
    mask, shade = cut_stamp(STAMP, size, corner, window)
    whole, whole_shade = STAMP[level]
    assert mask.shape == shade.shape == (size[1] - 3, size[0] - 4)
    for row in range(0, mask.shape[0], 7):
        for column in range(0, mask.shape[1], 7):
            at = ((row + 1) * len(whole) // size[1], (column + 3) * len(whole) // size[0])
            assert mask[row, column] == whole[at]
            assert shade[row, column] == whole_shade[at]
