"""The plan of one street: its cross-section, side streets and road marks, in metres."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

__all__ = ["Plan", "Side", "SideStreet", "Strip", "draw_plan"]

#: Characters of a side of a street with their frequency.
_CHARACTERS = {
    "town": 0.34,
    "boulevard": 0.2,
    "suburb": 0.18,
    "park": 0.1,
    "works": 0.1,
    "square": 0.08,
}


class Strip(NamedTuple):
    """A strip of ground along the street between two positions across it."""

    left: float
    right: float
    kind: str


class SideStreet(NamedTuple):
    """A street that joins between the distances ``near`` and ``far``."""

    near: float
    far: float
    kerb: float
    end: float
    sign: int


@dataclass(frozen=True)
class Side:
    """One side of the street: ``sign`` is -1 left, 1 right; positions count outwards from it."""

    sign: int
    character: str
    kerb: float
    parking: bool
    pavement: float
    facade: float
    verge: float | None

    def at(self, outwards):
        """Position across the street of what lies ``outwards`` metres from the camera's path."""
        return self.sign * outwards


@dataclass(frozen=True)
class Plan:
    """All that is fixed about a street before anything stands in it."""

    left_kerb: float
    right_kerb: float
    strips: tuple[Strip, ...]
    sides: tuple[Side, Side]
    side_streets: tuple[SideStreet, ...]
    marks: tuple
    end: float
    lane: float
    crossing: float | None
    tram: float | None


def draw_plan(rng):
    """Draw a street: lanes, both sides, side streets, crossing, tram track and marks."""
    lane = rng.uniform(2.9, 3.6)
    right_kerb = lane / 2 + lane * (rng.uniform() < 0.25) + rng.uniform(0.2, 1.0)
    left_lanes = 1 + (rng.uniform() < 0.3)
    tram = -lane * 1.2 - 0.4 if rng.uniform() < 0.28 else None
    left_kerb = -lane / 2 - lane * (left_lanes + (tram is not None)) - rng.uniform(0.2, 0.8)
    sides, strips = [], list(_carriageway(left_kerb, right_kerb, lane))
    for sign, kerb in ((-1, -left_kerb), (1, right_kerb)):
        side, ground = _draw_side(rng, sign, kerb)
        sides.append(side)
        strips += ground
    if tram is not None:
        strips += _track(rng, tram)
    end = rng.uniform(70, 170) if rng.uniform() < 0.75 else rng.uniform(28, 60)
    streets = tuple(s for side in sides for s in _draw_side_streets(rng, side, end))
    streets += tuple(_across_end(side, end) for side in sides if rng.uniform() < 0.8)
    crossing = streets[0].near - 2.5 if streets and rng.uniform() < 0.8 else None
    marks = _draw_marks(rng, lane, left_kerb, right_kerb, crossing)
    return Plan(
        left_kerb,
        right_kerb,
        tuple(strips),
        tuple(sides),
        streets,
        marks,
        end,
        lane,
        crossing,
        tram,
    )


def _carriageway(left_kerb, right_kerb, lane):
    """Asphalt, darker where wheels run and in the gutters."""
    yield Strip(left_kerb, right_kerb, "asphalt")
    for centre in np.arange(0, left_kerb + 1, -lane).tolist():
        for wheel in (-0.75, 0.75):
            yield Strip(centre + wheel - 0.22, centre + wheel + 0.22, "worn")
    for kerb in (left_kerb, right_kerb):
        yield Strip(kerb - 0.12, kerb + 0.12, "gutter")


def _draw_side(rng, sign, kerb):
    """One side and the strips on it, from the kerb outwards."""
    character = rng.choice(list(_CHARACTERS), p=list(_CHARACTERS.values()))
    at, strips = kerb, []

    def lay(width, kind):
        nonlocal at
        edges = sorted((sign * at, sign * (at + width)))
        strips.append(Strip(*edges, kind))
        at += width

    parking = rng.uniform() < 0.45
    if parking:
        lay(2.2, rng.choice(["asphalt", "parking", "cobbles"], p=[0.7, 0.15, 0.15]))
    lay(0.2, "kerb")
    verge = None
    if rng.uniform() < (0.75 if character in ("boulevard", "park", "suburb") else 0.2):
        verge = at + 0.8
        lay(rng.uniform(1.4, 3.0), rng.choice(["grass", "soil"], p=[0.8, 0.2]))
    if rng.uniform() < 0.25:
        lay(1.5, "cyclepath")
    pavement = at
    lay(rng.uniform(2.0, 5.0), "slabs")
    facade = at + rng.uniform(0.0, 0.4)
    if character in ("suburb", "park", "works"):
        facade = at + rng.uniform(2, 7)
    elif character == "square":
        facade = at + rng.uniform(8, 22)
    lay(60, "grass" if character in ("suburb", "park") else rng.choice(["slabs", "plaza", "soil"]))
    return Side(sign, str(character), kerb, parking, pavement, facade, verge), strips


def _track(rng, centre):
    """Bed and rails of a tram track; the bed is asphalt in a street where cars share it."""
    if rng.uniform() < 0.6:
        yield Strip(centre - 1.3, centre + 1.3, "rails" if rng.uniform() < 0.6 else "grass")
    for rail in (-0.72, 0.72):
        yield Strip(centre + rail - 0.05, centre + rail + 0.05, "rails")


def _draw_side_streets(rng, side, end):
    """Side streets of one side, from near to far."""
    near = rng.uniform(12, 60)
    while near < end - 25:
        if rng.uniform() < 0.75:
            yield SideStreet(
                near, near + rng.uniform(6, 10), side.at(side.kerb), side.at(side.facade + 40),
                side.sign,
            )  # fmt: skip
        near += rng.uniform(30, 70)


def _across_end(side, end):
    """The arm towards this side of the street that runs across the end of this one."""
    return SideStreet(end, end + 9, 0.0, side.at(90.0), side.sign)


def _draw_marks(rng, lane, left_kerb, right_kerb, crossing):
    """Outlines (x, z) of the painted marks: lane lines, a crossing and arrows."""
    marks = []
    dash, period = rng.choice([(3.0, 6.0), (6.0, 12.0), (200.0, 400.0)], p=[0.5, 0.35, 0.15])
    start = rng.uniform(1, period if period < 100 else 2)
    for line in [*np.arange(-lane / 2, left_kerb + 1, -lane).tolist(), lane / 2]:
        if line < right_kerb - 1.2 and rng.uniform() < 0.85:
            for z in np.arange(start, 110, period):
                marks += _pieces(line - 0.07, line + 0.07, z, min(z + dash, 110))
    if rng.uniform() < 0.3:
        marks += _pieces(right_kerb - 0.35, right_kerb - 0.22, 1.5, 110)
    if crossing is not None:
        marks += _crossing(rng, left_kerb, right_kerb, lane, crossing)
    if rng.uniform() < 0.3:
        marks += _arrow(rng.uniform(8, 25))
    return tuple(marks)


def _pieces(left, right, near, far):
    """A line cut where the street's bend asks for it."""
    for z in np.arange(near, far, 8):
        yield _box(left, right, float(z), float(min(z + 8, far)))


def _box(left, right, near, far):
    return ((left, near), (left, far), (right, far), (right, near))


def _crossing(rng, left_kerb, right_kerb, lane, z):
    """A zebra or two dashed lines, with a stop line before it."""
    yield _box(-lane / 2, right_kerb - 0.2, z - 4.3, z - 3.9)
    if rng.uniform() < 0.5:
        for x in np.arange(left_kerb + 0.3, right_kerb - 0.5, 1.0):
            yield _box(x, x + 0.5, z - 3, z)
    else:
        for x in np.arange(left_kerb + 0.2, right_kerb - 0.5, 1.0):
            yield _box(x, x + 0.55, z - 3.1, z - 2.9)
            yield _box(x, x + 0.55, z, z + 0.2)


def _arrow(z):
    """An arrow in the lane of the camera."""
    yield _box(-0.08, 0.08, z, z + 2.5)
    yield ((-0.35, z + 2.5), (0.0, z + 4.0), (0.35, z + 2.5))
