"""Walls and fences along a street, and railings and site barriers across it."""

import numpy as np

from metaseg_tf.demo.streetscenes.colours import draw_near, pick, scaled
from metaseg_tf.demo.streetscenes.facades import masonry

__all__ = ["paint_fence", "paint_wall"]

_STONES = ((150, 142, 128), (128, 122, 114), (136, 88, 70), (168, 160, 148), (120, 116, 112))


def paint_wall(canvas, rng, start, end, height):
    """A garden or retaining wall between two points (x, z), with a coping."""
    colour = draw_near(rng, pick(rng, _STONES))
    light = canvas.light.on(_across(start, end))
    canvas.wall(start, end, 0, height, masonry(colour, light, courses=3.0), "wall")
    coping = masonry(scaled(colour, 1.12), light, courses=1.0)
    canvas.wall(start, end, height - 0.12, height, coping, "wall")


def paint_fence(canvas, rng, start, end, height):
    """A railing, a picket or wire fence or a red and white barrier, as one of four kinds."""
    light = canvas.light.on(_across(start, end))
    shader = pick(rng, _FENCES)(rng, height, light)
    canvas.wall(start, end, 0.05, height, shader, "fence")


def _across(start, end):
    """Normal of a barrier that runs along the street, or faces the camera if it runs across."""
    if abs(start[1] - end[1]) < abs(start[0] - end[0]):
        return (0.0, 0.0, -1.0)
    return (-1.0 if start[0] > 0 else 1.0, 0.0, 0.0)


def _railing(rng, height, light):
    """Thin bars between two rails."""
    return _bars(tuple((rng.uniform(40, 110) * light,) * 3), height, 0.16, 0.3)


def _pickets(rng, height, light):
    """Broad boards, nearly closed."""
    tone = rng.uniform(0.7, 1.2) * light
    return _bars(scaled((146, 116, 84), tone), height, 0.14, 0.78)


def _bars(colour, height, spacing, share):
    """A shader of upright bars that fill ``share`` of their ``spacing`` in metres."""

    def shader(along, up):
        bars = (along % spacing < share * spacing) | (along % 2.0 < 0.08)
        rails = (up > height - 0.07) | ((up > 0.12) & (up < 0.2))
        rgb = np.broadcast_to(np.array(colour, np.float32), (*up.shape, 3))
        return rgb * (1 - 0.15 * rails[..., None]), bars | rails

    return shader


def _wire(rng, height, light):
    """Posts and a mesh, of which every fourth pixel stands for the wires."""
    green = np.array([70, 96, 76], np.float32) * light

    def shader(along, up):
        mesh = ((along * 12).astype(int) + (up * 12).astype(int)) % 3 == 0
        solid = (along % 2.5 < 0.07) | (up > height - 0.05)
        return np.broadcast_to(green, (*up.shape, 3)), mesh | solid

    return shader


def _site(rng, height, light):
    """Red and white boards of a building site, one above the other."""

    def shader(along, up):
        red = (along * 1.6 + up).astype(int) % 2 == 0
        colours = np.array([[226, 222, 218], [196, 44, 40]], np.float32) * light
        boards = (up > height - 0.3) | (up < 0.35) | (along % 2 < 0.06)
        return colours[red.astype(np.uint8)], boards

    return shader


_FENCES = (_railing, _railing, _pickets, _wire, _site)
