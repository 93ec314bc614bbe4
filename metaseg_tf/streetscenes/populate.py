"""What stands and moves in a street: fills a plan with items."""

from math import pi

from metaseg_tf.streetscenes import (
    barriers,
    furniture,
    houses,
    people,
    vegetation,
    vehicle_shapes,
    vehicles,
)
from metaseg_tf.streetscenes.items import item
from metaseg_tf.streetscenes.solid import Frame

__all__ = ["populate"]


def populate(plan, rng, conditions):
    """All items of a scene, unsorted.

    Parameters
    ----------
    plan : Plan
    rng : numpy Generator
    conditions : Conditions

    Returns
    -------
    list of Item
    """
    season = rng.uniform()
    items = list(_view_end(plan, rng, season))
    for side in plan.sides:
        streets = [s for s in plan.side_streets if s.sign == side.sign]
        items += _plots(plan, rng, side, streets, season, conditions)
        items += _kerbside(plan, rng, side, streets, season, conditions)
        items += _pavement(plan, rng, side, conditions)
    items += _traffic(plan, rng, conditions)
    if plan.crossing is not None:
        items += _junction(plan, rng, conditions)
    return items


def _view_end(plan, rng, season):
    """Trees and houses that close the view."""
    z = plan.end + 13
    if rng.uniform() < 0.8:
        yield item(z + 1, houses.paint_view_end, -90, 90, z)
    for x in range(-70, 71, 9):
        if rng.uniform() < 0.5:
            colour = vegetation.draw_foliage_colour(rng, season)
            place = (x + rng.uniform(-4, 4), z - rng.uniform(1, 12), rng.uniform(7, 14))
            yield item(place[1], vegetation.paint_tree, *place, colour)


def _plots(plan, rng, side, streets, season, conditions):
    """Houses, gardens and parks behind the pavement, interrupted by side streets."""
    start = 2.0
    for street in [*streets, None]:
        stop = plan.end - 2 if street is None else min(street.near, plan.end) - 2
        if side.character == "park" or rng.uniform() < 0.08:
            yield from _park(rng, side, start, stop, season)
        else:
            yield from houses.house_row(rng, side, start, stop, conditions.oddity)
        if side.character in ("suburb", "park", "works") or rng.uniform() < 0.1:
            yield from _garden(rng, side, start, stop, season)
        start = stop if street is None else street.far + 2


def _park(rng, side, start, stop, season):
    """Trees and bushes instead of houses."""
    z = start
    while z < stop:
        colour = vegetation.draw_foliage_colour(rng, season)
        x = side.at(side.facade + rng.uniform(1, 14))
        height = rng.uniform(7, 15)
        shadow = (x, z, height * 0.25, height * 0.25, height * 0.8)
        yield item(z, vegetation.paint_tree, x, z, height, colour, shadow=shadow)
        x, z = side.at(side.facade + rng.uniform(0, 10)), z + rng.uniform(1.5, 4)
        size = (rng.uniform(2, 6), rng.uniform(1, 3.5))
        yield item(z, vegetation.paint_bush, x, z, *size, colour)


def _garden(rng, side, start, stop, season):
    """A fence, wall or hedge along the pavement's outer edge, with bushes behind."""
    x = side.at(side.facade - rng.uniform(0.8, 1.6))
    z = start
    while z < stop - 2:
        far = min(stop, z + rng.uniform(8, 22))
        kind, height = rng.uniform(), rng.uniform(0.8, 2.2)
        if kind < 0.34:
            yield item(far, barriers.paint_wall, (x, z), (x, far), height)
        elif kind < 0.72:
            yield item(far, barriers.paint_fence, (x, z), (x, far), height)
        else:
            yield from _hedge(rng, x, z, far, height, season)
        z = far + rng.uniform(0, 4)


def _hedge(rng, x, near, far, height, season):
    colour = vegetation.draw_foliage_colour(rng, season)
    z = near
    while z < far:
        yield item(z, vegetation.paint_bush, x, z, 1.8, height, colour)
        z += 1.1


def _kerbside(plan, rng, side, streets, season, conditions):
    """Along the kerb: parked vehicles, trees, lamps and signs."""
    z = rng.uniform(3, 9)
    while side.parking and z < 100:
        if rng.uniform() < 0.66 * conditions.traffic and _is_clear(z, streets):
            yield _parked(rng, side, z, conditions)
        z += rng.uniform(5.3, 7.0)
    trees = side.verge if side.verge is not None else side.pavement + 0.5
    z, step = rng.uniform(4, 16), rng.uniform(7, 14)
    while (side.verge is not None or side.character == "boulevard") and z < plan.end:
        if _is_clear(z, streets):
            yield _tree(rng, side.at(trees), z, season)
        z += step
    yield from _posts(plan, rng, side, streets, conditions)


def _is_clear(z, streets):
    return all(not street.near - 5 < z < street.far + 5 for street in streets)


def _parked(rng, side, z, conditions):
    x = side.at(side.kerb + 1.15 + rng.uniform(-0.15, 0.15))
    kind = rng.uniform()
    if kind < 0.05:
        return item(z, people.paint_motorcycle, x, z, turn=rng.uniform(0.3, 1.0),
                    shadow=(x, z, 0.6, 0.3, 0.9))  # fmt: skip
    shape = _pick(rng, vehicle_shapes.CARS)
    if kind > 0.97:
        shape = _pick(rng, vehicle_shapes.TRUCKS)
    elif kind > 0.9:
        shape = vehicle_shapes.VAN
    heading = 0.0 if side.sign > 0 else pi * (rng.uniform() < 0.7)
    return vehicle_item(rng, shape, x, z, heading + rng.uniform(-0.03, 0.03), conditions)


def vehicle_item(rng, shape, x, z, yaw, conditions, *, braking=False):
    """A vehicle of the given shape, in a colour of its kind, with its shadow."""
    paint = vehicles.draw_paint(rng, shape, conditions.oddity)
    crosswise = abs(yaw % pi - pi / 2) < 0.8
    half = (shape.half_width, shape.half_length)
    shadow = (x, z, *(half[::-1] if crosswise else half), shape.height)
    frame = Frame(x, z, yaw)
    return item(z, _paint_vehicle, shape, frame, paint, braking=braking, shadow=shadow)


def _paint_vehicle(canvas, _rng, shape, frame, paint, *, braking):
    vehicles.paint_vehicle(canvas, shape, frame, paint, braking=braking)


def _tree(rng, x, z, season):
    height = rng.uniform(5, 12)
    colour = vegetation.draw_foliage_colour(rng, season)
    shadow = (x, z, height * 0.22, height * 0.22, height * 0.75)
    return item(z, vegetation.paint_tree, x, z, height, colour, shadow=shadow)


def _posts(plan, rng, side, streets, conditions):
    """Lamps, signs and bollards on the pavement's inner edge."""
    edge = side.at(side.kerb + (2.2 if side.parking else 0.0) + 0.5)
    z, step = rng.uniform(6, 25), rng.uniform(18, 32)
    while z < plan.end:
        yield item(z, furniture.paint_lamp, edge, z, -side.sign, shadow=(edge, z, 0.08, 0.08, 6))
        z += step
    z = rng.uniform(5, 20)
    while z < 90:
        x = edge + rng.uniform(-0.2, 0.4) * side.sign
        yield item(z, furniture.paint_sign, x, z, shadow=(x, z, 0.06, 0.06, 2.3))
        z += rng.uniform(15, 45)
    if rng.uniform() < 0.2:
        near = rng.uniform(6, 25)
        ends = (edge, near), (edge, near + rng.uniform(6, 20))
        yield item(ends[1][1], barriers.paint_fence, *ends, rng.uniform(0.9, 1.2))
    elif rng.uniform() < 0.3:
        first = rng.uniform(5, 30)
        for k in range(rng.integers(4, 12)):
            yield item(first + 2 * k, furniture.paint_bollard, edge, first + 2 * k)


def _pavement(plan, rng, side, conditions):
    """People, cycles and clutter on the pavement."""
    width = max(0.6, side.facade - side.pavement - 0.8)

    def spot():
        z = 4 + 70 * rng.uniform() ** 1.5
        return side.at(side.pavement + 0.3 + width * rng.uniform()), z

    for _ in range(rng.poisson(5.0 * conditions.crowd)):
        x, z = spot()
        height = rng.uniform(1.1, 1.4) if rng.uniform() < 0.08 else rng.uniform(1.58, 1.92)
        yield item(z, people.paint_person, x, z, height, shadow=(x, z, 0.2, 0.15, 1.7))
    for _ in range(rng.poisson(0.9)):
        x, z = spot()
        for k in range(rng.integers(1, 4)):
            place = (x + 0.35 * k, z + 0.5 * k)
            yield item(place[1], people.paint_bicycle, *place, turn=rng.uniform(0.25, 1.0))
    for _ in range(rng.poisson(1.6 * conditions.clutter)):
        x, z = spot()
        yield item(z, furniture.paint_clutter, x, z, shadow=(x, z, 0.4, 0.3, 1.0))


def _traffic(plan, rng, conditions):
    """Moving vehicles ahead and oncoming, a tram and riders."""
    z = rng.uniform(7, 40)
    while z < 110:
        if rng.uniform() < 0.55 * conditions.traffic:
            shape = _draw_shape(rng)
            braking = bool(rng.uniform() < 0.4)
            yield vehicle_item(rng, shape, rng.uniform(-0.3, 0.3), z + shape.half_length,
                               rng.uniform(-0.02, 0.02), conditions, braking=braking)  # fmt: skip
        z += rng.uniform(14, 40)
    z = rng.uniform(6, 30)
    lane = plan.left_kerb + plan.lane / 2 + 0.3
    while z < 120:
        if rng.uniform() < 0.6 * conditions.traffic:
            shape = _draw_shape(rng)
            yield vehicle_item(rng, shape, lane, z + shape.half_length, pi, conditions)
        z += rng.uniform(12, 35)
    if plan.tram is not None and rng.uniform() < 0.55:
        z = rng.uniform(14, 60) + vehicle_shapes.TRAM.half_length
        yield vehicle_item(
            rng, vehicle_shapes.TRAM, plan.tram, z, pi * (rng.uniform() < 0.5), conditions
        )
    for _ in range(rng.poisson(0.45)):
        x, z = plan.right_kerb - rng.uniform(0.4, 0.9), rng.uniform(6, 40)
        motor = bool(rng.uniform() < 0.3)
        yield item(z, people.paint_rider, x, z, turn=rng.uniform(0.15, 0.5), motor=motor,
                   shadow=(x, z, 0.3, 0.5, 1.5))  # fmt: skip


def _draw_shape(rng):
    kind = rng.uniform()
    if kind < 0.05:
        return vehicle_shapes.BUS
    if kind < 0.1:
        return _pick(rng, vehicle_shapes.TRUCKS)
    if kind < 0.18:
        return vehicle_shapes.VAN
    return _pick(rng, vehicle_shapes.CARS)


def _junction(plan, rng, conditions):
    """Signals, people who cross and vehicles that pass in front."""
    z = plan.crossing
    for x, towards in ((plan.right_kerb + 0.5, -1), (plan.left_kerb - 0.5, 1)):
        if rng.uniform() < 0.8:
            yield item(z - 1, furniture.paint_traffic_light, x, z - 1, towards)
    for _ in range(rng.poisson(1.4 * conditions.crowd)):
        x, at = rng.uniform(plan.left_kerb, plan.right_kerb), z - rng.uniform(0.3, 2.7)
        yield item(
            at, people.paint_person, x, at, rng.uniform(1.6, 1.9), shadow=(x, at, 0.2, 0.15, 1.7)
        )
    street = plan.side_streets[0]
    if rng.uniform() < 0.5:
        at = (street.near + street.far) / 2
        x = rng.uniform(plan.left_kerb, plan.right_kerb) + street.sign * 6
        shape = _draw_shape(rng)
        yield vehicle_item(rng, shape, x, at, pi / 2 * street.sign, conditions)
    if rng.uniform() < 0.4:
        x, at = rng.uniform(plan.left_kerb, plan.right_kerb), z + rng.uniform(0.5, 3)
        yield item(
            at, people.paint_rider, x, at, turn=rng.uniform(0.7, 1.0), shadow=(x, at, 0.8, 0.2, 1.5)
        )


def _pick(rng, choices):
    return choices[rng.integers(len(choices))]
