"""The unit of painting: something with a depth, a way to be painted and a shadow."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

__all__ = ["Item", "item"]


class Item(NamedTuple):
    """Something to be painted after all that lies deeper.

    ``paint(canvas, rng)`` paints it; ``shadow`` is (x, z, half_width, half_length, height) in
    metres of the box that stands for it on the ground, or None.
    """

    depth: float
    paint: Callable
    shadow: tuple | None = None


def item(depth, painter, *args, shadow=None, **settings):
    """An Item that calls ``painter(canvas, rng, *args, **settings)``."""
    return Item(float(depth), partial(_call, painter, args, settings), shadow)


def _call(painter, args, settings, canvas, rng):
    painter(canvas, rng, *args, **settings)
