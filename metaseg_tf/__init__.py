"""Which segments of a semantic segmentation can be trusted (Rottmann et al., 2018).

The public names below are loaded on first use, so that importing the package costs nothing and
the analysis never imports TensorFlow.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metaseg_tf.deeplab.network import load_network as load_network
    from metaseg_tf.metrics import segment_metrics as segment_metrics
    from metaseg_tf.run import load_run as load_run

__version__ = (Path(__file__).parent / "VERSION").read_text(encoding="utf-8").strip()

_HOMES = {
    "load_network": "metaseg_tf.deeplab.network",
    "load_run": "metaseg_tf.run",
    "segment_metrics": "metaseg_tf.metrics",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'metaseg_tf' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
