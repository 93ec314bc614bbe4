"""Street furniture: void clutter, poles, signs in bright colours, signals with one lamp lit."""

import numpy as np
import pytest

from metaseg_tf.demo.streetscenes import furniture
from metaseg_tf.demo.streetscenes.furniture import paint_bollard, paint_clutter, paint_lamp


@pytest.mark.parametrize("seed", range(20))
def test_clutter_is_void(easel, seed):
    image, labels = easel.paint(paint_clutter, 0.0, 6.0, seed=seed)
    assert easel.names(labels) <= {"static", "dynamic"}
    assert (image.any(-1) == (labels > 0)).all()


@pytest.mark.parametrize("seed", range(4))
def test_lamps_are_poles_with_a_void_head(easel, seed):
    _, labels = easel.paint(paint_lamp, 0.0, 25.0, 1, seed=seed)
    assert easel.names(labels) == {"pole", "static"}


def test_bollards_are_poles(easel):
    _, labels = easel.paint(paint_bollard, 0.0, 5.0)
    assert easel.names(labels) == {"pole"}


@pytest.mark.parametrize("seed", range(12))
def test_signs_stand_on_poles(easel, seed):
    image, labels = easel.paint(furniture.paint_sign, 0.0, 6.0, seed=seed)
    assert easel.names(labels) == {"pole", "traffic sign"}
    np.testing.assert_array_equal(image.any(-1), labels > 0)


@pytest.mark.parametrize("seed", range(12))
def test_signals_have_one_bright_lamp(easel, seed):
    image, labels = easel.paint(furniture.paint_traffic_light, 0.0, 9.0, -1, seed=seed)
    assert easel.names(labels) == {"pole", "traffic light"}
    lamps = image.max(-1) > 200
    assert lamps.any()
    assert easel.names(labels[lamps]) == {"traffic light"}
