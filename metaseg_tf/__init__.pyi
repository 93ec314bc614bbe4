"""The public names for editors and type checkers; ``__init__.py`` loads them on first use."""

from metaseg_tf.analysis.diagnostics import diagnose as diagnose
from metaseg_tf.analysis.evaluation import evaluate as evaluate
from metaseg_tf.analysis.evaluation import summarise as summarise
from metaseg_tf.analysis.protocol import Protocol as Protocol
from metaseg_tf.data.softmax import find_dumps as find_dumps
from metaseg_tf.data.softmax import load_dump as load_dump
from metaseg_tf.meta import MetaModel as MetaModel
from metaseg_tf.meta import calibrate as calibrate
from metaseg_tf.meta import fit_meta_model as fit_meta_model
from metaseg_tf.meta import load_model as load_model
from metaseg_tf.meta import rate_images as rate_images
from metaseg_tf.meta.ablate import ablate as ablate
from metaseg_tf.meta.export import export as export
from metaseg_tf.meta.predict import judge_image as judge_image
from metaseg_tf.meta.score import compare_scores as compare_scores
from metaseg_tf.meta.score import score as score
from metaseg_tf.meta.select import select as select
from metaseg_tf.networks.network import load_network as load_network
from metaseg_tf.paper.figures import make_figure as make_figure
from metaseg_tf.paper.tables import make_table as make_table
from metaseg_tf.paper.verify import verify as verify
from metaseg_tf.runs.record import record as record
from metaseg_tf.runs.run import Run as Run
from metaseg_tf.runs.run import load_run as load_run
from metaseg_tf.runs.run import load_truth as load_truth
from metaseg_tf.segments.components import find_interior as find_interior
from metaseg_tf.segments.components import label_components as label_components
from metaseg_tf.segments.dispersion import difference as difference
from metaseg_tf.segments.dispersion import entropy as entropy
from metaseg_tf.segments.table import segment_metrics as segment_metrics

__version__: str
