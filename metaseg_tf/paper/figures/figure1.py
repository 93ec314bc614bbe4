"""Figure 1: entropy and probability difference of three class probabilities."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection, TriMesh
from matplotlib.tri import Triangulation

from metaseg_tf.paper.figures import drawing
from metaseg_tf.pictures import HEAT_MAP
from metaseg_tf.runs.run import Run

__all__ = ["draw", "frame", "plot"]

_ISOLINES = np.linspace(0.1, 0.9, 9)
_ISOLINE_COLOURS = ["white"] * 5 + ["black"] * 4
_LABELLED = _ISOLINES[2::2]
_TITLES = {"E": "entropy $E$, eq. (2)", "D": "probability difference $D$, eq. (3)"}


def frame(steps: int = 150) -> pd.DataFrame:
    """``E`` and ``D`` in [0, 1] at ``p1``, ``p2`` on a lattice over the simplex p1 + p2 + p3 = 1.

    Computed here from the equations, since the code that measures images needs TensorFlow.
    """
    i, j = np.indices((steps + 1, steps + 1)).reshape(2, -1)
    p = np.stack([i, j, steps - i - j], axis=1)[i + j <= steps] / steps
    logs = np.log(p, out=np.zeros_like(p), where=p > 0)
    entropy = -(p * logs).sum(axis=1) / np.log(3)
    _, second, largest = np.sort(p, axis=1).T
    return pd.DataFrame({"p1": p[:, 0], "p2": p[:, 1], "E": entropy, "D": 1 - largest + second})


def plot(values: pd.DataFrame, column: str, ax: Axes) -> TriMesh | PolyCollection:
    """One heat map with isolines; ``column`` is "E" or "D"."""
    lattice = Triangulation(values["p1"], values["p2"])
    look = {"cmap": HEAT_MAP, "vmin": 0, "vmax": 1, "shading": "gouraud", "rasterized": True}
    mesh = ax.tripcolor(lattice, values[column], **look)
    look = {"colors": _ISOLINE_COLOURS, "linewidths": 0.7}
    lines = ax.tricontour(lattice, values[column], _ISOLINES, **look)
    # Labels lie where isolines cross the line p1 = p2 < 1/3, on which E and D rise.
    rising = values[(values["p1"] == values["p2"]) & (values["p1"] <= 1 / 3)]
    places = np.interp(_LABELLED, rising[column], rising["p1"])
    ax.clabel(lines, fmt="%.1f", fontsize=7, manual=[(place, place) for place in places])
    ax.set(title=_TITLES[column], xlabel="$p_1$", ylabel="$p_2$", aspect="equal")
    ax.set(xlim=(0, 1), ylim=(0, 1))
    ax.text(0.98, 0.94, "$p_3 = 1 - p_1 - p_2$", ha="right", transform=ax.transAxes)
    return mesh


def draw(runs: Sequence[Run]) -> drawing.Drawing:
    """Both panels; nothing in them depends on a run."""
    values = frame()
    figure = drawing.new_figure(7.4, 3.4)
    axes = figure.subplots(1, 2)
    meshes = [plot(values, column, ax) for column, ax in zip("ED", axes, strict=True)]
    figure.colorbar(meshes[0], ax=axes, label="dispersion", shrink=0.85)
    return drawing.Drawing(figure, {"": values})
