"""People, cyclists and motorcyclists as upright cut-outs with limbs."""

from metaseg_tf.streetscenes.colours import draw_near, pick, scaled
from metaseg_tf.streetscenes.solid import disc, rectangle, upright

__all__ = ["paint_bicycle", "paint_motorcycle", "paint_person", "paint_rider"]

_SKIN = ((224, 184, 156), (198, 152, 120), (120, 84, 62), (236, 200, 176))
_HAIR = ((46, 36, 30), (96, 70, 44), (170, 140, 90), (150, 148, 146), (24, 22, 22))
_CLOTHES = (
    (40, 42, 50), (62, 70, 92), (96, 96, 98), (140, 40, 44), (180, 176, 168), (54, 80, 60),
    (30, 34, 44), (120, 90, 64), (210, 206, 198), (44, 60, 110),
)  # fmt: skip


_MOTORCYCLE_BODY = (
    (-0.7, 0.55), (-0.4, 0.85), (0.1, 0.8), (0.5, 0.9), (0.55, 0.5), (0.1, 0.25), (-0.4, 0.3),
)  # fmt: skip


def _draw(rng, colours):
    return draw_near(rng, pick(rng, colours))


def paint_person(canvas, rng, x, z, height, *, label="person"):
    """Someone who stands or walks, ``height`` metres tall."""
    stride, breadth = rng.uniform(0.02, 0.22), rng.uniform(0.19, 0.26)
    trousers, jacket = _draw(rng, _CLOTHES), _draw(rng, _CLOTHES)
    skin, hair = _draw(rng, _SKIN), _draw(rng, _HAIR)
    bag, skirt = rng.uniform() < 0.3, rng.uniform() < 0.15

    def part(points, colour):
        scaled = [(a * height / 1.75, u * height / 1.75) for a, u in points]
        canvas.polygon(upright(x, z, scaled), colour, label)

    for side in (-1, 1):
        foot = side * stride
        part([(side * 0.02, 0.9), (foot - 0.07, 0.04), (foot + 0.07, 0.04), (side * 0.17, 0.9)],
             trousers)  # fmt: skip
        part(rectangle(foot - 0.08, 0, foot + 0.1, 0.07), (30, 28, 28))
    if skirt:
        part([(-0.16, 0.95), (-0.24, 0.5), (0.24, 0.5), (0.16, 0.95)], jacket)
    part([(-0.17, 0.82), (-breadth, 1.4), (-0.1, 1.5), (0.1, 1.5), (breadth, 1.4), (0.17, 0.82)],
         jacket)  # fmt: skip
    part([(0.17, 0.82), (breadth, 1.4), (0.1, 1.5), (0.06, 0.82)], scaled(jacket, 0.8))
    for side in (-1, 1):
        swing = side * (breadth + stride * 0.5)
        sleeve = scaled(jacket, 0.85)
        part([(side * breadth * 0.8, 1.44), (swing - 0.06, 0.84), (swing + 0.06, 0.84),
              (side * (breadth + 0.03), 1.38)], sleeve)  # fmt: skip
        part(disc(swing, 0.8, 0.05, corners=6), skin)
    if bag:
        part(rectangle(breadth, 0.7, breadth + 0.2, 1.05), _draw(rng, _CLOTHES))
    part(rectangle(-0.05, 1.45, 0.05, 1.55), skin)
    part(disc(0, 1.63, 0.1, height=0.13, corners=10), skin)
    part([(-0.11, 1.62), (-0.1, 1.73), (0, 1.78), (0.1, 1.73), (0.11, 1.62), (0, 1.7)], hair)


def _tube(start, end, thick):
    """A bar from start to end as a thin quadrilateral."""
    (xa, ya), (xb, yb) = start, end
    length = max(1e-6, ((xb - xa) ** 2 + (yb - ya) ** 2) ** 0.5)
    nx, ny = -(yb - ya) / length * thick / 2, (xb - xa) / length * thick / 2
    return [(xa + nx, ya + ny), (xb + nx, yb + ny), (xb - nx, yb - ny), (xa - nx, ya - ny)]


def paint_bicycle(canvas, rng, x, z, *, turn=1.0):
    """A bicycle; ``turn`` in (0, 1] is the share of its length seen: 1 from the side."""
    frame = _draw(rng, _CLOTHES)
    wheels = ((-0.52 * turn, 0.34), (0.52 * turn, 0.34))

    def part(points, colour):
        canvas.polygon(upright(x, z, points), colour, "bicycle")

    for across, up in wheels:
        wide = max(0.34 * turn, 0.035)
        part(disc(across, up, wide, height=0.34), (34, 34, 36))
        if turn > 0.3:
            part(disc(across, up, wide * 0.85, height=0.29), (118, 118, 116))
    crank, saddle, head = (-0.05 * turn, 0.32), (-0.2 * turn, 0.86), (0.36 * turn, 0.84)
    for start, end in ((wheels[0], crank), (crank, saddle), (crank, head), (saddle, head),
                       (wheels[0], saddle), (wheels[1], (0.33 * turn, 1.0))):  # fmt: skip
        part(_tube(start, end, 0.05), frame)
    part(rectangle(saddle[0] - 0.12, 0.88, saddle[0] + 0.1, 0.94), (28, 26, 26))
    part(rectangle(0.33 * turn - 0.2 * (1.2 - turn), 0.98, 0.33 * turn + 0.2 * (1.2 - turn), 1.03),
         (40, 40, 42))  # fmt: skip


def paint_motorcycle(canvas, rng, x, z, *, turn=1.0):
    """A motorcycle or scooter; ``turn`` as for a bicycle."""
    paint = _draw(rng, _CLOTHES)

    def part(points, colour):
        canvas.polygon(upright(x, z, [(a * turn, u) for a, u in points]), colour, "motorcycle")

    wide = max(1.0, 0.3 / max(turn, 0.1))
    for across in (-0.62, 0.66):
        part(disc(across, 0.31, 0.31 * wide, height=0.31), (26, 26, 28))
        part(disc(across, 0.31, 0.16 * wide, height=0.16), (140, 142, 146))
    part(_MOTORCYCLE_BODY, paint)
    part([(-0.75, 0.8), (-0.7, 0.92), (0.05, 0.86), (0.05, 0.78)], (30, 28, 28))
    part([(0.4, 0.75), (0.45, 1.15), (0.6, 1.1), (0.66, 0.6)], scaled(paint, 0.8))
    part(disc(0.62, 0.86, 0.1 * wide, height=0.1, corners=8), (232, 230, 214))
    if turn < 0.5:
        canvas.polygon(
            upright(x, z, rectangle(-0.38, 0.98, 0.38, 1.04)), (40, 40, 42), "motorcycle"
        )


def paint_rider(canvas, rng, x, z, *, turn=1.0, motor=False):
    """Someone riding a bicycle or, with ``motor``, a motorcycle, helmet included."""
    (paint_motorcycle if motor else paint_bicycle)(canvas, rng, x, z, turn=turn)
    jacket, trousers = _draw(rng, _CLOTHES), _draw(rng, _CLOTHES)
    skin, helmet = _draw(rng, _SKIN), _draw(rng, _CLOTHES if motor else _HAIR)
    low, lean = (0.82, 0.2 * turn) if motor else (0.92, 0.28 * turn)
    seat = -0.2 * turn

    def part(points, colour):
        canvas.polygon(upright(x, z, points), colour, "rider")

    for side in (-1, 1):
        knee = (0.16 * turn + side * 0.13 * (1.15 - turn), low - 0.25)
        foot = (knee[0] - 0.1 * turn, 0.22 + 0.12 * (side > 0))
        hip = (seat + side * 0.1 * (1.15 - turn), low)
        part(_tube(hip, knee, 0.16), trousers)
        part(_tube(knee, foot, 0.12), trousers)
    shoulder = (seat + lean, low + 0.55)
    broad = 0.15 + 0.1 * (1 - turn)
    part([(seat - broad, low - 0.08), (shoulder[0] - broad, shoulder[1]),
          (shoulder[0] + broad, shoulder[1]), (seat + broad, low - 0.08)], jacket)  # fmt: skip
    for side in (-1, 1):
        hand = (0.33 * turn + side * 0.28 * (1.1 - turn), low + 0.12)
        joint = (shoulder[0] + side * broad * 0.8 * (1.1 - turn), shoulder[1] - 0.06)
        part(_tube(joint, hand, 0.1), scaled(jacket, 0.85))
    head = (shoulder[0] + 0.05 * turn, shoulder[1] + 0.17)
    part(disc(*head, 0.11, height=0.14, corners=10), skin)
    part(disc(head[0], head[1] + 0.05, 0.13, height=0.1, corners=10), helmet)
