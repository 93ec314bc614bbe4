"""Meta models that are kept: which segments to trust without ground truth."""

from metaseg_tf.meta.file import load_model, save_model
from metaseg_tf.meta.fit import fit_meta_model
from metaseg_tf.meta.model import MetaModel

__all__ = ["MetaModel", "fit_meta_model", "load_model", "save_model"]
