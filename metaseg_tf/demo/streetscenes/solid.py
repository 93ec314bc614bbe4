"""Placing flat pieces in the world: upright cut-outs and boxes turned to any heading."""

from dataclasses import dataclass
from functools import lru_cache
from math import cos, pi, sin

__all__ = ["Frame", "disc", "rectangle", "upright"]


def upright(x, z, points):
    """World points of a cut-out that faces the camera; ``points`` are (across, up) in metres."""
    return [(x + across, up, z) for across, up in points]


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


@dataclass(frozen=True)
class Frame:
    """The place of a body: centre (x, z) on the ground in metres, heading ``yaw`` in radians.

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
        """Whether a face with the outward direction (across, along) is turned to the camera.

        ``offset`` is the distance in metres of the face from the body's centre.
        """
        c, s = cos(self.yaw), sin(self.yaw)
        out_x, out_z = across * c + along * s, along * c - across * s
        from_x, from_z = self.x + offset * out_x, self.z + offset * out_z
        return out_x * camera.bent(from_x, from_z) + out_z * from_z < 0
