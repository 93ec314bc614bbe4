"""What stands about in a street and is void in the evaluation: bins, benches, shelters, prams."""

from metaseg_tf.demo.streetscenes.colours import draw_any, draw_near, pick, scaled
from metaseg_tf.demo.streetscenes.solid import disc, rectangle, upright

__all__ = ["paint_clutter"]

_BINS = ((60, 80, 56), (200, 120, 40), (70, 70, 74), (60, 84, 120))


def _bin(rng):
    colour = pick(rng, _BINS)
    yield [(-0.26, 0), (-0.32, 1.0), (0.32, 1.0), (0.26, 0)], colour, "static"
    yield rectangle(-0.34, 1.0, 0.34, 1.08), scaled(colour, 0.7), "static"


def _bench(rng):
    wood = draw_near(rng, (120, 90, 58))
    for across in (-0.75, 0.7):
        yield rectangle(across, 0, across + 0.08, 0.45), (50, 50, 52), "static"
    for low in (0.4, 0.55, 0.72):
        yield rectangle(-0.85, low, 0.85, low + 0.1), wood, "static"


def _cabinet(rng):
    colour = draw_near(rng, (146, 146, 138))
    wide, high = rng.uniform(0.4, 0.8), rng.uniform(0.9, 1.4)
    yield rectangle(-wide, 0, wide, high), colour, "static"
    yield rectangle(-0.02, 0.1, 0.02, high), scaled(colour, 0.6), "static"


def _advertising_column(rng):
    yield rectangle(-0.6, 0, 0.6, 2.9), (150, 146, 136), "static"
    for low in (0.5, 1.3, 2.0):
        left = rng.uniform(-0.55, 0.0)
        yield rectangle(left, low, left + 0.5, low + 0.6), draw_any(rng, 60, 230), "static"
    yield [(-0.7, 2.9), (0, 3.3), (0.7, 2.9)], (70, 84, 70), "static"


def _shelter(rng):
    yield rectangle(-1.8, 0.1, 1.8, 2.3), (120, 136, 142), "static"
    yield rectangle(-1.7, 0.5, -0.7, 2.1), draw_any(rng, 60, 230), "static"
    yield rectangle(-0.4, 0.4, 1.6, 0.55), (90, 80, 70), "static"
    yield rectangle(-2.0, 2.3, 2.0, 2.5), (70, 74, 76), "static"


def _parasol(rng):
    yield rectangle(-0.03, 0, 0.03, 2.2), (112, 114, 112), "static"
    yield [(-1.4, 2.1), (0, 2.8), (1.4, 2.1)], draw_any(rng, 90, 240), "static"
    for left in (-0.9, 0.4):
        yield rectangle(left, 0.7, left + 0.6, 0.76), (150, 140, 130), "dynamic"
        yield rectangle(left + 0.27, 0, left + 0.33, 0.7), (90, 88, 86), "dynamic"


def _pushchair(rng):
    for across in (-0.25, 0.3):
        yield disc(across, 0.14, 0.14, corners=8), (28, 28, 28), "dynamic"
    colour = draw_any(rng, 30, 150)
    yield [(-0.35, 0.35), (-0.4, 0.9), (0.2, 1.0), (0.4, 0.35)], colour, "dynamic"


_KINDS = (_bin, _bin, _bench, _cabinet, _advertising_column, _shelter, _parasol, _pushchair)


def paint_clutter(canvas, rng, x, z):
    """Paint one of the kinds, each of which yields its pieces (outline, colour, label)."""
    for points, colour, label in pick(rng, _KINDS)(rng):
        canvas.polygon(upright(x, z, points), colour, label)
