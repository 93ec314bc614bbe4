"""Stamps: cut at any size as the slow look-up pixel by pixel would."""

import numpy as np
import pytest

from metaseg_tf.demo.streetscenes.stamps import make_stamp

Y, X = np.mgrid[-1:1:96j, -1:1:96j]
STAMP = make_stamp(np.hypot(X, Y) < 0.8, np.abs(X))


def test_levels_halve_and_keep_their_cover():
    sides = [len(mask) for mask, _ in STAMP.levels]
    assert sides == [96, 48, 24, 12]
    covers = [mask.mean() for mask, _ in STAMP.levels]
    assert covers == pytest.approx([covers[0]] * 4, abs=0.05)


@pytest.mark.parametrize(
    ("size", "level"), [((300, 200), 0), ((96, 50), 0), ((48, 48), 1), ((9, 5), 3)]
)
def test_cut_agrees_with_a_look_up_pixel_by_pixel(size, level):
    corner, window = (-3, 4), (0, 5, size[0] - 4, size[1] + 2)
    mask, shade = STAMP.cut(size, corner, window)
    whole, whole_shade = STAMP.levels[level]
    assert mask.shape == shade.shape == (size[1] - 3, size[0] - 4)
    for row in range(0, mask.shape[0], 7):
        for column in range(0, mask.shape[1], 7):
            at = ((row + 1) * len(whole) // size[1], (column + 3) * len(whole) // size[0])
            assert mask[row, column] == whole[at]
            assert shade[row, column] == whole_shade[at]
