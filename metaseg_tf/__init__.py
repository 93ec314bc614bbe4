"""Which segments of a semantic segmentation can be trusted (Rottmann et al., 2018).

The public names below are loaded on first use, so that importing the package costs nothing and
the analysis never imports TensorFlow. Editors and type checkers find them in ``__init__.pyi``.
"""

from importlib import import_module
from pathlib import Path

__version__ = (Path(__file__).parent / "VERSION").read_text(encoding="utf-8").strip()

#: The module of this package that each public name is loaded from.
_HOMES = {
    "ablate": "meta.ablate", "calibrate": "meta", "compare_scores": "meta.score",
    "diagnose": "analysis.diagnostics", "difference": "segments.dispersion",
    "entropy": "segments.dispersion", "evaluate": "analysis.evaluation", "export": "meta.export",
    "find_dumps": "data.softmax", "find_interior": "segments.components", "fit_meta_model": "meta",
    "judge_image": "meta.predict", "label_components": "segments.components",
    "load_dump": "data.softmax", "load_model": "meta", "load_network": "networks.network",
    "load_run": "runs.run", "load_truth": "runs.run", "make_figure": "paper.figures",
    "make_table": "paper.tables", "MetaModel": "meta", "Protocol": "analysis.protocol",
    "rate_images": "meta", "record": "runs.record", "Run": "runs.run", "score": "meta.score",
    "segment_metrics": "segments.table", "select": "meta.select",
    "summarise": "analysis.evaluation", "verify": "paper.verify",
}  # fmt: skip

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'metaseg_tf' has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
