import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from metaseg_tf.paper.figures import style


def test_the_style_is_in_force_within_only():
    mpl.rcParams["font.size"] = 31
    with style.styled():
        assert mpl.rcParams["font.size"] == 9
    assert mpl.rcParams["font.size"] == 31
    mpl.rcParams["font.size"] = mpl.rcParamsDefault["font.size"]


def test_line_colours_are_distinct():
    colours = np.array([to_rgb(colour) for colour in style.LINE_COLOURS])
    distances = np.abs(colours[:, None] - colours).sum(-1)
    assert (distances[np.triu_indices(len(colours), 1)] > 0.3).all()


@pytest.mark.parametrize("n", [0, 1, 100, 45_000, 10**7])
def test_dots_stay_visible(n):
    assert 0.08 <= style.point_alpha(n) <= 0.7
    assert 2 <= style.point_area(n) <= 10
