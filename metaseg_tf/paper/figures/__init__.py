"""The paper's figures: each a module with ``frame``, its data, and ``plot``, which draws it."""

from metaseg_tf.paper.figures.diagnostics import store_diagnostics
from metaseg_tf.paper.figures.registry import FIGURES, make_figure

__all__ = ["FIGURES", "make_figure", "store_diagnostics"]
