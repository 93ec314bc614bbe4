"""The plan of one street and the marks on its road, in metres."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from metaseg_tf.demo.streetscenes.tools import pick

__all__ = ["Plan", "Side", "SideStreet", "Strip", "draw_marks", "draw_plan"]

#: Characters of a side of a street with their frequency.
_CHARACTERS = {
    "town": 0.34,
    "boulevard": 0.2,
    "suburb": 0.18,
    "park": 0.1,
    "works": 0.1,
    "square": 0.08,
}

#: Metres between pavement and houses where these do not stand right behind it.
_SETBACKS = {"suburb": (2, 7), "park": (2, 7), "works": (2, 7), "square": (8, 22)}


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
        """Position across the street of a point ``outwards`` metres from the camera's path."""
        return self.sign * outwards


@dataclass(frozen=True)
class Plan:
    """Everything that is fixed about a street before it is populated."""

    left_kerb: float
    right_kerb: float
    strips: tuple[Strip, ...]
    sides: tuple[Side, Side]
    side_streets: tuple[SideStreet, ...]
    end: float
    lane: float
    crossing: float | None
    tram: float | None


def draw_plan(rng):
    """Draw a street: lanes, both sides, side streets, crossing and tram track."""
    lane = rng.uniform(2.9, 3.6)
    right_kerb = lane / 2 + lane * (rng.uniform() < 0.25) + rng.uniform(0.2, 1.0)
    left_lanes = 1 + (rng.uniform() < 0.3)
    tram = -lane * 1.2 - 0.4 if rng.uniform() < 0.32 else None
    left_kerb = -lane / 2 - lane * (left_lanes + (tram is not None)) - rng.uniform(0.2, 0.8)
    # Asphalt, darker where wheels run and in the gutters.
    strips = [Strip(left_kerb, right_kerb, "asphalt")]
    for centre in np.arange(0, left_kerb + 1, -lane).tolist():
        for wheel in (-0.75, 0.75):
            strips.append(Strip(centre + wheel - 0.22, centre + wheel + 0.22, "worn"))
    strips += [Strip(kerb - 0.12, kerb + 0.12, "gutter") for kerb in (left_kerb, right_kerb)]
    sides = []
    for sign, kerb in ((-1, -left_kerb), (1, right_kerb)):
        side, ground = _draw_side(rng, sign, kerb)
        sides.append(side)
        strips += ground
    if tram is not None:
        # Where cars share the track, its bed is the asphalt.
        own_bed = rng.uniform() < 0.6
        if own_bed:
            bed = "rails" if rng.uniform() < 0.6 else "grass"
            strips.append(Strip(tram - 1.3, tram + 1.3, bed))
        rails = "rails" if own_bed else "rail"
        strips += [Strip(tram + at - 0.05, tram + at + 0.05, rails) for at in (-0.72, 0.72)]
    end = rng.uniform(70, 170) if rng.uniform() < 0.75 else rng.uniform(28, 60)
    streets = []
    for side in sides:
        near = rng.uniform(12, 60)
        while near < end - 25:
            if rng.uniform() < 0.75:
                far, outer = near + rng.uniform(6, 10), side.at(side.facade + 40)
                streets.append(SideStreet(near, far, side.at(side.kerb), outer, side.sign))
            near += rng.uniform(30, 70)
    # The street that runs across the end of this one, an arm to each side.
    for side in sides:
        if rng.uniform() < 0.8:
            streets.append(SideStreet(end, end + 9, 0.0, side.at(90.0), side.sign))
    crossing = streets[0].near - 2.5 if streets and rng.uniform() < 0.8 else None
    return Plan(
        left_kerb=left_kerb,
        right_kerb=right_kerb,
        strips=tuple(strips),
        sides=tuple(sides),
        side_streets=tuple(streets),
        end=end,
        lane=lane,
        crossing=crossing,
        tram=tram,
    )


def _draw_side(rng, sign, kerb):
    """One side and the strips on it, from the kerb outwards."""
    character = str(rng.choice(list(_CHARACTERS), p=list(_CHARACTERS.values())))
    at, strips = kerb, []

    def lay(width, kind):
        nonlocal at
        edges = sorted((sign * at, sign * (at + width)))
        strips.append(Strip(*edges, kind))
        at += width

    parking = rng.uniform() < 0.4
    if parking:
        lay(2.2, rng.choice(["asphalt", "parking", "cobbles"], p=[0.7, 0.15, 0.15]))
    lay(0.2, "kerb")
    verge = None
    if rng.uniform() < (0.55 if character in ("boulevard", "park", "suburb") else 0.2):
        verge = at + 0.8
        lay(rng.uniform(1.4, 3.0), rng.choice(["grass", "soil"], p=[0.8, 0.2]))
    if rng.uniform() < 0.25:
        lay(1.5, "cyclepath")
    pavement = at
    lay(rng.uniform(2.4, 6.0), "slabs")
    facade = at + rng.uniform(*_SETBACKS.get(character, (0.0, 0.4)))
    lay(60, "grass" if character in ("suburb", "park") else rng.choice(["slabs", "plaza", "soil"]))
    return Side(sign, character, kerb, parking, pavement, facade, verge), strips


#: Length and spacing of dashes in metres; the last is a line without gaps.
_DASHES = ((3.0, 6.0), (3.0, 6.0), (3.0, 6.0), (6.0, 12.0), (6.0, 12.0), (200.0, 400.0))
_FAR = 110.0


def draw_marks(rng, plan):
    """Yield the outline of each mark as a sequence of (x, z) in metres."""
    # Lines between the lanes, none of them on a tram track.
    dash, period = pick(rng, _DASHES)
    start = rng.uniform(1, min(period, 12.0))
    for x in _numbers(plan.lane / 2, plan.left_kerb + 1, -plan.lane):
        on_track = plan.tram is not None and abs(x - plan.tram) < 1.4
        if x < plan.right_kerb - 1.2 and not on_track and rng.uniform() < 0.85:
            for z in _numbers(start, _FAR, period):
                yield from _pieces(x - 0.07, x + 0.07, z, min(z + dash, _FAR))
    if rng.uniform() < 0.3:
        yield from _pieces(plan.right_kerb - 0.35, plan.right_kerb - 0.22, 1.5, _FAR)
    if plan.crossing is not None:
        yield from _crossing(rng, plan)
    if rng.uniform() < 0.3:
        # An arrow in the lane of the camera.
        z = rng.uniform(8, 25)
        yield _box(-0.08, 0.08, z, z + 2.5)
        yield ((-0.35, z + 2.5), (0.0, z + 4.0), (0.35, z + 2.5))


def _crossing(rng, plan):
    """A zebra or two dashed lines, with a stop line before it."""
    z = plan.crossing
    yield _box(-plan.lane / 2, plan.right_kerb - 0.2, z - 4.3, z - 3.9)
    zebra = rng.uniform() < 0.5
    for x in _numbers(plan.left_kerb + 0.3, plan.right_kerb - 0.5, 1.0):
        if zebra:
            yield _box(x, x + 0.5, z - 3, z)
        else:
            yield _box(x, x + 0.55, z - 3.1, z - 2.9)
            yield _box(x, x + 0.55, z, z + 0.2)


def _pieces(left, right, near, far):
    """A line cut where the street's bend asks for it."""
    for z in _numbers(near, far, 8.0):
        yield _box(left, right, z, min(z + 8, far))


def _box(left, right, near, far):
    return ((left, near), (left, far), (right, far), (right, near))


def _numbers(start, stop, step):
    return np.arange(start, stop, step).tolist()
