"""Houses with their facades, a railway bridge, and walls and fences."""

from copy import copy
from math import copysign

import numpy as np

from metaseg_tf.demo.streetscenes.canvas import (
    PALETTES,
    draw_any,
    draw_from,
    pick,
    positions,
    rectangle,
    sample_noise,
    scaled,
)

__all__ = [
    "Facade", "masonry", "paint_bridge", "paint_fence", "paint_house", "paint_view_end",
    "paint_wall",
]  # fmt: skip

#: Places in a facade's palette; there are four kinds of panes.
_WALL, _TRIM, _FRAME, _GLASS_AT, _SIGN, _DOOR = 0, 1, 2, 3, 7, 8


class Facade:
    """One building's face; lengths in metres, shares of a bay or floor in [0, 1].

    It is ``height`` metres high, and its ground floor is 'shop', 'doors' or 'plain'.
    """

    def __init__(self, rng, height, light, normal, ground, odd=False):
        self.height, self.ground = height, ground
        self.brick = bool(rng.uniform() < 0.25)
        ribbon = rng.uniform() < 0.15
        self.floor, self.bay = rng.uniform(2.9, 3.7), rng.uniform(2.0, 3.8)
        self.window_width = 0.96 if ribbon else rng.uniform(0.36, 0.62)
        self.window_low, self.window_high = rng.uniform(0.2, 0.36), rng.uniform(0.78, 0.9)
        self.balconies = bool(rng.uniform() < 0.2)
        wall = draw_from(rng, "brick" if self.brick else "plaster")
        if odd:
            wall = draw_any(rng, 40)
        trim = tuple(min(250.0, c) for c in scaled(wall, rng.uniform(0.85, 1.3)))
        frame = (228, 226, 220) if rng.uniform() < 0.7 else (92, 70, 52)
        sign, door = pick(rng, PALETTES["shop signs"]), (70, 52, 44)
        self.palette = (wall, trim, frame, *PALETTES["glass"], sign, door)
        self.brightness = light.on(normal)
        self.lit = 0.35 if light.dusk else 0.04
        self.seed = int(rng.integers(1 << 16))

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
        lit = (self._hash(storey, number) * 37 & 255) < 255 * self.lit
        rgb[(layer >= _GLASS_AT) & (layer < _SIGN) & lit] = (236, 206, 140)
        solid = (layer < _GLASS_AT) | (layer >= _SIGN)
        # Panes mirror more sky in their upper part; then the reveal's shadow and curtains.
        in_reveal = (within > self.window_high - 0.05) & (within < self.window_high)
        pane = np.float32(0.8) + np.float32(0.6) * within - np.float32(0.35) * in_reveal
        pane = pane + np.float32(0.4) * (across > 0.36 * self.window_width)
        # Brightness of walls around 1: stains, darker above the ground and under ledges, bricks.
        wall = 1 + 0.05 * sample_noise(1.0, up * 12 + self.seed, along * 12 + self.seed)
        wall *= np.clip(0.8 + 0.12 * up, 0.6, 1.0)
        wall -= 0.12 * (within > 0.95)
        wall -= 0.22 * in_reveal
        wall += 0.25 * (within - np.float32(0.5)) * (np.abs(within - np.float32(0.5)) < 0.3)
        if self.brick:
            wall += 0.1 * sample_noise(0.0, up * 13, along * 4 + np.floor(up * 13) % 2 * 0.5)
        shade = np.where(solid, wall, pane) * np.float32(self.brightness)
        return rgb * shade[..., None].astype(np.float32), None

    def _layers(self, up, storey, within, number, across):
        """Index of the palette's entry at each place, uint8 [H, W]."""
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
            layer[upper & (within < 0.3) & (across < 0.42) & (number % 2 == 0)] = _TRIM
        below = storey == 0
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


def masonry(colour, brightness, *, courses=3.0):
    """A shader of plain wall in courses of stones, ``courses`` to the metre."""

    def shader(along, up):
        stones = sample_noise(0.2, up * courses, along * courses * 0.5 + np.floor(up * courses) * 7)
        blotches = sample_noise(1.0, up * 20, along * 20)
        shade = brightness * (1 + 0.12 * stones + 0.05 * blotches)
        return np.array(colour, np.float32) * shade[..., None].astype(np.float32), None

    return shader


def paint_house(canvas, rng, sign, x, near, far, height, ground, odd=False):
    """A house on the side ``sign`` of the street, from ``near`` to ``far`` along it, in metres."""
    facade = Facade(rng, height, canvas.light, (-float(sign), 0.0, 0.0), ground, odd)
    gable = copy(facade)
    gable.ground, gable.bay = "plain", facade.bay * 1.7
    gable.brightness = canvas.light.on((0.0, 0.0, -1.0))
    depth = sign * rng.uniform(8, 12)
    if rng.uniform() < 0.75:
        _paint_roof(canvas, rng, (x, near, far, height), depth, facade.palette)
    canvas.wall((x, near), (x + depth, near), 0, height, gable, "building")
    canvas.wall((x, near), (x, far), 0, height, facade, "building")
    if ground == "shop" and rng.uniform() < 0.4:
        # Sunblinds over the shop windows, each a slope and a valance.
        colour, out = draw_any(rng, 60, 220), x - sign * rng.uniform(0.8, 1.5)
        for z in positions(rng, near + 0.5, far - 3, (3.4, 3.5)):
            slope = [(x, 2.9, z), (x, 2.9, z + 3), (out, 2.35, z + 3), (out, 2.35, z)]
            canvas.lit(slope, colour, "building")
            valance = [(out, 2.35, z), (out, 2.35, z + 3), (out, 2.15, z + 3), (out, 2.15, z)]
            canvas.lit(valance, scaled(colour, 0.85), "building")


def _paint_roof(canvas, rng, place, depth, palette):
    """A pitched roof over a house ``depth`` metres deep, with chimneys and dormers."""
    x, near, far, eaves = place
    ridge, top = x + depth / 2, eaves + rng.uniform(2.5, 5.0)
    colour = draw_from(rng, "roofs")
    end = [(x, eaves, near), (ridge, top, near), (x + depth, eaves, near)]
    canvas.lit(end, palette[0], "building")
    edge = x - copysign(0.3, depth)
    slope = [(edge, eaves, near), (edge, eaves, far), (ridge, top, far), (ridge, top, near)]
    canvas.lit(slope, colour, "building")
    for _ in range(rng.integers(0, 3)):
        z, outline = rng.uniform(near, far), rectangle(-0.4, top - 0.5, 0.4, top + 1)
        canvas.lit([(ridge + across, up, z) for across, up in outline], colour, "building")
    if rng.uniform() < 0.5:
        at = x + 0.35 * (ridge - x)
        low, high = eaves + 0.3 * (top - eaves), eaves + 0.8 * (top - eaves)
        for z in positions(rng, near + rng.uniform(1, 2.5), far - 2, (3.5, 3.7)):
            for margin, frame in ((0.0, palette[1]), (0.25, palette[3])):
                window = rectangle(z + margin, low + margin, z + 1.5 - margin, high - margin)
                canvas.lit([(at, up, along) for along, up in window], frame, "building")


def paint_view_end(canvas, rng, left, right, z):
    """Houses across the end of the street, facing the camera."""
    while left < right:
        end, height = left + rng.uniform(8, 18), rng.uniform(8, 20)
        facade = Facade(rng, height, canvas.light, (0.0, 0.0, -1.0), ground="doors")
        roof = scaled(draw_from(rng, "roofs"), canvas.light.on((0.0, 0.6, -0.8)))
        top = height + rng.uniform(0, 5)
        slope = [(left, height, z), (left + 1, top, z), (end - 1, top, z), (end, height, z)]
        canvas.polygon(slope, roof, "building")
        canvas.wall((left, z), (end, z), 0, height, facade, "building")
        left = end


def paint_bridge(canvas, rng, span, z, *, train):
    """A railway bridge across the street whose opening spans (left, right), with a train or not."""
    stone = masonry(draw_from(rng, "bridges"), canvas.light.on((0.0, 0.0, -1.0)))
    if train:
        wagons = Facade(rng, 9.9, canvas.light, (0.0, 0.0, -1.0), ground="plain", odd=True)
        wagons.floor, wagons.bay, wagons.window_width = 3.2, 2.4, 0.8
        wagons.balconies = wagons.brick = False
        canvas.wall((-70, z + 2), (70, z + 2), 6.0, 9.4, wagons, "train")
    for left, right in ((-80, span[0]), (span[1], 80)):
        canvas.wall((left, z), (right, z), 0, 4.8, stone, "bridge")
    canvas.wall((-80, z), (80, z), 4.6, 6.4, stone, "bridge")


def paint_wall(canvas, rng, start, end, height):
    """A garden or retaining wall between two points (x, z), with a coping."""
    colour, light = draw_from(rng, "garden walls"), canvas.light.on(_across(start, end))
    canvas.wall(start, end, 0, height, masonry(colour, light), "wall")
    coping = masonry(scaled(colour, 1.12), light, courses=1.0)
    canvas.wall(start, end, height - 0.12, height, coping, "wall")


def paint_fence(canvas, rng, start, end, height):
    """A railing, a picket or wire fence, or the red and white boards of a building site."""
    light = canvas.light.on(_across(start, end))
    kind = pick(rng, ("railing", "railing", "pickets", "wire", "site"))
    colour, spacing, share = np.array([70, 96, 76], np.float32) * light, 0.0, 0.0
    if kind == "railing":
        colour, spacing, share = (rng.uniform(40, 110) * light,) * 3, 0.16, 0.3
    elif kind == "pickets":
        colour, spacing, share = scaled((146, 116, 84), rng.uniform(0.7, 1.2) * light), 0.14, 0.78

    def shader(along, up):
        if kind == "site":
            red = (along * 1.6 + up).astype(int) % 2 == 0
            colours = np.array([[226, 222, 218], [196, 44, 40]], np.float32) * light
            boards = (up > height - 0.3) | (up < 0.35) | (along % 2 < 0.06)
            return colours[red.astype(np.uint8)], boards
        rgb = np.broadcast_to(np.array(colour, np.float32), (*up.shape, 3))
        if kind == "wire":
            mesh = ((along * 12).astype(int) + (up * 12).astype(int)) % 3 == 0
            return rgb, mesh | (along % 2.5 < 0.07) | (up > height - 0.05)
        # Upright bars that fill a share of their spacing in metres, between two rails.
        bars = (along % spacing < share * spacing) | (along % 2.0 < 0.08)
        rails = (up > height - 0.07) | ((up > 0.12) & (up < 0.2))
        return rgb * (1 - 0.15 * rails[..., None]), bars | rails

    canvas.wall(start, end, 0.05, height, shader, "fence")


def _across(start, end):
    """Normal of a barrier that runs along the street, or faces the camera if it runs across."""
    if abs(start[1] - end[1]) < abs(start[0] - end[0]):
        return (0.0, 0.0, -1.0)
    return (-1.0 if start[0] > 0 else 1.0, 0.0, 0.0)
