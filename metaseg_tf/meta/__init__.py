"""Meta models that are kept: which segments to trust without ground truth."""

from metaseg_tf.meta.file import load_model, save_model
from metaseg_tf.meta.fit import fit_meta_model
from metaseg_tf.meta.images import rate_images
from metaseg_tf.meta.model import MetaModel
from metaseg_tf.meta.promise import calibrate

__all__ = ["MetaModel", "calibrate", "fit_meta_model", "load_model", "rate_images", "save_model"]
