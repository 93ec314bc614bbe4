"""The paper's figures: each a module with ``frame``, its data, and ``plot``, which draws it.

A new one is a module of this package with ``draw``, too, and an entry in ``FIGURES``.
"""

from collections.abc import Callable, Collection, Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from metaseg_tf.errors import InputError, check_choice
from metaseg_tf.paper.figures.diagnostics import store_diagnostics
from metaseg_tf.paper.figures.drawing import FORMATS, Drawing, store_drawing, styled
from metaseg_tf.runs.run import Run

__all__ = ["FIGURES", "FigureEntry", "make_figure", "store_diagnostics"]


class FigureEntry(NamedTuple):
    """A figure's module and options."""

    module: str  #: Imported only to draw the figure: not all figures need the fits.
    joint: bool  #: One drawing shows all runs; else each run has its own.
    takes: tuple[str, ...] = ()  #: Of its ``draw``: "image" shows one image, "engine" shows fits.
    caption: str = ""  #: One sentence for the report, which shows the figures that have one.

    @property
    def draw(self) -> Callable[..., Drawing]:
        """The module's function of runs, and of the options that it takes."""
        return import_module(f"metaseg_tf.paper.figures.{self.module}").draw


_CAPTION_3 = "Predicted against true IoU_adj of all segments; dot areas are proportional to S."
_CAPTION_4 = "Meta classification: coefficients, accuracy and AUROC over the inverse penalty 1/λ."

#: By the figure's number in the paper.
FIGURES = {
    1: FigureEntry("figure1", joint=True),
    2: FigureEntry("figure2", joint=True, takes=("image",)),
    3: FigureEntry("figure3", joint=True, takes=("engine",), caption=_CAPTION_3),
    4: FigureEntry("figure4", joint=False, takes=("engine",), caption=_CAPTION_4),
    5: FigureEntry("figure5", joint=False, takes=("image", "engine")),
    6: FigureEntry("figure6", joint=False, caption="Each metric against IoU_adj."),
    7: FigureEntry("figure7", joint=False, takes=("image",)),
}


def make_figure(
    number: int,
    runs: Sequence[Run],
    *,
    image: str | None = None,
    engine: str | None = None,
    formats: Collection[str] = tuple(FORMATS),
) -> list[Path]:
    """Make a figure of the paper and its data as CSV in ``figures/`` of the first run.

    Parameters
    ----------
    number : int
        The figure's number in the paper.
    runs : sequence of Run
        One or more, with folders of different names. Figures 4 to 7 show one run each: those of
        the second run and on bear its name, ``figure4_MN.png``.
    image : str, optional
        The image that figures 2, 5 and 7 show; by default the most informative one of those with
        maps.
    engine : {"lars", "reference"}, optional
        Solver of the logistic fits of figures 3, 4 and 5; exact by default.
    formats : collection of {"png", "pdf"}
        The picture's files; by default both.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    InputError
        If there is no such figure, or the runs lack the data for it.
    """
    check_choice("figure", number, FIGURES, "choose another number")
    entry, options = FIGURES[number], {}
    for name, value, shown in (("image", image, "a single image"), ("engine", engine, "fits")):
        if value is None:
            continue
        if name not in entry.takes:
            able = ", ".join(str(n) for n, other in FIGURES.items() if name in other.takes)
            raise InputError(
                f"{name}: expected none, since figure {number} does not show {shown}, got "
                f"{value!r}; leave it out, or choose one of the figures {able}"
            )
        options[name] = value
    names = [run.name for run in runs]
    if not names or len(set(names)) < len(names):
        raise InputError(
            f"runs: expected one or more run folders of different names, got "
            f"{', '.join(names) or 'none'}; rename one"
        )
    first, *others = runs
    groups = {"": runs} if entry.joint else {"": [first]} | {f"_{r.name}": [r] for r in others}
    paths = []
    for suffix, group in groups.items():
        with styled():
            drawing = entry.draw(group, **options)
            paths += store_drawing(drawing, first, f"figures/figure{number}{suffix}", formats)
    return paths
