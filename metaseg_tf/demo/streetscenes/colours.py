"""Colours as (r, g, b) in 0..255, varied and scaled without a change of hue."""

__all__ = ["draw_any", "draw_near", "pick", "scaled"]


def scaled(colour, factor):
    """``colour`` brighter or darker by ``factor``, not clipped."""
    return tuple(c * factor for c in colour)


def draw_near(rng, colour, spread=0.15):
    """``colour``, brighter or darker by up to the share ``spread``, its channels by a little."""
    factor = rng.uniform(1 - spread, 1 + spread)
    return tuple(c * factor * t for c, t in zip(colour, rng.uniform(0.97, 1.03, 3), strict=True))


def draw_any(rng, low=20.0, high=240.0):
    """Any colour with channels between ``low`` and ``high``."""
    return tuple(rng.uniform(low, high, 3).tolist())


def pick(rng, choices):
    """One of ``choices``, all equally likely."""
    return choices[rng.integers(len(choices))]
