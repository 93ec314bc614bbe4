"""How all figures look: sizes, fonts, and colours that colour-blind readers can tell apart.

Line colours are those of Okabe and Ito; maps are matplotlib's, chosen for monotone lightness or,
for the IoU, red to blue in place of the paper's red to green.
"""

from contextlib import AbstractContextManager

import matplotlib as mpl
from matplotlib.figure import Figure

__all__ = [
    "BLACK",
    "BLUE",
    "GREEN",
    "GREY",
    "HEAT_MAP",
    "IOU_LABEL",
    "IOU_MAP",
    "LINE_COLOURS",
    "ORANGE",
    "SKY",
    "UNKNOWN",
    "VERMILION",
    "new_figure",
    "point_alpha",
    "point_area",
    "styled",
]

BLACK = "#000000"
BLUE = "#0072B2"
GREEN = "#009E73"
GREY = "#777777"
ORANGE = "#E69F00"
SKY = "#56B4E9"
VERMILION = "#D55E00"
_PURPLE = "#CC79A7"
LINE_COLOURS = (BLUE, VERMILION, GREEN, ORANGE, SKY, _PURPLE, BLACK)

#: Sequential map of dispersions in [0, 1]; diverging map of IoU values in [0, 1].
HEAT_MAP = "inferno"
IOU_MAP = "RdYlBu"
IOU_LABEL = r"$IoU_\mathrm{adj}$"
#: Colour of segments that have no value.
UNKNOWN = "#BBBBBB"

_SETTINGS = {
    "font.family": "DejaVu Sans",
    "mathtext.fontset": "dejavusans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "image.interpolation": "antialiased",
    "savefig.dpi": 200,
    "pdf.fonttype": 42,
}


def styled() -> AbstractContextManager:
    """Within it figures are made and stored in the house style; matplotlib's own comes back."""
    return mpl.rc_context({**mpl.rcParamsDefault, "backend": "agg", **_SETTINGS})


def new_figure(width: float, height: float) -> Figure:
    """A figure of that size in inches, known to nobody else: nothing is left to be closed."""
    return Figure((width, height), layout="constrained")


def point_alpha(n: int) -> float:
    """Opacity at which n points of a scatter plot show where they are dense, in [0.08, 0.7]."""
    return float(min(0.7, max(0.08, 25 / max(n, 1) ** 0.5)))


def point_area(n: int) -> float:
    """Area in points squared of each of n dots of a scatter plot, in [2, 10]."""
    return float(min(10.0, max(2.0, 2000 / max(n, 1))))
