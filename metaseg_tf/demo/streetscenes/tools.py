"""Tools of all painters: labels, colours, flat pieces placed in the world, and noise."""

import json
from dataclasses import dataclass
from functools import lru_cache
from math import cos, pi, sin
from pathlib import Path

import numpy as np

from metaseg_tf.data.cityscapes import LABELS

__all__ = [
    "GROUNDS", "KINDS", "LABEL_IDS", "PALETTES", "SIDE", "Frame", "disc", "draw_any", "draw_from",
    "draw_near", "noise_tile", "pick", "positions", "rectangle", "sample_noise", "scaled",
]  # fmt: skip

#: Label ids of the Cityscapes annotation files (``*_labelIds.png``).
LABEL_IDS = {label.name: label.label_id for label in LABELS}

#: Kinds of things: "palettes" of colours, "grounds", "sides" of streets and "trees".
KINDS = json.loads(Path(__file__).with_name("kinds.json").read_text(encoding="utf-8"))
#: Colours (r, g, b) in 0..255 of a kind of thing, to pick from.
PALETTES = KINDS["palettes"]
#: Kinds of ground: base colour and Cityscapes label.
GROUNDS = KINDS["grounds"]


def scaled(colour, factor):
    """``colour`` brighter or darker by ``factor``, not clipped."""
    return tuple(c * factor for c in colour)


def draw_near(rng, colour, spread=0.15):
    """``colour``, brighter or darker by up to the share ``spread``, its channels by a little."""
    factor = rng.uniform(1 - spread, 1 + spread)
    return tuple(c * factor * t for c, t in zip(colour, rng.uniform(0.97, 1.03, 3), strict=True))


def draw_any(rng, low=20.0, high=240.0):
    """Any colour with channels between ``low`` and ``high``."""
    return tuple(rng.uniform(low, high, 3).tolist())


def pick(rng, choices):
    """One of ``choices``, all equally likely."""
    return choices[rng.integers(len(choices))]


def draw_from(rng, palette, spread=0.15):
    """A colour near one of a palette."""
    return draw_near(rng, pick(rng, PALETTES[palette]), spread)


def rectangle(left, bottom, right, top):
    """The four corners of an upright rectangle, in order."""
    return [(left, bottom), (left, top), (right, top), (right, bottom)]


def disc(across, up, radius, *, height=None, corners=12):
    """Corners of a regular polygon in place of a disc or, given ``height``, of an ellipse."""
    tall = radius if height is None else height
    return [(across + radius * x, up + tall * y) for x, y in _unit_circle(corners)]


@lru_cache
def _unit_circle(corners):
    angles = (2 * pi * k / corners for k in range(corners))
    return tuple((cos(a), sin(a)) for a in angles)


def positions(rng, start, stop, gap):
    """Distances from ``start`` up to ``stop``, each further by a draw from ``gap`` (low, high)."""
    z = start
    while z < stop:
        yield z
        z += rng.uniform(*gap)


@dataclass(frozen=True)
class Frame:
    """Place of a body: centre (x, z) on the ground in metres, heading ``yaw`` in radians.

    A body's own coordinates are (across, up, along); with ``yaw`` 0 it heads away from the camera.
    """

    x: float
    z: float
    yaw: float

    def place(self, points):
        """World points of the body's own points (across, up, along)."""
        c, s = cos(self.yaw), sin(self.yaw)
        return [(self.x + a * c + m * s, up, self.z + m * c - a * s) for a, up, m in points]

    def faces(self, camera, across, along, offset):
        """True if a face ``offset`` metres (across, along) off the centre is seen by the camera."""
        c, s = cos(self.yaw), sin(self.yaw)
        out_x, out_z = across * c + along * s, along * c - across * s
        from_x, from_z = self.x + offset * out_x, self.z + offset * out_z
        return out_x * camera.bent(from_x, from_z) + out_z * from_z < 0


#: Side of a tile in samples; a power of two, so that wrapping is a bitwise and.
SIDE = 512


@lru_cache(maxsize=8)
def noise_tile(slope, seed=0):
    """Periodic noise, float32 [512, 512], whose amplitude falls with frequency f as ``f**-slope``.

    A slope of 0 is white noise, 1 is mottled, 2 is soft as clouds. Zero mean, unit standard
    deviation, clipped to [-3, 3]; ``seed`` selects one of several tiles.
    """
    white = np.random.default_rng(seed).standard_normal((SIDE, SIDE))
    fy, fx = np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None, :]
    frequency = np.hypot(fx, fy)
    frequency[0, 0] = np.inf
    tile = np.fft.irfft2(np.fft.rfft2(white) * frequency**-slope, (SIDE, SIDE))
    return np.clip(tile / tile.std(), -3, 3).astype(np.float32)


def sample_noise(slope, row, column, seed=0):
    """Noise at broadcastable positions in samples, wrapped around; same shape as they give."""
    rows, columns = (np.floor(at).astype(np.int32) & (SIDE - 1) for at in (row, column))
    return noise_tile(slope, seed)[rows, columns]
