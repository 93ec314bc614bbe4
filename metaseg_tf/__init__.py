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

_HOMES = {
    "diagnose": "metaseg_tf.analysis.diagnostics",
    "difference": "metaseg_tf.segments.dispersion",
    "entropy": "metaseg_tf.segments.dispersion",
    "evaluate": "metaseg_tf.analysis.evaluation",
    "find_dumps": "metaseg_tf.data.softmax",
    "find_interior": "metaseg_tf.segments.components",
    "fit_meta_model": "metaseg_tf.meta",
    "judge_image": "metaseg_tf.meta.predict",
    "label_components": "metaseg_tf.segments.components",
    "load_dump": "metaseg_tf.data.softmax",
    "load_model": "metaseg_tf.meta",
    "load_network": "metaseg_tf.networks.network",
    "load_run": "metaseg_tf.runs.run",
    "make_figure": "metaseg_tf.paper.figures",
    "make_table": "metaseg_tf.paper.tables",
    "MetaModel": "metaseg_tf.meta",
    "Protocol": "metaseg_tf.analysis.protocol",
    "record": "metaseg_tf.runs.record",
    "Run": "metaseg_tf.runs.run",
    "segment_metrics": "metaseg_tf.segments.table",
    "summarise": "metaseg_tf.analysis.evaluation",
    "verify": "metaseg_tf.paper.verify",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'metaseg_tf' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
