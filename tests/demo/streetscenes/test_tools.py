"""Noise tiles: standardised, smooth by slope and without a seam."""

import numpy as np
import pytest

from metaseg_tf.demo.streetscenes.canvas import SIDE, noise_tile, sample_noise


@pytest.mark.parametrize("slope", [0.0, 1.0, 2.0])
def test_tiles_are_standardised(slope):
    tile = noise_tile(slope)
    assert tile.shape == (SIDE, SIDE)
    assert tile.dtype == np.float32
    assert abs(tile.mean()) < 0.05
    assert tile.std() == pytest.approx(1, abs=0.05)


def test_a_steeper_slope_is_smoother():
    steps = [np.abs(np.diff(noise_tile(slope))).mean() for slope in (0.0, 1.0, 2.0)]
    assert steps == sorted(steps, reverse=True)


def test_samples_wrap_around():
    row, column = np.arange(-700, 700, 37.0), np.arange(700, -700, -37.0)
    wrapped = sample_noise(1.0, row + SIDE, column - 3 * SIDE)
    np.testing.assert_array_equal(sample_noise(1.0, row, column), wrapped)
    tile = noise_tile(1.0)
    slow = [tile[int(r) % SIDE, int(np.floor(c)) % SIDE] for r, c in zip(row, column, strict=True)]
    np.testing.assert_array_equal(sample_noise(1.0, row, column), slow)
