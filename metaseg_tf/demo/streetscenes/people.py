"""People on foot, on bicycles and on motorcycles, as cut-outs made of pieces.

The private generators yield (outline in metres, colour), from the back to the front. In all of
them ``turn`` in (0, 1] is the share of a two-wheeler's length that is seen: 1 from the side.
"""

from metaseg_tf.demo.streetscenes.tools import disc, draw_near, pick, rectangle, scaled

__all__ = ["paint_bicycle", "paint_motorcycle", "paint_person", "paint_rider"]

_SKIN = ((224, 184, 156), (198, 152, 120), (120, 84, 62), (236, 200, 176))
_HAIR = ((46, 36, 30), (96, 70, 44), (170, 140, 90), (150, 148, 146), (24, 22, 22))
_CLOTHES = (
    (40, 42, 50), (62, 70, 92), (96, 96, 98), (140, 40, 44), (180, 176, 168), (54, 80, 60),
    (30, 34, 44), (120, 90, 64), (210, 206, 198), (44, 60, 110),
)  # fmt: skip
_SHOES, _TYRE, _SPOKES, _CHROME = (30, 28, 28), (30, 30, 32), (118, 118, 116), (140, 142, 146)
_TALL = 1.75


def paint_person(canvas, rng, x, z, height):
    """Someone who stands or walks, ``height`` metres tall."""
    scale = height / _TALL
    for outline, colour in _person(rng):
        scaled_outline = [(across * scale, up * scale) for across, up in outline]
        canvas.cutout(x, z, scaled_outline, colour, "person")


def paint_bicycle(canvas, rng, x, z, *, turn=1.0):
    """A bicycle on its own."""
    _paint(canvas, x, z, _bicycle(rng, turn), "bicycle")


def paint_motorcycle(canvas, rng, x, z, *, turn=1.0):
    """A motorcycle on its own."""
    _paint(canvas, x, z, _motorcycle(rng, turn), "motorcycle")


def paint_rider(canvas, rng, x, z, *, turn=1.0, motor=False):
    """Someone riding a bicycle or, with ``motor``, a motorcycle."""
    (paint_motorcycle if motor else paint_bicycle)(canvas, rng, x, z, turn=turn)
    helmet = _draw(rng, _CLOTHES if motor else _HAIR)
    low, lean = (0.82, 0.2 * turn) if motor else (0.92, 0.28 * turn)
    _paint(canvas, x, z, _rider(rng, turn, low, lean, helmet), "rider")


def _paint(canvas, x, z, pieces, label):
    for outline, colour in pieces:
        canvas.cutout(x, z, outline, colour, label)


def _draw(rng, colours):
    return draw_near(rng, pick(rng, colours))


def _tube(start, end, thick):
    """A bar from start to end as a thin quadrilateral."""
    (xa, ya), (xb, yb) = start, end
    length = max(1e-6, ((xb - xa) ** 2 + (yb - ya) ** 2) ** 0.5)
    nx, ny = -(yb - ya) / length * thick / 2, (xb - xa) / length * thick / 2
    return [(xa + nx, ya + ny), (xb + nx, yb + ny), (xb - nx, yb - ny), (xa - nx, ya - ny)]


def _person(rng):
    """Legs, trunk with its side in the shade, arms, hands, at times a bag, and the head."""
    stride, breadth = rng.uniform(0.02, 0.22), rng.uniform(0.19, 0.26)
    jacket = _draw(rng, _CLOTHES)
    trousers = _draw(rng, _CLOTHES)
    for side in (-1, 1):
        foot = side * stride
        hips = sorted([(side * -0.01, 0.9), (side * 0.17, 0.9)])
        yield [hips[0], (foot - 0.07, 0.04), (foot + 0.07, 0.04), hips[1]], trousers
        yield rectangle(foot - 0.08, 0, foot + 0.1, 0.07), _SHOES
    if rng.uniform() < 0.15:
        yield [(-0.16, 0.95), (-0.24, 0.5), (0.24, 0.5), (0.16, 0.95)], jacket
    shoulders = (-breadth, 1.4), (-0.1, 1.5), (0.1, 1.5), (breadth, 1.4)
    yield [(-0.17, 0.82), *shoulders, (0.17, 0.82)], jacket
    yield [(0.17, 0.82), (breadth, 1.4), (0.1, 1.5), (0.06, 0.82)], scaled(jacket, 0.8)
    skin = _draw(rng, _SKIN)
    for side in (-1, 1):
        hand = (side * (breadth + stride * 0.5), 0.82)
        yield _tube((side * breadth * 0.9, 1.38), hand, 0.12), scaled(jacket, 0.85)
        yield disc(*hand, 0.05, corners=6), skin
    if rng.uniform() < 0.3:
        yield rectangle(breadth, 0.7, breadth + 0.2, 1.05), _draw(rng, _CLOTHES)
    skin = _draw(rng, _SKIN)
    yield rectangle(-0.05, 1.45, 0.05, 1.55), skin
    yield disc(0, 1.63, 0.1, height=0.13, corners=10), skin
    hair = [(-0.11, 1.62), (-0.1, 1.73), (0, 1.78), (0.1, 1.73), (0.11, 1.62), (0, 1.7)]
    yield hair, _draw(rng, _HAIR)


def _bicycle(rng, turn):
    paint = _draw(rng, _CLOTHES)
    rear, front = (-0.52 * turn, 0.34), (0.52 * turn, 0.34)
    wide = max(0.34 * turn, 0.035)
    for wheel in (rear, front):
        yield disc(*wheel, wide, height=0.34), _TYRE
        if turn > 0.3:
            yield disc(*wheel, wide * 0.85, height=0.29), _SPOKES
    crank, saddle, head = (-0.05 * turn, 0.32), (-0.2 * turn, 0.86), (0.36 * turn, 0.84)
    bars = (rear, crank), (crank, saddle), (crank, head), (saddle, head), (rear, saddle)
    for start, end in (*bars, (front, (0.33 * turn, 1.0))):
        yield _tube(start, end, 0.05), paint
    yield rectangle(saddle[0] - 0.12, 0.88, saddle[0] + 0.1, 0.94), _SHOES
    grip = 0.2 * (1.2 - turn)
    yield rectangle(0.33 * turn - grip, 0.98, 0.33 * turn + grip, 1.03), (40, 40, 42)


_TANK = ((-0.7, 0.55), (-0.4, 0.85), (0.1, 0.8), (0.5, 0.9), (0.55, 0.5), (0.1, 0.25), (-0.4, 0.3))
_SEAT = ((-0.75, 0.8), (-0.7, 0.92), (0.05, 0.86), (0.05, 0.78))
_FORK = ((0.4, 0.75), (0.45, 1.15), (0.6, 1.1), (0.66, 0.6))


def _motorcycle(rng, turn):
    paint = _draw(rng, _CLOTHES)
    wide = max(turn, 0.3)
    for across in (-0.62 * turn, 0.66 * turn):
        yield disc(across, 0.31, 0.31 * wide, height=0.31), _TYRE
        yield disc(across, 0.31, 0.16 * wide, height=0.16), _CHROME
    for outline, colour in ((_TANK, paint), (_SEAT, _SHOES), (_FORK, scaled(paint, 0.8))):
        yield [(across * turn, up) for across, up in outline], colour
    yield disc(0.62 * turn, 0.86, 0.1 * wide, height=0.1, corners=8), (232, 230, 214)
    if turn < 0.5:
        yield rectangle(-0.38, 0.98, 0.38, 1.04), (40, 40, 42)


def _rider(rng, turn, low, lean, helmet):
    """Legs, trunk, arms, head and helmet above a saddle at the height ``low``."""
    jacket, trousers = _draw(rng, _CLOTHES), _draw(rng, _CLOTHES)
    seat, spread = -0.2 * turn, 1.15 - turn
    neck, broad = (seat + lean, low + 0.55), 0.15 + 0.1 * (1 - turn)
    for side in (-1, 1):
        knee = (0.16 * turn + side * 0.13 * spread, low - 0.25)
        yield _tube((seat + side * 0.1 * spread, low), knee, 0.16), trousers
        yield _tube(knee, (knee[0] - 0.1 * turn, 0.22 + 0.12 * (side > 0)), 0.12), trousers
    left, right = neck[0] - broad, neck[0] + broad
    shoulders = (left, neck[1] - 0.1), (left + 0.1, neck[1]), (right - 0.1, neck[1])
    hips = (seat - broad * 0.8, low - 0.08), (seat + broad * 0.8, low - 0.08)
    yield [hips[0], *shoulders, (right, neck[1] - 0.1), hips[1]], jacket
    for side in (-1, 1):
        shoulder = (neck[0] + side * broad * 0.8 * spread, neck[1] - 0.06)
        hand = (0.33 * turn + side * 0.28 * spread, low + 0.12)
        yield _tube(shoulder, hand, 0.1), scaled(jacket, 0.85)
    head = (neck[0] + 0.05 * turn, neck[1] + 0.17)
    yield disc(*head, 0.11, height=0.14, corners=10), _draw(rng, _SKIN)
    yield disc(head[0], head[1] + 0.05, 0.13, height=0.1, corners=10), helmet
