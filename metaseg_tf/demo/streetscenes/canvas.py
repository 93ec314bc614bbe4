"""What all painters use: labels, colours, shapes, noise, and the canvas.

Image and labels are painted together, from far to near, so that they agree pixel by pixel.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from math import cos, exp, pi, sin
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from metaseg_tf.data.cityscapes import LABELS

__all__ = [
    "GROUNDS", "KINDS", "LABEL_IDS", "PALETTES", "SIDE", "SUPERSAMPLING", "Canvas", "Frame",
    "cut_stamp", "disc", "draw_any", "draw_from", "draw_near", "make_stamp", "noise_tile", "pick",
    "positions", "rectangle", "sample_noise", "scaled",
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

    White for a slope of 0, mottled for 1, soft as clouds for 2; normalised and clipped to [-3, 3].
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


_SMALLEST = 12


def make_stamp(mask, shade):
    """A stamp of a mask, bool [S, S], and brightness, float [S, S] in [0, 1].

    It is a list of levels, each half as wide as the one before: masks with shades, uint8 [S, S].
    """
    levels, cover = [], mask.astype(np.float32)
    while len(cover) >= _SMALLEST:
        levels.append((cover > 0.5, np.round(255 * shade).astype(np.uint8)))
        cover, shade = _halve(cover), _halve(shade)
    return levels


def cut_stamp(levels, size, corner, window):
    """Mask and shade that a ``window`` shows of a stamp scaled to ``size`` at ``corner``.

    In pixels: width and height, left and top, and left, top, right and bottom within the stamp.
    """
    # The coarsest level that is at least as fine as asked for, or the finest there is.
    fine = [level for level in levels if len(level[0]) >= max(size)]
    mask, shade = fine[-1] if fine else levels[0]
    columns, rows = (
        (np.arange(window[i], window[i + 2]) - corner[i]) * len(mask) // size[i] for i in (0, 1)
    )
    at = np.ix_(rows, columns)
    return mask[at], shade[at]


def _halve(array):
    return (array[::2, ::2] + array[1::2, ::2] + array[::2, 1::2] + array[1::2, 1::2]) / 4


#: The canvas has this many pixels per side of a pixel of the scene.
SUPERSAMPLING = 2


class Canvas:
    """RGB image and label image of one size, with the camera and light that paint onto them."""

    def __init__(self, camera, light):
        self.camera = camera
        self.light = light
        size = (camera.width, camera.height)
        self.image = Image.new("RGB", size)
        self.labels = Image.new("L", size, LABEL_IDS["unlabeled"])
        self._image_pen = ImageDraw.Draw(self.image)
        self._label_pen = ImageDraw.Draw(self.labels)

    def fade(self, colour, z):
        """``colour`` (r, g, b in 0..255) seen through ``z`` metres of air, as integers."""
        clear = exp(-z / self.light.visibility)
        (r, g, b), (hr, hg, hb), hazy = colour, self.light.haze, 1 - clear
        r, g, b = r * clear + hr * hazy, g * clear + hg * hazy, b * clear + hb * hazy
        return min(255, int(r)), min(255, int(g)), min(255, int(b))

    def polygon(self, points, colour, label=None):
        """Fill a polygon of world points; without ``label`` the labels below stay."""
        depth = sum(p[2] for p in points) / len(points)
        self.flat(self.camera.project(points), self.fade(colour, depth), label)

    def cutout(self, x, z, points, colour, label):
        """Fill a polygon of points (across, up) in metres from (x, z), upright to the camera."""
        self.polygon([(x + across, up, z) for across, up in points], colour, label)

    def flat(self, pixels, colour, label=None):
        """Fill a polygon of pixel positions with an integer colour."""
        self._image_pen.polygon(pixels, fill=colour)
        if label is not None:
            self._label_pen.polygon(pixels, fill=LABEL_IDS[label])

    def lit(self, points, colour, label=None):
        """Fill a flat face of world points in the light that its normal gives it."""
        (ax, ay, az), (bx, by, bz), (cx, cy, cz) = points[:3]
        ux, uy, uz, vx, vy, vz = bx - ax, by - ay, bz - az, cx - ax, cy - ay, cz - az
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        length = (nx * nx + ny * ny + nz * nz) ** 0.5
        if nx * ax + ny * (ay - 1.3) + nz * az > 0:
            # Towards the camera.
            length = -length
        normal = (nx / length, ny / length, nz / length) if length else (0.0, 1.0, 0.0)
        self.polygon(points, scaled(colour, self.light.on(normal)), label)

    def wall(self, start, end, bottom, top, shader, label):
        """Paint a vertical wall over the ground line between two points (x, z), all in metres.

        ``shader(along [W], up [H, W])`` gives colours, float32 [H, W, 3], and opacity, bool [H, W]
        or None. What is not opaque is seen through, yet has the label, as fences in Cityscapes.
        """
        (xa, za), (xb, zb) = start, end
        corners = [(xa, bottom, za), (xa, top, za), (xb, top, zb), (xb, bottom, zb)]
        quad = self.camera.project(corners)
        box = self._visible_box(quad)
        if box is None:
            return
        left, top, right, bottom = box
        columns = np.arange(left, right, dtype=np.float32) + np.float32(0.5)
        along, z = self.camera.wall_columns(start, end, columns)
        rows = np.arange(top, bottom, dtype=np.float32)[:, None] + np.float32(0.5)
        steps = (rows - np.float32(self.camera.horizon)) * (z / np.float32(self.camera.focal))
        rgb, opacity = shader(along, np.float32(self.camera.eye) - steps)
        clear = self.light.clearness(z)[:, None]
        rgb = rgb * clear + np.array(self.light.haze, np.float32) * (1 - clear)
        patch = Image.fromarray(np.clip(rgb, 0, 255).astype(np.uint8))
        mask = Image.new("1", patch.size)
        ImageDraw.Draw(mask).polygon([(u - left, v - top) for u, v in quad], fill=1)
        self.labels.paste(LABEL_IDS[label], box, mask)
        if opacity is not None:
            mask = Image.fromarray(np.asarray(mask) & opacity)
        self.image.paste(patch, box, mask)

    def stamp(self, centre, width, height, stamp, colour, label):
        """Paint a stamp upright at the world point ``centre``, ``width`` x ``height`` metres."""
        ((u, v),) = self.camera.project([centre])
        scale = self.camera.pixels_per_metre(centre[2])
        size = (max(2, round(width * scale)), max(2, round(height * scale)))
        corner = (round(u - size[0] / 2), round(v - size[1] / 2))
        far = [side + at - 1 for side, at in zip(size, corner, strict=True)]
        window = self._visible_box([corner, far])
        if window is None:
            return
        mask, shade = (Image.fromarray(part) for part in cut_stamp(stamp, size, corner, window))
        dark, bright = (self.fade(scaled(colour, k), centre[2]) for k in (0.25, 1.6))
        shade.putpalette(np.linspace(dark, bright, 256).astype(np.uint8).tobytes())
        self.image.paste(shade.convert("RGB"), window, mask)
        self.labels.paste(LABEL_IDS[label], window, mask)

    def arrays(self):
        """Copies as uint8 [H, W, 3] and uint8 [H, W]."""
        return np.array(self.image), np.array(self.labels)

    def _visible_box(self, pixels):
        columns, rows = zip(*pixels, strict=True)
        left, top = max(0, int(min(columns))), max(0, int(min(rows)))
        right = min(self.camera.width, int(max(columns)) + 1)
        bottom = min(self.camera.height, int(max(rows)) + 1)
        return (left, top, right, bottom) if left < right and top < bottom else None
