"""Along the kerb and on the pavement: parked vehicles, trees, posts, people and clutter."""

from math import pi

from metaseg_tf.demo.streetscenes import barriers, clutter, furniture, people, signs, vehicle_shapes
from metaseg_tf.demo.streetscenes.colours import pick
from metaseg_tf.demo.streetscenes.items import Shadow, item, positions
from metaseg_tf.demo.streetscenes.plots import tree_item
from metaseg_tf.demo.streetscenes.traffic import person_item, vehicle_item

__all__ = ["kerbside", "pavement"]


def kerbside(setting, rng, side, streets):
    """Parked vehicles, trees, lamps, signs and railings of one side."""
    yield from _parked_row(setting, rng, side, streets)
    if side.verge is not None or side.character == "boulevard":
        trees = side.at(side.verge if side.verge is not None else side.pavement + 0.5)
        spacing = rng.uniform(7, 14)
        for z in positions(rng, rng.uniform(4, 16), setting.plan.end, (spacing, spacing + 1)):
            if _is_clear(z, streets):
                yield tree_item(setting, rng, trees, z, (5, 12))
    edge = side.at(side.kerb + (2.2 if side.parking else 0.0) + 0.5)
    yield from _posts(setting, rng, side, edge)
    yield from _railing(rng, edge)


def pavement(setting, rng, side, streets):
    """People, cycles and clutter on the pavement of one side."""
    width = max(0.6, side.facade - side.pavement - 0.8)

    def spot():
        z = 4 + 70 * rng.uniform() ** 1.5
        return side.at(side.pavement + 0.3 + width * rng.uniform()), z

    for _ in range(rng.poisson(5.0 * setting.conditions.crowd)):
        yield person_item(rng, *spot())
    for _ in range(rng.poisson(1.4)):
        x, z = spot()
        for k in range(rng.integers(1, 4)):
            place = (x + 0.35 * k, z + 0.5 * k)
            yield item(place[1], people.paint_bicycle, *place, turn=rng.uniform(0.25, 1.0))
    for _ in range(rng.poisson(1.6 * setting.conditions.clutter)):
        x, z = spot()
        yield item(z, clutter.paint_clutter, x, z, shadow=Shadow(x, z, 0.4, 0.3, 1.0))


def _parked_row(setting, rng, side, streets):
    if not side.parking:
        return
    for z in positions(rng, rng.uniform(3, 9), min(100, setting.plan.end), (5.3, 7.0)):
        if rng.uniform() < 0.66 * setting.conditions.traffic and _is_clear(z, streets):
            yield _parked(setting, rng, side, z)


def _is_clear(z, streets):
    return all(not street.near - 5 < z < street.far + 5 for street in streets)


def _parked(setting, rng, side, z):
    x = side.at(side.kerb + 1.15 + rng.uniform(-0.15, 0.15))
    kind = rng.uniform()
    if kind < 0.1:
        turn, shadow = rng.uniform(0.3, 1.0), Shadow(x, z, 0.6, 0.3, 0.9)
        return item(z, people.paint_motorcycle, x, z, turn=turn, shadow=shadow)
    shape = pick(rng, vehicle_shapes.CARS)
    if kind > 0.97:
        shape = pick(rng, vehicle_shapes.TRUCKS)
    elif kind > 0.9:
        shape = vehicle_shapes.VAN
    heading = 0.0 if side.sign > 0 else pi * (rng.uniform() < 0.7)
    return vehicle_item(setting, rng, shape, x, z, heading + rng.uniform(-0.03, 0.03))


def _posts(setting, rng, side, edge):
    """Lamps and signs on the pavement's inner edge."""
    spacing = rng.uniform(18, 32)
    for z in positions(rng, rng.uniform(6, 25), setting.plan.end, (spacing, spacing + 1)):
        shadow = Shadow(edge, z, 0.08, 0.08, 6)
        yield item(z, furniture.paint_lamp, edge, z, -side.sign, shadow=shadow)
    for z in positions(rng, rng.uniform(5, 20), min(90, setting.plan.end), (15, 45)):
        x = edge + rng.uniform(-0.2, 0.4) * side.sign
        yield item(z, signs.paint_sign, x, z, shadow=Shadow(x, z, 0.06, 0.06, 2.3))


def _railing(rng, edge):
    """At times a railing or bollards between the road and the pavement."""
    kind, near = rng.uniform(), rng.uniform(6, 25)
    if kind < 0.2:
        far = near + rng.uniform(6, 20)
        yield item(far, barriers.paint_fence, (edge, near), (edge, far), rng.uniform(0.9, 1.2))
    elif kind < 0.38:
        for z in positions(rng, near, near + rng.uniform(6, 20), (2.0, 2.2)):
            yield item(z, furniture.paint_bollard, edge, z)
