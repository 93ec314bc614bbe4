"""Which segments of a semantic segmentation can be trusted (Rottmann et al., 2018).

The public names below are loaded on first use, so that importing the package costs nothing and
the analysis never imports TensorFlow.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metaseg_tf.analysis.diagnostics import diagnose as diagnose
    from metaseg_tf.analysis.evaluation import evaluate as evaluate
    from metaseg_tf.analysis.evaluation import summarise as summarise
    from metaseg_tf.analysis.protocol import Protocol as Protocol
    from metaseg_tf.data.softmax import find_dumps as find_dumps
    from metaseg_tf.data.softmax import load_dump as load_dump
    from metaseg_tf.meta import MetaModel as MetaModel
    from metaseg_tf.meta import fit_meta_model as fit_meta_model
    from metaseg_tf.meta import load_model as load_model
    from metaseg_tf.meta.predict import judge_image as judge_image
    from metaseg_tf.networks.network import load_network as load_network
    from metaseg_tf.paper.figures import make_figure as make_figure
    from metaseg_tf.paper.tables import make_table as make_table
    from metaseg_tf.paper.verify import verify as verify
    from metaseg_tf.runs.record import record as record
    from metaseg_tf.runs.run import Run as Run
    from metaseg_tf.runs.run import load_run as load_run
    from metaseg_tf.segments.components import find_interior as find_interior
    from metaseg_tf.segments.components import label_components as label_components
    from metaseg_tf.segments.dispersion import difference as difference
    from metaseg_tf.segments.dispersion import entropy as entropy
    from metaseg_tf.segments.table import segment_metrics as segment_metrics

__version__ = (Path(__file__).parent / "VERSION").read_text(encoding="utf-8").strip()

#: The module of this package that each public name is loaded from.
_HOMES = {
    "diagnose": "analysis.diagnostics", "difference": "segments.dispersion",
    "entropy": "segments.dispersion", "evaluate": "analysis.evaluation",
    "find_dumps": "data.softmax", "find_interior": "segments.components", "fit_meta_model": "meta",
    "judge_image": "meta.predict", "label_components": "segments.components",
    "load_dump": "data.softmax", "load_model": "meta", "load_network": "networks.network",
    "load_run": "runs.run", "make_figure": "paper.figures", "make_table": "paper.tables",
    "MetaModel": "meta", "Protocol": "analysis.protocol", "record": "runs.record",
    "Run": "runs.run", "segment_metrics": "segments.table", "summarise": "analysis.evaluation",
    "verify": "paper.verify",
}  # fmt: skip

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'metaseg_tf' has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
