"""The paper's figures: each a module with ``frame``, its data, and ``plot``, which draws it."""

from metaseg_tf.paper.figures.diagnostics import make_diagnostic_figures
from metaseg_tf.paper.figures.registry import FIGURES, make_figure

__all__ = ["FIGURES", "make_diagnostic_figures", "make_figure"]
