"""Cut-outs: people and two-wheelers, poles, signs, signals and clutter, each of its own class."""

import numpy as np
import pytest

from metaseg_tf.demo.streetscenes import cutouts


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("painter", "settings", "expected"),
    [
        (cutouts.paint_bicycle, {"turn": 0.9}, {"bicycle"}),
        (cutouts.paint_motorcycle, {"turn": 0.3}, {"motorcycle"}),
        (cutouts.paint_rider, {"turn": 0.9}, {"bicycle", "rider"}),
        (cutouts.paint_rider, {"turn": 0.2, "motor": True}, {"motorcycle", "rider"}),
    ],
)
def test_two_wheelers_and_riders_carry_their_labels(easel, painter, settings, expected, seed):
    image, labels = easel.paint(painter, 0.0, 6.0, seed=seed, **settings)
    assert easel.names(labels) == expected
    np.testing.assert_array_equal(image.any(-1), labels > 0)


@pytest.mark.parametrize("height", [1.2, 1.9])
def test_a_person_is_as_tall_as_asked_for_and_stands_on_two_legs(easel, height):
    _, labels = easel.paint(cutouts.paint_person, 0.0, 4.0, height)
    rows, _ = np.nonzero(labels)
    scale = easel.camera.pixels_per_metre(4.0)
    assert np.ptp(rows) / scale == pytest.approx(height, rel=0.06)
    assert easel.names(labels) == {"person"}


@pytest.mark.parametrize("seed", range(8))
def test_both_legs_are_equally_thick(easel, seed):
    """Crossed corners would tie a bow of a leg."""
    _, labels = easel.paint(cutouts.paint_person, 0.0, 3.0, 1.75, seed=seed)
    row = labels[round(easel.camera.project([(0.0, 0.45, 3.0)])[0][1])]
    left, right = np.count_nonzero(row[:100]), np.count_nonzero(row[100:])
    assert left == pytest.approx(right, abs=3)


@pytest.mark.parametrize("seed", range(20))
def test_clutter_is_void(easel, seed):
    image, labels = easel.paint(cutouts.paint_clutter, 0.0, 6.0, seed=seed)
    assert easel.names(labels) <= {"static", "dynamic"}
    assert (image.any(-1) == (labels > 0)).all()


@pytest.mark.parametrize("seed", range(4))
def test_lamps_are_poles_with_a_void_head(easel, seed):
    _, labels = easel.paint(cutouts.paint_lamp, 0.0, 25.0, 1, seed=seed)
    assert easel.names(labels) == {"pole", "static"}


def test_bollards_are_poles(easel):
    _, labels = easel.paint(cutouts.paint_bollard, 0.0, 5.0)
    assert easel.names(labels) == {"pole"}


@pytest.mark.parametrize("seed", range(12))
def test_signs_stand_on_poles(easel, seed):
    image, labels = easel.paint(cutouts.paint_sign, 0.0, 6.0, seed=seed)
    assert easel.names(labels) == {"pole", "traffic sign"}
    np.testing.assert_array_equal(image.any(-1), labels > 0)


@pytest.mark.parametrize("seed", range(12))
def test_signals_have_one_bright_lamp(easel, seed):
    image, labels = easel.paint(cutouts.paint_traffic_light, 0.0, 9.0, -1, seed=seed)
    assert easel.names(labels) == {"pole", "traffic light"}
    lamps = image.max(-1) > 200
    assert lamps.any()
    assert easel.names(labels[lamps]) == {"traffic light"}
