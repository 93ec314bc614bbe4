"""Networks stored by Keras, as ``.keras`` or ``.h5``, without running code from the file."""

from pathlib import Path

import tensorflow as tf

from metaseg_tf.errors import NetworkError, restate
from metaseg_tf.networks.formats.graph_network import GraphNetwork
from metaseg_tf.networks.options import DEFAULTS, NetworkOptions
from metaseg_tf.untrusted.keras import check_keras_file

__all__ = ["load_keras_model"]


def load_keras_model(path: Path, options: NetworkOptions = DEFAULTS) -> GraphNetwork:
    """Read a Keras model of an image: ``*.keras``, or ``*.h5`` with architecture and weights.

    Raises DataFormatError if the file is missing, broken or holds weights only; UnsafeGraphError if
    it holds Lambda layers or names code outside of Keras; NetworkError if Keras cannot load it, or
    it does not turn one image into scores.
    """
    path = Path(path)
    check_keras_file(path)
    # Layers raise anything at a bad configuration.
    said = f"{path}: expected a model that Keras of TensorFlow {tf.__version__} can load"
    with restate(Exception, NetworkError, said, "save it as a SavedModel instead"):
        model = tf.keras.models.load_model(path, compile=False, safe_mode=True)
    if len(model.inputs or ()) != 1:
        raise NetworkError(
            f"{path}: expected a model of one input, an image, got {len(model.inputs or ())}; "
            "save one that takes an image"
        )
    # Batches of one; a model saved with another size of batch is refused when it runs.
    spec = tf.TensorSpec((1, *model.inputs[0].shape[1:]), model.inputs[0].dtype)
    call = tf.function(lambda pixels: model(pixels, training=False))
    return GraphNetwork(call.get_concrete_function(spec), options.input_range)
