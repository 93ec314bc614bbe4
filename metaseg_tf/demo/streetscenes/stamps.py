"""Ragged shapes kept at several sizes, from which any size is cut without a resampling library.

Pillow's resize differs between its releases; the nearest sample of a size close by does not.
"""

from typing import NamedTuple

import numpy as np

__all__ = ["Stamp", "make_stamp"]

_SMALLEST = 12


class Stamp(NamedTuple):
    """A shape's mask, bool [S, S], and shade, uint8 [S, S], from the finest size down."""

    levels: tuple[tuple[np.ndarray, np.ndarray], ...]

    def cut(self, size, corner, window):
        """The part that a window shows of the shape, scaled to ``size`` and put at ``corner``.

        Parameters
        ----------
        size, corner : (int, int)
            Width and height, and left and top, in pixels.
        window : (int, int, int, int)
            Left, top, right and bottom of what is wanted, within the scaled shape.

        Returns
        -------
        mask : bool [h, w]
        shade : uint8 [h, w]
        """
        mask, shade = self._level(max(size))
        columns, rows = (
            (np.arange(window[i], window[i + 2]) - corner[i]) * len(mask) // size[i] for i in (0, 1)
        )
        at = np.ix_(rows, columns)
        return mask[at], shade[at]

    def _level(self, side):
        """The coarsest level that is at least as fine as asked for, or the finest there is."""
        fine = [level for level in self.levels if len(level[0]) >= side]
        return fine[-1] if fine else self.levels[0]


def make_stamp(mask, shade):
    """A stamp with all its sizes, each half of the one before.

    Parameters
    ----------
    mask : bool [S, S]
    shade : float [S, S]
        Brightness in [0, 1].
    """
    levels, cover = [], mask.astype(np.float32)
    while len(cover) >= _SMALLEST:
        levels.append((cover > 0.5, np.round(255 * shade).astype(np.uint8)))
        cover, shade = _halve(cover), _halve(shade)
    return Stamp(tuple(levels))


def _halve(array):
    return (array[::2, ::2] + array[1::2, ::2] + array[::2, 1::2] + array[1::2, 1::2]) / 4
