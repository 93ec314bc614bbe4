"""What moves: vehicles ahead, oncoming and crossing, a tram, riders and people who cross."""

from math import pi

from metaseg_tf.demo.streetscenes import people, signs, vehicle_shapes, vehicles
from metaseg_tf.demo.streetscenes.colours import pick
from metaseg_tf.demo.streetscenes.items import Shadow, item, positions
from metaseg_tf.demo.streetscenes.solid import Frame

__all__ = ["junction", "person_item", "traffic", "vehicle_item"]

#: What moves on the road, by frequency.
_FLEET = (vehicle_shapes.CARS, (vehicle_shapes.VAN,), vehicle_shapes.TRUCKS, (vehicle_shapes.BUS,))
_FLEET_SHARES = (0.78, 0.07, 0.06, 0.09)


def vehicle_item(setting, rng, shape, x, z, yaw, *, braking=False):
    """A vehicle of the given shape with its centre at (x, z), in a colour of its kind."""
    paint = vehicles.draw_paint(rng, shape, setting.conditions.oddity)
    half = (shape.half_width, shape.half_length)
    if abs(yaw % pi - pi / 2) < 0.8:
        half = half[::-1]
    shadow = Shadow(x, z, *half, shape.height)
    frame = Frame(x, z, yaw)
    return item(z, _paint_vehicle, shape, frame, paint, braking=braking, shadow=shadow)


def _paint_vehicle(canvas, _rng, shape, frame, paint, *, braking):
    vehicles.paint_vehicle(canvas, shape, frame, paint, braking=braking)


def person_item(rng, x, z):
    """A grown-up or, more rarely, a child."""
    height = rng.uniform(1.1, 1.4) if rng.uniform() < 0.08 else rng.uniform(1.58, 1.92)
    return item(z, people.paint_person, x, z, height, shadow=Shadow(x, z, 0.2, 0.15, 1.7))


def traffic(setting, rng):
    """Vehicles ahead and oncoming, a tram on its track, riders along the kerb."""
    plan, flow = setting.plan, setting.conditions.traffic
    for z in positions(rng, rng.uniform(7, 40), min(110, plan.end), (14, 40)):
        if rng.uniform() < 0.55 * flow:
            shape, braking = _draw_shape(rng), bool(rng.uniform() < 0.4)
            place = (rng.uniform(-0.3, 0.3), z + shape.half_length, rng.uniform(-0.02, 0.02))
            yield vehicle_item(setting, rng, shape, *place, braking=braking)
    lane = plan.left_kerb + plan.lane / 2 + 0.3
    for z in positions(rng, rng.uniform(6, 30), min(120, plan.end), (12, 35)):
        if rng.uniform() < 0.6 * flow:
            shape = _draw_shape(rng)
            yield vehicle_item(setting, rng, shape, lane, z + shape.half_length, pi)
    if plan.tram is not None and rng.uniform() < 0.6:
        z, yaw = rng.uniform(14, 60) + vehicle_shapes.TRAM.half_length, pi * (rng.uniform() < 0.5)
        yield vehicle_item(setting, rng, vehicle_shapes.TRAM, plan.tram, z, yaw)
    for _ in range(rng.poisson(0.4)):
        x, z = plan.right_kerb - rng.uniform(0.4, 0.9), rng.uniform(6, 40)
        yield _rider(rng, x, z, (0.15, 0.5), motor=bool(rng.uniform() < 0.5))


def junction(setting, rng):
    """Signals, people who cross and what passes in front, where the plan has a crossing."""
    plan, z = setting.plan, setting.plan.crossing
    if z is None:
        return

    def across():
        return rng.uniform(plan.left_kerb, plan.right_kerb)

    for x, towards in ((plan.right_kerb + 0.5, -1), (plan.left_kerb - 0.5, 1)):
        if rng.uniform() < 0.8:
            yield item(z - 1, signs.paint_traffic_light, x, z - 1, towards)
    for _ in range(rng.poisson(1.4 * setting.conditions.crowd)):
        yield person_item(rng, across(), z - rng.uniform(0.3, 2.7))
    street = plan.side_streets[0]
    if rng.uniform() < 0.5:
        at, yaw = (street.near + street.far) / 2, pi / 2 * street.sign
        yield vehicle_item(setting, rng, _draw_shape(rng), across() + street.sign * 6, at, yaw)
    if rng.uniform() < 0.4:
        yield _rider(rng, across(), z + rng.uniform(0.5, 3), (0.7, 1.0))


def _rider(rng, x, z, turns, *, motor=False):
    turn = rng.uniform(*turns)
    shadow = Shadow(x, z, 0.2 + 0.6 * turn, 0.3, 1.5)
    return item(z, people.paint_rider, x, z, turn=turn, motor=motor, shadow=shadow)


def _draw_shape(rng):
    return pick(rng, _FLEET[rng.choice(len(_FLEET), p=_FLEET_SHARES)])
