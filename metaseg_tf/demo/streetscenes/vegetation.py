"""Trees, bushes and hedges, stamped from a library of ragged crowns made once."""

from functools import lru_cache

import numpy as np
from scipy import ndimage

from metaseg_tf.demo.streetscenes.canvas import make_stamp
from metaseg_tf.demo.streetscenes.tools import KINDS, SIDE, draw_near, noise_tile, pick, scaled

__all__ = ["draw_foliage_colour", "paint_bush", "paint_tree"]

_N_CROWNS = 12
_CROWN_SIDE = 384

#: How frequent each kind of tree is, and the clumps of its crown, (across, up, width, height) in
#: shares of the tree's height.
_HABIT_SHARES, _HABITS = zip(*KINDS["trees"].values(), strict=True)
_SMALL_GAP = 1500


@lru_cache(maxsize=1)
def _crowns():
    """The library: round crowns first, then slender ones."""
    return [_make_crown(np.random.default_rng(k)) for k in range(_N_CROWNS)]


def _make_crown(rng):
    """One crown: where a dome that fades outwards, roughened by noise, is above a threshold."""

    def crop(slope, seed):
        row, column = rng.integers(0, SIDE - _CROWN_SIDE, 2)
        return noise_tile(slope, seed)[row : row + _CROWN_SIDE, column : column + _CROWN_SIDE]

    y, x = np.mgrid[-1 : 1 : _CROWN_SIDE * 1j, -1 : 1 : _CROWN_SIDE * 1j]
    rough, leaves = crop(1.5, 2), crop(0.7, 2)
    dome = 0.75 - np.hypot(x, y * 0.95) + 0.13 * rough + 0.09 * leaves
    dome[np.hypot(x, y) > 0.97] = -1
    shade = 0.5 - 0.22 * y - 0.12 * x + 0.16 * crop(1.3, 3) + 0.1 * leaves
    # The largest connected part without its small holes: leaves hang together.
    parts, _ = ndimage.label(dome > 0)
    whole = parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])
    gaps, _ = ndimage.label(~whole)
    whole |= (np.bincount(gaps.ravel()) < _SMALL_GAP)[gaps]
    return make_stamp(whole, np.clip(shade, 0, 1))


def draw_foliage_colour(rng, season):
    """A leaf colour; ``season`` in [0, 1] runs from spring over summer to autumn."""
    green, autumn = np.array([74, 98, 44]), np.array([150, 104, 44])
    share = max(0.0, season - 0.6) * 2.2 * rng.uniform(0, 1)
    fresh = np.array([96, 122, 48]) if season < 0.2 else green
    return tuple(((fresh * (1 - share) + autumn * share) * rng.uniform(0.6, 1.1)).tolist())


def paint_tree(canvas, rng, x, z, height, colour):
    """A tree: a trunk that forks and a crown of several overlapping clumps."""
    thick, fork = height * rng.uniform(0.012, 0.024), height * rng.uniform(0.28, 0.38)
    lean = rng.uniform(-0.03, 0.03) * height
    brightness = canvas.light.on((0.0, 0.2, -0.98))
    bark = scaled(draw_near(rng, (78, 68, 56), 0.2), brightness)
    trunk = [(-thick, 0), (-thick * 0.7 + lean, fork), (thick * 0.7 + lean, fork), (thick, 0)]
    canvas.cutout(x, z, trunk, bark, "vegetation")
    for side in (-1, 1):
        tip = (lean + side * height * 0.1, height * 0.55)
        branch = [(lean - thick * 0.5, fork * 0.9), tip, (lean + thick * 0.5, fork * 0.9)]
        canvas.cutout(x, z, branch, bark, "vegetation")
    lit = scaled(colour, brightness)
    for across, up, wide, high in _HABITS[rng.choice(len(_HABITS), p=_HABIT_SHARES)]:
        crown = pick(rng, _crowns())
        tone = draw_near(rng, lit, 0.12)
        shift = (rng.uniform(-0.04, 0.04, 2) * height).tolist()
        centre = (x + lean + across * height + shift[0], up * height + shift[1], z)
        size = height * rng.uniform(0.85, 1.1)
        canvas.stamp(centre, wide * size, high * size, crown, tone, "vegetation")


def paint_bush(canvas, rng, x, z, width, height, colour):
    """A bush or a piece of hedge that stands on the ground."""
    brightness = canvas.light.on((0.0, 0.4, -0.9))
    lit = scaled(colour, brightness)
    crown = pick(rng, _crowns())
    canvas.stamp((x, height * 0.48, z), width * 1.2, height * 1.35, crown, lit, "vegetation")
