"""A TensorFlow function as a network: any frozen graph, a SavedModel or a Keras model."""

from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2 as freeze,
)

from metaseg_tf.errors import DataFormatError, NetworkError, restate
from metaseg_tf.networks.graph import Graph, GraphFunctions, find_tail
from metaseg_tf.networks.image_network import ImageNetwork, NetworkInput
from metaseg_tf.networks.options import DEFAULTS, NetworkOptions
from metaseg_tf.networks.scores import Ending, find_kind, rescales_pixels
from metaseg_tf.untrusted.graphs import check_saved_model, node_name
from metaseg_tf.untrusted.keras import check_keras_file

__all__ = ["GraphNetwork", "load_keras_model", "load_saved_model", "network_of_graph"]


class GraphNetwork(ImageNetwork):
    """Class probabilities from a TensorFlow function of one image.

    It takes an image [1, H, W, 3], uint8 or float, and gives logits or probabilities [1, H, W, C],
    or class ids; of these the input of their ArgMax is taken. Raises NetworkError if it does not,
    and UnsafeGraphError if it holds ops which inference does not need.
    """

    def __init__(self, function, input_range: str | None = None):
        said = "network: expected variables that are only read, got others"
        remedy = "export it for inference, without augmentation"
        with restate(ValueError, NetworkError, said, remedy):
            frozen = freeze(function)
        image = frozen.inputs[0] if len(frozen.inputs) == 1 else None
        if image is None or not (
            (image.dtype == tf.uint8 or image.dtype.is_floating)
            and image.shape.rank == 4
            and image.shape[3] == 3
        ):
            raise NetworkError(
                "network: expected one input, an image [1, H, W, 3] of uint8 or float, got "
                f"{_shapes(frozen.inputs)}; export it with such a signature"
            )
        graph_def = frozen.graph.as_graph_def()
        functions, graph = GraphFunctions(graph_def), Graph(graph_def)
        name = _scores_output(frozen.outputs, graph) or find_tail(graph).scores
        self._function = functions.function(image.name, [name])
        size = tuple(image.shape[1:3])
        rescales = rescales_pixels(graph.flow, node_name(image.name))
        super().__init__(
            Ending(find_kind(graph.flow, node_name(name)), functions.tensor(name).shape[-1] or 0),
            None if None in size else size,
            NetworkInput(image.dtype.as_numpy_dtype, input_range, rescales),
        )

    def run(self, pixels: np.ndarray) -> np.ndarray:
        """As in `ImageNetwork.run`."""
        (scores,) = self._function(tf.constant(pixels))
        return tf.cast(scores[0], tf.float32).numpy()


def _scores_output(outputs, graph: Graph) -> str | None:
    """Name of the one output with scores, None if there are only class ids."""
    found = [t.name for t in outputs if t.dtype.is_floating and t.shape.rank == 4]
    if len(found) > 1:
        raise NetworkError(
            f"network: expected one output with scores [1, H, W, C], got {len(found)} "
            f"({', '.join(found)}); export it with the last of them only"
        )
    if not found and not graph.of("ArgMax"):
        raise NetworkError(
            "network: expected scores [1, H, W, C] or class ids by ArgMax as output, got "
            f"{_shapes(outputs)}; export it with an output of that shape"
        )
    return found[0] if found else None


def _shapes(tensors) -> str:
    return ", ".join(f"{tensor.dtype.name} {tensor.shape}" for tensor in tensors) or "none"


def network_of_graph(
    graph_def: tf.compat.v1.GraphDef, input_range: str | None = None
) -> GraphNetwork:
    """The network in any frozen graph; errors as `GraphNetwork`.

    Its outputs are read by no other node, and its image is the placeholder that they depend on.
    """
    functions, graph = GraphFunctions(graph_def), Graph(graph_def)
    tensors = functions.tensors()
    images = {
        node.name: {source.name for source in graph.ancestors(node) if source.op == "Placeholder"}
        for node in graph.nodes.values()
        if node.name in tensors and not graph.consumers[node.name]
    }
    outputs = [tensors[name] for name, found in images.items() if found]
    if not outputs:
        raise NetworkError(
            "graph: expected an output that depends on a placeholder, the image, got none; freeze "
            "it with its image as input"
        )
    inputs = [tensors[name] for name in set().union(*images.values())]
    return GraphNetwork(functions.prune(inputs, outputs), input_range)


def load_saved_model(path: Path, options: NetworkOptions = DEFAULTS) -> GraphNetwork:
    """Read a SavedModel, a folder with ``saved_model.pb``, whose signature takes an image.

    Raises DataFormatError if the folder is not a whole SavedModel; NetworkError if it has no such
    signature; UnsafeGraphError as `check_saved_model`; else as `GraphNetwork`.
    """
    path = Path(path)
    # The loader trusts the file, and may raise anything.
    said = f"{path}: expected a whole SavedModel"
    with restate(Exception, DataFormatError, said, "copy or export it again"):
        check_saved_model(path)
        model = tf.saved_model.load(str(path))
        signatures = dict(model.signatures)
    if "serving_default" not in signatures and len(signatures) != 1:
        raise NetworkError(
            f"{path}: expected a signature 'serving_default' that takes an image, got "
            f"{', '.join(signatures) or 'none'}; export the model with one"
        )
    function = signatures.get("serving_default") or next(iter(signatures.values()))
    # The model owns the variables: the function must be frozen before the model is let go.
    return GraphNetwork(function, options.input_range)


def load_keras_model(path: Path, options: NetworkOptions = DEFAULTS) -> GraphNetwork:
    """Read a Keras model of an image: ``*.keras``, or ``*.h5`` with architecture and weights.

    Raises what `check_keras_file` and `GraphNetwork` raise, and NetworkError if Keras cannot load
    it.
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
