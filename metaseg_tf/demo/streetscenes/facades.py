"""Facades: rows of windows, doors, shops and bricks as functions of metres along and up a wall."""

from dataclasses import dataclass

import numpy as np

from metaseg_tf.demo.streetscenes.colours import draw_any, draw_near, pick, scaled
from metaseg_tf.demo.streetscenes.noise import sample_noise

__all__ = ["Facade", "masonry"]

_PLASTER = (
    (214, 204, 180), (196, 188, 176), (222, 216, 204), (206, 184, 140), (178, 172, 164),
    (188, 150, 120), (226, 206, 160), (168, 176, 172), (204, 172, 156), (150, 146, 142),
)  # fmt: skip
_BRICK = ((142, 78, 62), (126, 92, 72), (160, 104, 80), (112, 78, 66))
_GLASS = ((52, 60, 70), (70, 82, 94), (38, 42, 48), (120, 128, 134))
_SIGNS = (
    (176, 36, 40),
    (36, 70, 140),
    (30, 110, 70),
    (220, 180, 40),
    (60, 60, 64),
    (230, 230, 226),
)
_WALL, _TRIM, _FRAME, _GLASS_AT, _SIGN, _DOOR = 0, 1, 2, 3, 7, 8


def _draw_palette(rng, brick, odd):
    """Colours of wall, trim, window frames, panes, shop sign and door, in this order."""
    wall = draw_near(rng, pick(rng, _BRICK if brick else _PLASTER))
    if odd:
        wall = draw_any(rng, 40)
    trim = tuple(min(250.0, c) for c in scaled(wall, rng.uniform(0.85, 1.3)))
    frame = (228, 226, 220) if rng.uniform() < 0.7 else (92, 70, 52)
    return (wall, trim, frame, *_GLASS, pick(rng, _SIGNS), (70, 52, 44))


@dataclass(frozen=True)
class Facade:
    """One building's face; lengths in metres, shares of a bay or floor in [0, 1]."""

    height: float
    floor: float
    bay: float
    window_width: float
    window_low: float
    window_high: float
    ground: str
    brick: bool
    balconies: bool
    palette: tuple[tuple[float, float, float], ...]
    brightness: float
    lit: float
    seed: int

    @classmethod
    def draw(cls, rng, height, light, normal, *, ground, odd=False):
        """A facade of ``height`` metres whose ground floor is 'shop', 'doors' or 'plain'."""
        brick = bool(rng.uniform() < 0.25)
        ribbon = rng.uniform() < 0.15
        return cls(
            height=height,
            floor=rng.uniform(2.9, 3.7),
            bay=rng.uniform(2.0, 3.8),
            window_width=0.96 if ribbon else rng.uniform(0.36, 0.62),
            window_low=rng.uniform(0.2, 0.36),
            window_high=rng.uniform(0.78, 0.9),
            ground=ground,
            brick=brick,
            balconies=bool(rng.uniform() < 0.2),
            palette=_draw_palette(rng, brick, odd),
            brightness=light.on(normal),
            lit=0.35 if light.dusk else 0.04,
            seed=int(rng.integers(1 << 16)),
        )

    def __call__(self, along, up):
        """Colours, float32 [H, W, 3], at metres ``along`` [W] and ``up`` [H, W]."""
        level = up / np.float32(self.floor)
        storey = np.floor(level)
        within = level - storey
        bay = along / np.float32(self.bay)
        number = np.floor(bay)
        across = np.abs(bay - number - np.float32(0.5))
        layer = self._layers(up, storey, within, number, across)
        rgb = np.array(self.palette, np.float32)[layer]
        rgb[(layer >= _GLASS_AT) & (layer < _SIGN) & self._is_lit(storey, number)] = (236, 206, 140)
        solid = (layer < _GLASS_AT) | (layer >= _SIGN)
        wall, pane = self._weathering(along, up, within), self._reflection(within, across)
        shade = np.where(solid, wall, pane) * np.float32(self.brightness)
        return rgb * shade[..., None].astype(np.float32), None

    def _layers(self, up, storey, within, number, across):
        """Which entry of the palette shows at each place, uint8 [H, W]."""
        layer = np.zeros(up.shape, np.uint8)
        layer[(within < 0.05) & (storey >= 1)] = _TRIM
        layer[up > self.height - 0.5] = _TRIM
        half = self.window_width / 2
        glass = (_GLASS_AT + self._hash(storey, number) % 4).astype(np.uint8)
        tall = (within > self.window_low) & (within < self.window_high)
        top = self.height // self.floor * self.floor - 0.2
        upper = (storey >= 1) & (up < top)
        framed = (within > self.window_low - 0.04) & (within < self.window_high + 0.03) & upper
        layer[framed & (across < half + 0.035)] = _FRAME
        pane = tall & upper & (across < half) & (across > 0.02)
        layer = np.where(pane, glass, layer)
        if self.balconies:
            rail = upper & (within < 0.3) & (across < 0.42) & (number % 2 == 0)
            layer[rail] = _TRIM
        return self._ground_floor(layer, storey == 0, within, number, across, glass)

    def _ground_floor(self, layer, below, within, number, across, glass):
        if self.ground == "shop":
            layer[below & (within > 0.76)] = _SIGN
            letters = below & (within > 0.83) & (within < 0.93) & (across * 9 % 1 < 0.55)
            layer[letters & (number % 3 < 2)] = _FRAME
            window = below & (within < 0.72) & (within > 0.12) & (across < 0.45)
            return np.where(window, glass, layer)
        if self.ground == "doors":
            door = (number % 4 == 1) & (across < 0.2)
            layer[below & door & (within < 0.7)] = _DOOR
            window = below & ~door & (within > 0.35) & (within < 0.8)
            layer[window & (across < self.window_width / 2 + 0.03)] = _FRAME
            return np.where(window & (across < self.window_width / 2), glass, layer)
        return layer

    def _hash(self, storey, number):
        """A number for each window that looks random yet is the same for all its pixels."""
        mixed = storey.astype(np.int32) * 7919 + number.astype(np.int32) * 104729 + self.seed
        return (mixed ^ (mixed >> 7)) & 255

    def _is_lit(self, storey, number):
        return (self._hash(storey, number) * 37 & 255) < 255 * self.lit

    def _weathering(self, along, up, within):
        """Brightness around 1: stains, darker above the ground and under ledges, bricks."""
        shade = 1 + 0.05 * sample_noise(1.0, up * 12 + self.seed, along * 12 + self.seed)
        shade *= np.clip(0.8 + 0.12 * up, 0.6, 1.0)
        shade -= 0.12 * (within > 0.95)
        shade -= 0.22 * ((within > self.window_high - 0.05) & (within < self.window_high))
        shade += 0.25 * (within - np.float32(0.5)) * (np.abs(within - np.float32(0.5)) < 0.3)
        if self.brick:
            shade += 0.1 * sample_noise(0.0, up * 13, along * 4 + np.floor(up * 13) % 2 * 0.5)
        return shade

    def _reflection(self, within, across):
        """Brightness of the panes: more sky in the upper part, curtains, the reveal's shadow."""
        sky = np.float32(0.8) + np.float32(0.6) * within
        reveal = (within > self.window_high - 0.05) & (within < self.window_high)
        curtain = across > 0.36 * self.window_width
        return sky - np.float32(0.35) * reveal + np.float32(0.4) * curtain


def masonry(colour, brightness, *, courses=3.0, strength=0.12):
    """A shader of plain wall in courses of stones, ``courses`` to the metre."""

    def shader(along, up):
        stones = sample_noise(0.2, up * courses, along * courses * 0.5 + np.floor(up * courses) * 7)
        blotches = sample_noise(1.0, up * 20, along * 20)
        shade = brightness * (1 + strength * stones + 0.05 * blotches)
        return np.array(colour, np.float32) * shade[..., None].astype(np.float32), None

    return shader
