"""The camera's effects: reduction is a mean, the rest keeps shape and range."""

from dataclasses import replace

import numpy as np
import pytest

from metaseg_tf.demo.streetscenes.conditions import TRAINING, VALIDATION, Light
from metaseg_tf.demo.streetscenes.optics import reduce, take_photograph

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
