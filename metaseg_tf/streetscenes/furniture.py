"""Street furniture: lamps, signs, traffic lights, bollards, bins, benches and shelters."""

from math import cos, pi, sin

from metaseg_tf.streetscenes.solid import disc, rectangle, upright

__all__ = [
    "CLUTTER",
    "paint_bollard",
    "paint_clutter",
    "paint_lamp",
    "paint_sign",
    "paint_traffic_light",
]

_STEEL = (112, 114, 112)
_RED, _BLUE, _WHITE, _BLACK, _YELLOW = (
    (186, 30, 36), (28, 72, 150), (232, 232, 228), (28, 28, 28), (232, 190, 40),
)  # fmt: skip


def _post(canvas, x, z, height, thick, colour=_STEEL, label="pole"):
    canvas.polygon(upright(x, z, rectangle(-thick / 2, 0, thick / 2, height)), colour, label)


def paint_lamp(canvas, rng, x, z, towards):
    """A street lamp whose arm reaches to the side given by the sign of ``towards``."""
    height, reach = rng.uniform(5.5, 9.5), towards * rng.uniform(0.0, 2.2)
    dark = rng.uniform(0.5, 1.2)
    colour = tuple(c * dark for c in _STEEL)
    _post(canvas, x, z, height, 0.15, colour)
    arm = [(0, height - 0.1), (0, height), (reach, height + 0.35), (reach, height + 0.25)]
    canvas.polygon(upright(x, z, arm), colour, "pole")
    shine = (250, 232, 180) if canvas.light.dusk else (168, 170, 168)
    head = rectangle(reach - 0.35, height + 0.15, reach + 0.35, height + 0.42)
    canvas.polygon(upright(x, z, head), shine, "static")


def paint_bollard(canvas, rng, x, z):
    """A low post, at times with a white band."""
    height = rng.uniform(0.7, 1.1)
    _post(canvas, x, z, height, 0.12, (86, 60, 54) if rng.uniform() < 0.3 else (74, 76, 80))
    canvas.polygon(upright(x, z, rectangle(-0.06, height * 0.75, 0.06, height * 0.88)), _WHITE)


def _triangle(radius, up):
    return [
        (
            radius * 1.1 * cos(pi / 2 + 2 * pi * k / 3),
            up + radius * 1.1 * sin(pi / 2 + 2 * pi * k / 3),
        )
        for k in range(3)
    ]


def _warning(up, r):
    return ((_triangle(r, up), _RED), (_triangle(r * 0.68, up - 0.01), _WHITE),
            (rectangle(-0.03, up - 0.12, 0.03, up + 0.12), _BLACK))  # fmt: skip


def _limit(up, r):
    return ((disc(0, up, r), _RED), (disc(0, up, r * 0.74), _WHITE),
            (rectangle(-r * 0.4, up - r * 0.35, -r * 0.1, up + r * 0.35), _BLACK),
            (rectangle(r * 0.1, up - r * 0.35, r * 0.4, up + r * 0.35), _BLACK))  # fmt: skip


def _no_stopping(up, r):
    return ((disc(0, up, r), _RED), (disc(0, up, r * 0.78), _BLUE),
            ([(-r * 0.6, up + r * 0.45), (-r * 0.45, up + r * 0.6), (r * 0.6, up - r * 0.45),
              (r * 0.45, up - r * 0.6)], _RED))  # fmt: skip


def _mandatory(up, r):
    return ((disc(0, up, r), _BLUE), ([(0, up + r * 0.7), (-r * 0.45, up), (r * 0.45, up)], _WHITE),
            (rectangle(-r * 0.15, up - r * 0.65, r * 0.15, up + 0.05), _WHITE))  # fmt: skip


def _parking(up, r):
    return (
        (rectangle(-r, up - r, r, up + r), _BLUE),
        (rectangle(-r * 0.45, up - r * 0.65, -r * 0.15, up + r * 0.65), _WHITE),
        (disc(0, up + r * 0.25, r * 0.42), _WHITE),
        (disc(0, up + r * 0.25, r * 0.2), _BLUE),
    )


def _priority(up, r):
    return ((disc(0, up, r * 1.25, corners=4), _WHITE), (disc(0, up, r, corners=4), _YELLOW))


def _stop(up, r):
    return ((disc(0, up, r * 1.1, corners=8), _RED),
            (rectangle(-r * 0.75, up - r * 0.2, r * 0.75, up + r * 0.2), _WHITE))  # fmt: skip


def _direction(up, r):
    wide = 1.1
    return ((rectangle(-wide, up - 0.35, wide, up + 0.35), _BLACK),
            (rectangle(-wide + 0.03, up - 0.32, wide - 0.03, up + 0.32), _YELLOW),
            (rectangle(-wide * 0.7, up + 0.08, wide * 0.5, up + 0.18), _BLACK),
            (rectangle(-wide * 0.7, up - 0.18, wide * 0.3, up - 0.08), _BLACK))  # fmt: skip


_COMMON_SIGNS = (_warning, _limit, _no_stopping, _mandatory, _parking, _priority, _stop)
_SIGNS = _COMMON_SIGNS * 2 + (_direction,)


def paint_sign(canvas, rng, x, z):
    """One or two traffic signs of the German kind on a post, seen from the front or behind."""
    height = rng.uniform(2.1, 2.9)
    _post(canvas, x, z, height + 0.35, 0.07)
    behind = rng.uniform() < 0.2
    for _ in range(1 + (rng.uniform() < 0.3)):
        kind, radius = _SIGNS[rng.integers(len(_SIGNS))], rng.uniform(0.28, 0.4)
        for points, colour in kind(height, radius):
            seen = (128, 130, 130) if behind else colour
            canvas.polygon(upright(x, z, points), seen, "traffic sign")
        height -= 0.8


def paint_traffic_light(canvas, rng, x, z, towards):
    """A signal on a post, at times a second one on an arm over the road."""
    arm = rng.uniform() < 0.35
    height = 5.6 if arm else rng.uniform(2.6, 3.2)
    phase = rng.integers(3)
    _post(canvas, x, z, height, 0.14)
    _signal(canvas, x + 0.2, z, 2.7, phase)
    if arm:
        reach = towards * rng.uniform(2.5, 4.5)
        canvas.polygon(upright(x, z, [(0, 5.4), (0, 5.55), (reach, 5.65), (reach, 5.55)]), _STEEL,
                       "pole")  # fmt: skip
        _signal(canvas, x + reach, z, 5.3, phase)


def _signal(canvas, x, z, up, phase):
    canvas.polygon(upright(x, z, rectangle(-0.17, up - 0.48, 0.17, up + 0.48)), _BLACK,
                   "traffic light")  # fmt: skip
    bright = ((240, 50, 40), (244, 190, 50), (60, 220, 130))
    for k, colour in enumerate(bright):
        shine = colour if k == phase else tuple(c * 0.25 for c in colour)
        spot = disc(0, up + 0.3 - 0.3 * k, 0.11, corners=8)
        canvas.polygon(upright(x, z, spot), shine, "traffic light")


def _bin(canvas, rng, x, z):
    colour = ((60, 80, 56), (200, 120, 40), (70, 70, 74), (60, 84, 120))[rng.integers(4)]
    canvas.polygon(
        upright(x, z, [(-0.26, 0), (-0.32, 1.0), (0.32, 1.0), (0.26, 0)]), colour, "static"
    )
    lid = tuple(c * 0.7 for c in colour)
    canvas.polygon(upright(x, z, rectangle(-0.34, 1.0, 0.34, 1.08)), lid, "static")


def _bench(canvas, rng, x, z):
    wood = tuple(c * rng.uniform(0.7, 1.1) for c in (132, 98, 62))
    for across in (-0.75, 0.7):
        canvas.polygon(
            upright(x, z, rectangle(across, 0, across + 0.08, 0.45)), (50, 50, 52), "static"
        )
    for low in (0.4, 0.55, 0.72):
        canvas.polygon(upright(x, z, rectangle(-0.85, low, 0.85, low + 0.1)), wood, "static")


def _cabinet(canvas, rng, x, z):
    grey = rng.uniform(120, 170)
    wide, high = rng.uniform(0.4, 0.8), rng.uniform(0.9, 1.4)
    canvas.polygon(
        upright(x, z, rectangle(-wide, 0, wide, high)), (grey, grey, grey * 0.95), "static"
    )
    canvas.polygon(upright(x, z, rectangle(-0.02, 0.1, 0.02, high)), (90, 90, 88), "static")


def _column(canvas, rng, x, z):
    canvas.polygon(upright(x, z, rectangle(-0.6, 0, 0.6, 2.9)), (150, 146, 136), "static")
    for low in (0.5, 1.3, 2.0):
        colour = tuple(rng.uniform(60, 230, 3).tolist())
        left = rng.uniform(-0.55, 0.0)
        poster = rectangle(left, low, left + 0.5, low + 0.6)
        canvas.polygon(upright(x, z, poster), colour, "static")
    canvas.polygon(upright(x, z, [(-0.7, 2.9), (0, 3.3), (0.7, 2.9)]), (70, 84, 70), "static")


def _shelter(canvas, rng, x, z):
    canvas.polygon(upright(x, z, rectangle(-1.8, 0.1, 1.8, 2.3)), (120, 136, 142), "static")
    poster = tuple(rng.uniform(60, 230, 3).tolist())
    canvas.polygon(upright(x, z, rectangle(-1.7, 0.5, -0.7, 2.1)), poster, "static")
    canvas.polygon(upright(x, z, rectangle(-2.0, 2.3, 2.0, 2.5)), (70, 74, 76), "static")


def _parasol(canvas, rng, x, z):
    colour = tuple(rng.uniform(90, 240, 3).tolist())
    canvas.polygon(upright(x, z, rectangle(-0.03, 0, 0.03, 2.2)), _STEEL, "static")
    canvas.polygon(upright(x, z, [(-1.4, 2.1), (0, 2.8), (1.4, 2.1)]), colour, "static")
    canvas.polygon(upright(x, z, rectangle(-0.5, 0.7, 0.5, 0.76)), (150, 140, 130), "dynamic")


def _pushchair(canvas, rng, x, z):
    colour = tuple(rng.uniform(30, 150, 3).tolist())
    for across in (-0.25, 0.3):
        canvas.polygon(upright(x, z, disc(across, 0.14, 0.14, corners=8)), _BLACK, "dynamic")
    canvas.polygon(
        upright(x, z, [(-0.35, 0.35), (-0.4, 0.9), (0.2, 1.0), (0.4, 0.35)]), colour, "dynamic"
    )


#: What stands about and is void in the evaluation.
CLUTTER = (_bin, _bin, _bench, _cabinet, _column, _shelter, _parasol, _pushchair)


def paint_clutter(canvas, rng, x, z):
    """Some piece of ``CLUTTER``."""
    CLUTTER[rng.integers(len(CLUTTER))](canvas, rng, x, z)
