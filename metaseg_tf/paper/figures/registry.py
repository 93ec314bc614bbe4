"""Registry of figures. A new one is a module of this package with ``draw``, and an entry here."""

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from metaseg_tf.errors import InputError
from metaseg_tf.paper.figures.drawing import Drawing, store_drawing, styled
from metaseg_tf.runs.run import Run

__all__ = ["FIGURES", "FigureEntry", "make_figure"]


class FigureEntry(NamedTuple):
    """How a figure is made.

    Attributes
    ----------
    module : str
        Name of its module, which is imported to draw it: not all figures need the fits.
    joint : bool
        Whether one drawing shows all runs; else each run has its own.
    of_image : bool
        Whether it shows one image, which ``draw`` takes as ``image=``.
    of_fits : bool
        Whether it shows the fits of the evaluation; ``draw`` takes their solver as ``engine=``.
    caption : str
        One sentence for the report, which shows the figures that have one.
    """

    module: str
    joint: bool
    of_image: bool = False
    of_fits: bool = False
    caption: str = ""

    @property
    def draw(self) -> Callable[..., Drawing]:
        """The module's function of runs, and of ``image=`` or ``engine=`` as said above."""
        return import_module(f"metaseg_tf.paper.figures.{self.module}").draw


_SHOWN = {"image": "a single image", "engine": "fits"}

#: By the figure's number in the paper.
FIGURES = {
    1: FigureEntry("figure1", joint=True),
    2: FigureEntry("figure2", joint=True, of_image=True),
    3: FigureEntry(
        "figure3",
        joint=True,
        of_fits=True,
        caption="Predicted against true IoU_adj of all segments; dot areas are proportional to S.",
    ),
    4: FigureEntry(
        "figure4",
        joint=False,
        of_fits=True,
        caption="Meta classification: coefficients, accuracy and AUROC over the inverse penalty "
        "1/λ.",
    ),
    5: FigureEntry("figure5", joint=False, of_image=True, of_fits=True),
    6: FigureEntry("figure6", joint=False, caption="Each metric against IoU_adj."),
    7: FigureEntry("figure7", joint=False, of_image=True),
}


def make_figure(
    number: int, runs: Sequence[Run], *, image: str | None = None, engine: str | None = None
) -> list[Path]:
    """Make a figure of the paper as PNG, PDF and CSV in ``figures/`` of the first run.

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

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    InputError
        If there is no such figure, or the runs lack the data for it.
    """
    entry = _find_entry(number, image=image, engine=engine)
    names = [run.name for run in runs]
    if not names or len(set(names)) < len(names):
        raise InputError(
            f"runs: expected one or more run folders of different names, got "
            f"{', '.join(names) or 'none'}; rename one"
        )
    first, *others = runs
    groups = {"": runs} if entry.joint else {"": [first]} | {f"_{r.name}": [r] for r in others}
    asked = {"image": image, "engine": engine}
    options = {name: value for name, value in asked.items() if value is not None}
    paths = []
    with styled():
        for suffix, group in groups.items():
            drawing = entry.draw(group, **options)
            paths += store_drawing(drawing, first, f"figures/figure{number}{suffix}")
    return paths


def _find_entry(number: int, *, image: str | None, engine: str | None) -> FigureEntry:
    if number not in FIGURES:
        known = ", ".join(map(str, FIGURES))
        raise InputError(f"figure: expected one of {known}, got {number}; choose another number")
    entry = FIGURES[number]
    for name, value, subject in (("image", image, "image"), ("engine", engine, "fits")):
        if value is not None and not getattr(entry, f"of_{subject}"):
            able = ", ".join(str(n) for n, e in FIGURES.items() if getattr(e, f"of_{subject}"))
            raise InputError(
                f"{name}: expected none, since figure {number} does not show {_SHOWN[name]}, got "
                f"{value!r}; leave it out, or choose one of the figures {able}"
            )
    return entry
