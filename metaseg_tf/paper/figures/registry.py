"""Which figures there are. A new one is a module with ``draw`` and an entry here."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from metaseg_tf.errors import InputError
from metaseg_tf.paper.figures import (
    figure1,
    figure2,
    figure3,
    figure4,
    figure5,
    figure6,
    figure7,
)
from metaseg_tf.paper.figures.drawing import Drawing, store_drawing
from metaseg_tf.paper.figures.style import styled
from metaseg_tf.run import Run

__all__ = ["FIGURES", "FigureEntry", "make_figure"]


class FigureEntry(NamedTuple):
    """How a figure is made.

    Attributes
    ----------
    draw : callable
        ``draw(runs, image)`` gives a `Drawing`.
    joint : bool
        Whether one drawing shows all runs; else each run has its own.
    of_image : bool
        Whether it shows one image, which can be named.
    """

    draw: Callable[[Sequence[Run], str | None], Drawing]
    joint: bool
    of_image: bool


#: By the figure's number in the paper.
FIGURES = {
    1: FigureEntry(figure1.draw, joint=True, of_image=False),
    2: FigureEntry(figure2.draw, joint=True, of_image=True),
    3: FigureEntry(figure3.draw, joint=True, of_image=False),
    4: FigureEntry(figure4.draw, joint=False, of_image=False),
    5: FigureEntry(figure5.draw, joint=False, of_image=True),
    6: FigureEntry(figure6.draw, joint=False, of_image=False),
    7: FigureEntry(figure7.draw, joint=False, of_image=True),
}


def make_figure(number: int, runs: Sequence[Run], *, image: str | None = None) -> list[Path]:
    """Make a figure of the paper as PNG, PDF and CSV in ``figures/`` of the first run.

    Parameters
    ----------
    number : int
        The figure's number in the paper.
    runs : sequence of Run
        One or more, with folders of different names. Figures 4 to 7 show one run each: those of
        the second run and on bear its name, ``figure4_MN.png``.
    image : str, optional
        The image that figures 2, 5 and 7 show; by default a telling one of those with maps.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    InputError
        If there is no such figure, or the runs cannot carry it.
    """
    entry = _find_entry(number, image)
    _check_names(runs)
    first, *others = runs
    groups = {"": runs} if entry.joint else {"": [first]} | {f"_{r.name}": [r] for r in others}
    paths = []
    with styled():
        for suffix, group in groups.items():
            drawing = entry.draw(group, image)
            paths += store_drawing(drawing, first, f"figures/figure{number}{suffix}")
    return paths


def _find_entry(number: int, image: str | None) -> FigureEntry:
    if number not in FIGURES:
        raise InputError(f"figure: expected one of {', '.join(map(str, FIGURES))}, got {number}")
    entry = FIGURES[number]
    if image is not None and not entry.of_image:
        shown = ", ".join(str(n) for n, e in FIGURES.items() if e.of_image)
        raise InputError(
            f"image: expected none, since figure {number} shows no single image, got {image!r}; "
            f"leave it out, or choose one of the figures {shown}"
        )
    return entry


def _check_names(runs: Sequence[Run]) -> None:
    names = [run.name for run in runs]
    if not names or len(set(names)) < len(names):
        raise InputError(
            f"runs: expected one or more run folders of different names, got "
            f"{', '.join(names) or 'none'}; rename one"
        )
