"""The unit of painting: something with a depth, a way to be painted and a shadow."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from metaseg_tf.demo.streetscenes.conditions import Conditions
from metaseg_tf.demo.streetscenes.layout import Plan

__all__ = ["Item", "Setting", "Shadow", "item", "positions"]


class Setting(NamedTuple):
    """What all items of a scene have in common.

    ``season`` in [0, 1] runs from spring over summer to autumn.
    """

    plan: Plan
    conditions: Conditions
    season: float


class Shadow(NamedTuple):
    """What throws a shadow, in metres: a box on the ground or, with ``lift``, a disc above it."""

    x: float
    z: float
    half_width: float
    half_length: float
    height: float
    lift: float = 0.0


class Item(NamedTuple):
    """Something to be painted after all that lies deeper: ``paint(canvas, rng)`` paints it."""

    depth: float
    paint: Callable
    shadow: Shadow | None = None


def item(depth, painter, *args, shadow=None, **settings):
    """An Item that calls ``painter(canvas, rng, *args, **settings)``."""
    return Item(float(depth), partial(_call, painter, args, settings), shadow)


def positions(rng, start, stop, gap):
    """Distances from ``start`` up to ``stop``, each further by a draw from ``gap`` (low, high)."""
    z = start
    while z < stop:
        yield z
        z += rng.uniform(*gap)


def _call(painter, args, settings, canvas, rng):
    painter(canvas, rng, *args, **settings)
