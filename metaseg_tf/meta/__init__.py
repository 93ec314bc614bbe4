"""Which segments to trust where nobody has labels: a meta model that is kept, and its verdicts."""

from metaseg_tf.meta.file import load_model, save_model
from metaseg_tf.meta.fit import fit_meta_model
from metaseg_tf.meta.model import MetaModel

__all__ = ["MetaModel", "fit_meta_model", "load_model", "save_model"]
