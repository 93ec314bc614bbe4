"""Which segments to trust where nobody has labels: a meta model that is kept, and its verdicts."""

from metaseg_tf.judging.fitting import fit_meta_model
from metaseg_tf.judging.meta_model import MetaModel
from metaseg_tf.judging.model_file import load_model, save_model

__all__ = ["MetaModel", "fit_meta_model", "load_model", "save_model"]
