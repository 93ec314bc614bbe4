"""Traffic signs of the German kind and traffic lights, on their posts."""

from math import cos, pi, sin

from metaseg_tf.demo.streetscenes.colours import pick, scaled
from metaseg_tf.demo.streetscenes.furniture import STEEL, paint_post
from metaseg_tf.demo.streetscenes.solid import disc, rectangle, upright

__all__ = ["paint_sign", "paint_traffic_light"]

_RED, _BLUE, _YELLOW = (186, 30, 36), (28, 72, 150), (232, 190, 40)
_WHITE, _BLACK = (232, 232, 228), (28, 28, 28)
_PHASES = ((240, 50, 40), (244, 190, 50), (60, 220, 130))


def _triangle(radius, up):
    corners = (pi / 2 + 2 * pi * k / 3 for k in range(3))
    return [(1.1 * radius * cos(a), up + 1.1 * radius * sin(a)) for a in corners]


def _warning(up, r):
    yield _triangle(r, up), _RED
    yield _triangle(r * 0.68, up - 0.01), _WHITE
    yield rectangle(-0.03, up - 0.12, 0.03, up + 0.12), _BLACK


def _limit(up, r):
    yield disc(0, up, r), _RED
    yield disc(0, up, r * 0.74), _WHITE
    yield rectangle(-r * 0.4, up - r * 0.35, -r * 0.1, up + r * 0.35), _BLACK
    yield rectangle(r * 0.1, up - r * 0.35, r * 0.4, up + r * 0.35), _BLACK


def _no_stopping(up, r):
    yield disc(0, up, r), _RED
    yield disc(0, up, r * 0.78), _BLUE
    a, b = r * 0.6, r * 0.45
    yield [(-a, up + b), (-b, up + a), (a, up - b), (b, up - a)], _RED


def _mandatory(up, r):
    yield disc(0, up, r), _BLUE
    yield [(0, up + r * 0.7), (-r * 0.45, up), (r * 0.45, up)], _WHITE
    yield rectangle(-r * 0.15, up - r * 0.65, r * 0.15, up + 0.05), _WHITE


def _parking(up, r):
    yield rectangle(-r, up - r, r, up + r), _BLUE
    yield rectangle(-r * 0.45, up - r * 0.65, -r * 0.15, up + r * 0.65), _WHITE
    yield disc(0, up + r * 0.25, r * 0.42), _WHITE
    yield disc(0, up + r * 0.25, r * 0.2), _BLUE


def _priority(up, r):
    yield disc(0, up, r * 1.25, corners=4), _WHITE
    yield disc(0, up, r, corners=4), _YELLOW


def _no_entry(up, r):
    yield disc(0, up, r * 1.05), _RED
    yield rectangle(-r * 0.75, up - r * 0.18, r * 0.75, up + r * 0.18), _WHITE


def _direction(up, _r):
    yield rectangle(-1.1, up - 0.35, 1.1, up + 0.35), _BLACK
    yield rectangle(-1.07, up - 0.32, 1.07, up + 0.32), _YELLOW
    yield rectangle(-0.8, up + 0.08, 0.55, up + 0.18), _BLACK
    yield rectangle(-0.8, up - 0.18, 0.3, up - 0.08), _BLACK


_SMALL_SIGNS = (_warning, _limit, _no_stopping, _mandatory, _parking, _priority, _no_entry)
_SIGNS = (*_SMALL_SIGNS, *_SMALL_SIGNS, _direction)


def paint_sign(canvas, rng, x, z):
    """One or two signs on a post, seen from the front or, more rarely, from behind."""
    height = rng.uniform(2.1, 2.9)
    paint_post(canvas, x, z, height + 0.35, 0.07)
    behind = rng.uniform() < 0.2
    for _ in range(1 + (rng.uniform() < 0.3)):
        kind, radius = pick(rng, _SIGNS), rng.uniform(0.28, 0.4)
        for points, colour in kind(height, radius):
            seen = (128, 130, 130) if behind else colour
            canvas.polygon(upright(x, z, points), seen, "traffic sign")
        height -= 0.8


def paint_traffic_light(canvas, rng, x, z, towards):
    """A signal on a post, at times with a second one on an arm over the road.

    ``towards`` is the sign of the direction of the arm.
    """
    arm, phase = rng.uniform() < 0.35, rng.integers(3)
    reach, low = towards * rng.uniform(2.5, 4.5), rng.uniform(2.6, 3.2)
    paint_post(canvas, x, z, 5.6 if arm else low, 0.14)
    _paint_signal(canvas, x + 0.2, z, 2.7, phase)
    if arm:
        beam = [(0, 5.4), (0, 5.55), (reach, 5.65), (reach, 5.55)]
        canvas.polygon(upright(x, z, beam), STEEL, "pole")
        _paint_signal(canvas, x + reach, z, 5.3, phase)


def _paint_signal(canvas, x, z, up, phase):
    box = rectangle(-0.17, up - 0.48, 0.17, up + 0.48)
    canvas.polygon(upright(x, z, box), _BLACK, "traffic light")
    for k, colour in enumerate(_PHASES):
        shine = colour if k == phase else scaled(colour, 0.25)
        spot = disc(0, up + 0.3 - 0.3 * k, 0.11, corners=8)
        canvas.polygon(upright(x, z, spot), shine, "traffic light")
