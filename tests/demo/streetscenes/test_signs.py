"""Signs and signals: on poles, in bright colours, with one lamp lit."""

import numpy as np
import pytest

from metaseg_tf.demo.streetscenes import signs


@pytest.mark.parametrize("seed", range(12))
def test_signs_stand_on_poles(easel, seed):
    image, labels = easel.paint(signs.paint_sign, 0.0, 6.0, seed=seed)
    assert easel.names(labels) == {"pole", "traffic sign"}
    np.testing.assert_array_equal(image.any(-1), labels > 0)


@pytest.mark.parametrize("seed", range(12))
def test_signals_have_one_bright_lamp(easel, seed):
    image, labels = easel.paint(signs.paint_traffic_light, 0.0, 9.0, -1, seed=seed)
    assert easel.names(labels) == {"pole", "traffic light"}
    lamps = image.max(-1) > 200
    assert lamps.any()
    assert easel.names(labels[lamps]) == {"traffic light"}
