"""Clutter and posts: void classes and poles, never a class that is evaluated otherwise."""

import pytest

from metaseg_tf.demo.streetscenes.clutter import paint_clutter
from metaseg_tf.demo.streetscenes.furniture import paint_bollard, paint_lamp


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
