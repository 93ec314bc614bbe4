"""The plan of one street, the marks on its road, and the items that stand and move on it.

All lengths are in metres.
"""

from math import pi
from typing import NamedTuple

import numpy as np

from metaseg_tf.demo.streetscenes import buildings, cutouts, vehicles
from metaseg_tf.demo.streetscenes.camera import TRAINING
from metaseg_tf.demo.streetscenes.canvas import KINDS, Frame, pick, positions, rectangle

__all__ = ["Plan", "draw_marks", "populate"]


#: Characters of a side: frequency, metres behind the pavement, height of eaves, share of shops.
_CHARACTERS = KINDS["sides"]


class SideStreet(NamedTuple):
    """A street that joins between the distances ``near`` and ``far``."""

    near: float
    far: float
    kerb: float
    end: float
    sign: int


class Side:
    """One side of the street: ``sign`` is -1 left, 1 right.

    Kerb, pavement, facade and verge, if there is one, are positions outwards from the camera's
    path; ``strips`` (left, right, kind) are its ground; cars may be parked along it.
    """

    def __init__(self, rng, sign, kerb):
        self.sign, self.kerb, self.strips, self._end = sign, kerb, [], kerb
        frequencies = [character["frequency"] for character in _CHARACTERS.values()]
        self.character = str(rng.choice([*_CHARACTERS], p=frequencies))
        self.parking = rng.uniform() < 0.4
        if self.parking:
            self._lay(2.2, rng.choice(["asphalt", "parking", "cobbles"], p=[0.7, 0.15, 0.15]))
        self._lay(0.2, "kerb")
        green = self.character in ("suburb", "park")
        self.verge = None
        if rng.uniform() < (0.55 if green or self.character == "boulevard" else 0.2):
            self.verge = self._end + 0.8
            self._lay(rng.uniform(1.4, 3.0), rng.choice(["grass", "soil"], p=[0.8, 0.2]))
        if rng.uniform() < 0.25:
            self._lay(1.5, "cyclepath")
        self.pavement = self._end
        self._lay(rng.uniform(2.4, 6.0), "slabs")
        self.facade = self._end + rng.uniform(*_CHARACTERS[self.character]["setback"])
        self._lay(60, "grass" if green else rng.choice(["slabs", "plaza", "soil"]))

    def _lay(self, width, kind):
        edges = sorted((self.at(self._end), self.at(self._end + width)))
        self.strips.append((*edges, kind))
        self._end += width

    def at(self, outwards):
        """Position across the street of a point ``outwards`` metres from the camera's path."""
        return self.sign * outwards


class Plan:
    """A street before it is populated: lanes, both sides, side streets, crossing and tram track.

    ``lane`` is a width, ``end`` the distance at which the street ends and ``crossing`` that of the
    zebra; ``tram`` is the position of a track. Either may be None. ``season`` in [0, 1] is from
    spring to autumn.
    """

    def __init__(self, rng, conditions=TRAINING):
        self.conditions = conditions
        self.lane = lane = rng.uniform(2.9, 3.6)
        self.right_kerb = lane / 2 + lane * (rng.uniform() < 0.25) + rng.uniform(0.2, 1.0)
        left_lanes = 1 + (rng.uniform() < 0.3)
        self.tram = tram = -lane * 1.2 - 0.4 if rng.uniform() < 0.32 else None
        lanes = left_lanes + (tram is not None)
        self.left_kerb = -lane / 2 - lane * lanes - rng.uniform(0.2, 0.8)
        kerbs = (self.left_kerb, self.right_kerb)
        # Asphalt, darker where wheels run and in the gutters.
        self.strips = [(*kerbs, "asphalt")]
        for centre in np.arange(0, self.left_kerb + 1, -lane).tolist():
            for wheel in (-0.75, 0.75):
                self.strips.append((centre + wheel - 0.22, centre + wheel + 0.22, "worn"))
        self.strips += [(kerb - 0.12, kerb + 0.12, "gutter") for kerb in kerbs]
        self.sides = [Side(rng, -1, -self.left_kerb), Side(rng, 1, self.right_kerb)]
        self.strips += [strip for side in self.sides for strip in side.strips]
        if tram is not None:
            # Where cars share the track, its bed is the asphalt.
            rail = "rail"
            if rng.uniform() < 0.6:
                rail, bed = "rails", "rails" if rng.uniform() < 0.6 else "grass"
                self.strips.append((tram - 1.3, tram + 1.3, bed))
            for x in (tram - 0.72, tram + 0.72):
                self.strips.append((x - 0.05, x + 0.05, rail))
        self.end = rng.uniform(*((70, 170) if rng.uniform() < 0.75 else (28, 60)))
        self.side_streets = streets = []
        for side in self.sides:
            near = rng.uniform(12, 60)
            while near < self.end - 25:
                if rng.uniform() < 0.75:
                    far, outer = near + rng.uniform(6, 10), side.at(side.facade + 40)
                    streets.append(SideStreet(near, far, side.at(side.kerb), outer, side.sign))
                near += rng.uniform(30, 70)
        # The street that runs across the end of this one, an arm to each side.
        for side in self.sides:
            if rng.uniform() < 0.8:
                streets.append(SideStreet(self.end, self.end + 9, 0.0, side.at(90.0), side.sign))
        crossed = streets and rng.uniform() < 0.8
        self.crossing = streets[0].near - 2.5 if crossed else None
        self.season = rng.uniform()


#: Length and spacing of dashes in metres; the last is a line without gaps.
_DASHES = ((3.0, 6.0), (3.0, 6.0), (3.0, 6.0), (6.0, 12.0), (6.0, 12.0), (200.0, 400.0))
_FAR = 110.0


def draw_marks(rng, plan):
    """Yield the outline of each mark as a sequence of (x, z) in metres."""
    # Lines between the lanes, none of them on a tram track.
    dash, period = pick(rng, _DASHES)
    start = rng.uniform(1, min(period, 12.0))
    for x in np.arange(plan.lane / 2, plan.left_kerb + 1, -plan.lane).tolist():
        on_track = plan.tram is not None and abs(x - plan.tram) < 1.4
        if x < plan.right_kerb - 1.2 and not on_track and rng.uniform() < 0.85:
            for z in np.arange(start, _FAR, period).tolist():
                yield from _pieces(x - 0.07, x + 0.07, z, min(z + dash, _FAR))
    if rng.uniform() < 0.3:
        yield from _pieces(plan.right_kerb - 0.35, plan.right_kerb - 0.22, 1.5, _FAR)
    if plan.crossing is not None:
        # A zebra or two dashed lines, with a stop line before it.
        z = plan.crossing
        yield rectangle(-plan.lane / 2, z - 4.3, plan.right_kerb - 0.2, z - 3.9)
        zebra = ((-3, 0.5, 0),)
        bars = zebra if rng.uniform() < 0.5 else ((-3.1, 0.55, -2.9), (0, 0.55, 0.2))
        for x in np.arange(plan.left_kerb + 0.3, plan.right_kerb - 0.5, 1.0).tolist():
            yield from (rectangle(x, z + near, x + wide, z + far) for near, wide, far in bars)
    if rng.uniform() < 0.3:
        z = rng.uniform(8, 25)  # of an arrow in the lane of the camera
        yield rectangle(-0.08, z, 0.08, z + 2.5)
        yield ((-0.35, z + 2.5), (0.0, z + 4.0), (0.35, z + 2.5))


def _pieces(left, right, near, far):
    """A line cut where the street's bend asks for it."""
    for z in np.arange(near, far, 8.0).tolist():
        yield rectangle(left, z, right, min(z + 8, far))


#: Vehicles on the road, and how frequent they are.
_FLEET = (vehicles.CARS, [vehicles.VAN], vehicles.TRUCKS, [vehicles.BUS])
_FLEET_SHARES = (0.78, 0.07, 0.06, 0.09)


class Shadow(NamedTuple):
    """Caster of a shadow, in metres: a box on the ground or, with ``lift``, a disc above it."""

    x: float
    z: float
    half_width: float
    half_length: float
    height: float
    lift: float = 0.0


class Item:
    """Something to be painted after all that lies deeper, by ``paint(canvas, rng)``."""

    def __init__(self, depth, painter, *args, shadow=None, **settings):
        self.depth, self.shadow = float(depth), shadow
        self.paint = lambda canvas, rng: painter(canvas, rng, *args, **settings)


def _upright(painter, x, z, *args, shadow=None, **settings):
    """An item that stands at (x, z); ``shadow`` is the rest of its `Shadow`."""
    shadow = shadow and Shadow(x, z, *shadow)
    return Item(z, painter, x, z, *args, shadow=shadow, **settings)


def populate(plan, rng):
    """A list of all items of a scene, unsorted."""
    items = [*_view_end(plan, rng)]
    # Once in a while a railway bridge, most often with a train on it.
    if rng.uniform() < 0.06:
        z, train = rng.uniform(0.5, 1.0) * plan.end, rng.uniform() < 0.7
        span = (plan.left_kerb - 2, plan.right_kerb + 2)
        items.append(Item(z, buildings.paint_bridge, span, z, train=train))
    for side in plan.sides:
        streets = [street for street in plan.side_streets if street.sign == side.sign]
        for fill in (_plots, _kerbside, _pavement):
            items += fill(plan, rng, side, streets)
    return [*items, *_traffic(plan, rng), *_junction(plan, rng)]


def _plots(plan, rng, side, streets):
    """Houses, gardens and parks of one side, interrupted by its side streets."""
    start, end = 2.0, plan.end
    for street in [*streets, None]:
        stop = end - 2 if street is None else min(street.near, end) - 2
        if side.character == "park" or rng.uniform() < 0.08:
            for z in positions(rng, start, stop, (1.5, 4)):
                yield _tree(plan, rng, side.at(side.facade + rng.uniform(1, 14)), z, (7, 15))
                x = side.at(side.facade + rng.uniform(0, 10))
                yield _bush(plan, rng, x, z + 1, rng.uniform(2, 6), rng.uniform(1, 3.5))
        else:
            yield from _house_row(rng, side, start, stop, plan.conditions.oddity)
        if side.character in ("suburb", "park", "works") or rng.uniform() < 0.1:
            yield from _enclosure(plan, rng, side, start, stop)
        start = stop if street is None else street.far + 2


def _house_row(rng, side, start, end, oddity):
    """Items of the houses on one side between two distances; only suburbs have gaps."""
    character = _CHARACTERS[side.character]
    z = start
    while z < end:
        stop = min(z + rng.uniform(8, 20), end)
        ground = "shop" if rng.uniform() < character["shops"] else "doors"
        x = side.at(side.facade + rng.uniform(0, 1.0) * (rng.uniform() < 0.3))
        odd, eaves = rng.uniform() < oddity, rng.uniform(*character["eaves"])
        house = (side.sign, x, z, stop, eaves, ground, odd)
        yield Item(stop - 0.1, buildings.paint_house, *house)
        detached = side.character in ("suburb", "works") and rng.uniform() < 0.7
        z = stop + (rng.uniform(4, 12) if detached else 0.0)


def _view_end(plan, rng):
    """Trees and houses that close the view."""
    z = plan.end + 13
    built = rng.uniform() < 0.8
    if built:
        yield Item(z + 1, buildings.paint_view_end, -90, 90, z)
    for x in range(-80, 81, 8):
        if not built:
            yield _bush(plan, rng, x, z + 2, 14, rng.uniform(3, 6))
        if rng.uniform() < 0.5:
            yield _tree(plan, rng, x + rng.uniform(-4, 4), z - rng.uniform(1, 3), (7, 14))


def _tree(plan, rng, x, z, heights):
    """A tree with its shadow, its height drawn from the range ``heights``."""
    height = rng.uniform(*heights)
    colour = cutouts.draw_foliage_colour(rng, plan.season)
    shadow = (height * 0.24, height * 0.24, height * 0.9, height * 0.4)
    return _upright(cutouts.paint_tree, x, z, height, colour, shadow=shadow)


def _enclosure(plan, rng, side, start, stop):
    """Fences, walls and hedges along the pavement's outer edge, with gaps."""
    x = side.at(side.facade - rng.uniform(0.8, 1.6))
    for near in positions(rng, start, stop - 3, (10, 24)):
        far = min(stop, near + rng.uniform(8, 20))
        kind, height = rng.uniform(), rng.uniform(0.9, 2.5)
        if kind < 0.82:
            painter = buildings.paint_wall if kind < 0.5 else buildings.paint_fence
            yield Item(far, painter, (x, near), (x, far), height)
        else:
            colour = cutouts.draw_foliage_colour(rng, plan.season)
            for z in positions(rng, near, far, (1.0, 1.2)):
                yield _upright(cutouts.paint_bush, x, z, 1.8, height, colour)


def _bush(plan, rng, x, z, width, height):
    colour = cutouts.draw_foliage_colour(rng, plan.season)
    return _upright(cutouts.paint_bush, x, z, width, height, colour)


def _kerbside(plan, rng, side, streets):
    """Parked vehicles, trees, lamps, signs and railings of one side."""
    end = plan.end
    if side.parking:
        for z in positions(rng, rng.uniform(3, 9), min(100, end), (5.3, 7.0)):
            if rng.uniform() < 0.66 * plan.conditions.traffic and _is_clear(z, streets):
                yield _parked(plan, rng, side, z)
    if side.verge is not None or side.character == "boulevard":
        trees = side.at(side.verge if side.verge is not None else side.pavement + 0.5)
        spacing = rng.uniform(7, 14)
        for z in positions(rng, rng.uniform(4, 16), end, (spacing, spacing + 1)):
            if _is_clear(z, streets):
                yield _tree(plan, rng, trees, z, (5, 12))
    edge = side.at(side.kerb + (2.2 if side.parking else 0.0) + 0.5)
    spacing = rng.uniform(18, 32)
    for z in positions(rng, rng.uniform(6, 25), end, (spacing, spacing + 1)):
        yield _upright(cutouts.paint_lamp, edge, z, -side.sign, shadow=(0.08, 0.08, 6))
    for z in positions(rng, rng.uniform(5, 20), min(90, end), (15, 45)):
        x = edge + rng.uniform(-0.2, 0.4) * side.sign
        yield _upright(cutouts.paint_sign, x, z, shadow=(0.06, 0.06, 2.3))
    # At times a railing or bollards between the road and the pavement.
    kind, near = rng.uniform(), rng.uniform(6, 25)
    if kind < 0.2:
        far = near + rng.uniform(6, 20)
        yield Item(far, buildings.paint_fence, (edge, near), (edge, far), rng.uniform(0.9, 1.2))
    elif kind < 0.38:
        for z in positions(rng, near, near + rng.uniform(6, 20), (2.0, 2.2)):
            yield _upright(cutouts.paint_bollard, edge, z)


def _pavement(plan, rng, side, streets):
    """People, cycles and clutter on the pavement of one side."""
    width = max(0.6, side.facade - side.pavement - 0.8)

    def spot():
        z = 4 + 70 * rng.uniform() ** 1.5
        return side.at(side.pavement + 0.3 + width * rng.uniform()), z

    for _ in range(rng.poisson(5.0 * plan.conditions.crowd)):
        yield _person(rng, *spot())
    for _ in range(rng.poisson(1.4)):
        x, z = spot()
        for k in range(rng.integers(1, 4)):
            place = (x + 0.35 * k, z + 0.5 * k)
            yield _upright(cutouts.paint_bicycle, *place, turn=rng.uniform(0.25, 1.0))
    for _ in range(rng.poisson(1.6 * plan.conditions.clutter)):
        yield _upright(cutouts.paint_clutter, *spot(), shadow=(0.4, 0.3, 1.0))


def _is_clear(z, streets):
    return all(not street.near - 5 < z < street.far + 5 for street in streets)


def _parked(plan, rng, side, z):
    x = side.at(side.kerb + 1.15 + rng.uniform(-0.15, 0.15))
    kind = rng.uniform()
    if kind < 0.1:
        turn, shadow = rng.uniform(0.3, 1.0), (0.6, 0.3, 0.9)
        return _upright(cutouts.paint_motorcycle, x, z, turn=turn, shadow=shadow)
    shape = pick(rng, vehicles.CARS)
    if kind > 0.9:
        shape = pick(rng, vehicles.TRUCKS) if kind > 0.97 else vehicles.VAN
    heading = 0.0 if side.sign > 0 else pi * (rng.uniform() < 0.7)
    return _vehicle(plan, rng, shape, x, z, heading + rng.uniform(-0.03, 0.03))


def _vehicle(plan, rng, shape, x, z, yaw, *, braking=False):
    """A vehicle of the given shape with its centre at (x, z), in a colour of its kind."""
    paint = vehicles.draw_paint(rng, shape, plan.conditions.oddity)
    half = (shape.half_width, shape.half_length)
    shadow = Shadow(x, z, *(half[::-1] if abs(yaw % pi - pi / 2) < 0.8 else half), shape.height)
    about = {"braking": braking, "shadow": shadow}
    return Item(z, vehicles.paint_vehicle, shape, Frame(x, z, yaw), paint, **about)


def _person(rng, x, z):
    """A grown-up or, more rarely, a child."""
    height = rng.uniform(1.1, 1.4) if rng.uniform() < 0.08 else rng.uniform(1.58, 1.92)
    return _upright(cutouts.paint_person, x, z, height, shadow=(0.2, 0.15, 1.7))


def _traffic(plan, rng):
    """Vehicles ahead and oncoming, a tram on its track, riders along the kerb."""
    flow = plan.conditions.traffic
    for z in positions(rng, rng.uniform(7, 40), min(110, plan.end), (14, 40)):
        if rng.uniform() < 0.55 * flow:
            shape, braking = _draw_shape(rng), rng.uniform() < 0.4
            place = (rng.uniform(-0.3, 0.3), z + shape.half_length, rng.uniform(-0.02, 0.02))
            yield _vehicle(plan, rng, shape, *place, braking=braking)
    lane = plan.left_kerb + plan.lane / 2 + 0.3
    for z in positions(rng, rng.uniform(6, 30), min(120, plan.end), (12, 35)):
        if rng.uniform() < 0.6 * flow:
            shape = _draw_shape(rng)
            yield _vehicle(plan, rng, shape, lane, z + shape.half_length, pi)
    if plan.tram is not None and rng.uniform() < 0.6:
        z, yaw = rng.uniform(14, 60) + vehicles.TRAM.half_length, pi * (rng.uniform() < 0.5)
        yield _vehicle(plan, rng, vehicles.TRAM, plan.tram, z, yaw)
    for _ in range(rng.poisson(0.4)):
        x, z = plan.right_kerb - rng.uniform(0.4, 0.9), rng.uniform(6, 40)
        yield _rider(rng, x, z, (0.15, 0.5), motor=rng.uniform() < 0.5)


def _junction(plan, rng):
    """Signals, people who cross and cross traffic, if the plan has a crossing."""
    z = plan.crossing
    if z is None:
        return

    def across():
        return rng.uniform(plan.left_kerb, plan.right_kerb)

    for x, towards in ((plan.right_kerb + 0.5, -1), (plan.left_kerb - 0.5, 1)):
        if rng.uniform() < 0.8:
            yield _upright(cutouts.paint_traffic_light, x, z - 1, towards)
    for _ in range(rng.poisson(1.4 * plan.conditions.crowd)):
        yield _person(rng, across(), z - rng.uniform(0.3, 2.7))
    if rng.uniform() < 0.5:
        near, far, *_, sign = plan.side_streets[0]
        shape, x = _draw_shape(rng), across() + sign * 6
        yield _vehicle(plan, rng, shape, x, (near + far) / 2, pi / 2 * sign)
    if rng.uniform() < 0.4:
        yield _rider(rng, across(), z + rng.uniform(0.5, 3), (0.7, 1.0))


def _rider(rng, x, z, turns, *, motor=False):
    turn = rng.uniform(*turns)
    shadow = (0.2 + 0.6 * turn, 0.3, 1.5)
    return _upright(cutouts.paint_rider, x, z, turn=turn, motor=motor, shadow=shadow)


def _draw_shape(rng):
    return pick(rng, _FLEET[rng.choice(len(_FLEET), p=_FLEET_SHARES)])
