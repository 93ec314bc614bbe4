"""Fractal noise tiles, made once, from which all textures are sampled."""

from functools import lru_cache

import numpy as np

__all__ = ["SIDE", "noise_tile", "sample_noise"]

#: Side of a tile in samples; a power of two, so that wrapping is a bitwise and.
SIDE = 512


@lru_cache(maxsize=8)
def noise_tile(slope, seed=0):
    """Periodic noise whose amplitude falls with frequency f as ``f**-slope``.

    Parameters
    ----------
    slope : float
        0 is white noise, 1 is mottled, 2 is soft as clouds.
    seed : int
        Which of the tiles.

    Returns
    -------
    float32 [512, 512]
        Zero mean, unit standard deviation, clipped to [-3, 3].
    """
    white = np.random.default_rng(seed).standard_normal((SIDE, SIDE))
    fy, fx = np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None, :]
    frequency = np.hypot(fx, fy)
    frequency[0, 0] = np.inf
    tile = np.fft.irfft2(np.fft.rfft2(white) * frequency**-slope, (SIDE, SIDE))
    return np.clip(tile / tile.std(), -3, 3).astype(np.float32)


def sample_noise(slope, row, column, seed=0):
    """Noise at broadcastable positions in samples, wrapped around; same shape as they give."""
    wrap = SIDE - 1
    rows = np.floor(row).astype(np.int32) & wrap
    columns = np.floor(column).astype(np.int32) & wrap
    return noise_tile(slope, seed)[rows, columns]
