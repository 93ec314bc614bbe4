"""Networks stored as a TensorFlow SavedModel folder.

Loading one runs parts of it: functions that restore objects or fill tables, and in the format of
TensorFlow 1 any ops that the file names. So the file is read before TensorFlow may load it.
"""

from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf
from tensorflow.core.framework.variable_pb2 import VariableDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from metaseg_tf.errors import DataFormatError, NetworkError, UnsafeGraphError, restate
from metaseg_tf.networks.formats.graph_network import GraphNetwork
from metaseg_tf.networks.graph import node_name
from metaseg_tf.networks.options import DEFAULTS, NetworkOptions
from metaseg_tf.untrusted import check_file, read_list
from metaseg_tf.untrusted.graphs import check_graph, count_calls

__all__ = ["load_saved_model"]

#: Ops in the functions of a model besides those of inference.
_MODEL_OPS = read_list("saved_model_ops")
#: How a model is saved again, which is never done here: these ops write files.
_SAVING_OPS = frozenset(("SaveV2", "MergeV2Checkpoints"))
#: Objects without functions of their own that loading runs; resources (tables) and assets have.
_KINDS = (
    *("user_object", "variable", "constant"),
    *("function", "bare_concrete_function", "captured_tensor"),
)
#: Methods that TensorFlow calls on every object it restores; a file may store functions as such.
_METHODS = frozenset(dir(tf.__internal__.tracking.AutoTrackable))


def load_saved_model(path: Path, options: NetworkOptions = DEFAULTS) -> GraphNetwork:
    """Read a SavedModel, a folder with ``saved_model.pb``, whose signature takes an image.

    Raises DataFormatError if the folder is not a whole SavedModel; NetworkError if it has no
    signature from an image to scores or class ids; UnsafeGraphError if loading it would run
    functions of the file, or its signature holds ops which inference does not need.
    """
    path = Path(path)
    # The loader trusts the file, and may raise anything.
    said = f"{path}: expected a whole SavedModel"
    with restate(Exception, DataFormatError, said, "copy or export it again"):
        _check_before_loading(path)
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


def _check_before_loading(path: Path) -> None:
    for part in path.rglob("*"):
        check_file(part)
    file = path / "saved_model.pb"
    check_file(file, "a SavedModel")
    for graph in SavedModel.FromString(file.read_bytes()).meta_graphs:
        for node in graph.object_graph_def.nodes:
            _check_object(node, path)
        check_graph(graph.graph_def, _MODEL_OPS | _SAVING_OPS)
        _check_reached(graph, path)


def _check_object(node, path: Path) -> None:
    if node.WhichOneof("kind") not in _KINDS:
        raise UnsafeGraphError(
            f"{path}: expected a network of variables only, got one with tables or assets, "
            "which run code from the file when loaded; export it without them"
        )
    names = {child.local_name for child in node.children}
    registered = {node.registered_name, node.registered_saver} - {"", "tf.TrackableConstant"}
    if node.saveable_objects or registered or names & _METHODS:
        raise UnsafeGraphError(
            f"{path}: expected variables that TensorFlow restores, got an object that is "
            "restored by code from the file; export the network for inference without it"
        )


def _check_reached(graph, path: Path) -> None:
    """Refuse ops that write files in what loading runs by its name, or whatever may be called."""
    nodes = {node.name: node for node in graph.graph_def.node}
    functions = {f.signature.name: f.node_def for f in graph.graph_def.library.function}
    queue = list(dict.fromkeys(_started(graph)))
    seen = set(queue)
    for name in queue:
        top = [nodes[name]] if name in nodes else []
        inner = [*top, *functions.get(name, ())]
        for node in inner:
            if node.op in _SAVING_OPS:
                raise UnsafeGraphError(
                    f"{path}: expected only ops that inference needs, got op {node.op!r} in "
                    f"{name!r}, which writes files; export the network for inference"
                )
        new = {node_name(tensor) for node in top for tensor in node.input}
        new = (new | count_calls(inner, functions).keys()) - seen
        seen |= new
        queue += new


def _started(graph) -> Iterator[str]:
    """Names of all that can be run: in the format of TensorFlow 1 nodes, else functions."""
    yield from graph.object_graph_def.concrete_functions
    if graph.object_graph_def.nodes:
        return
    yield node_name(graph.saver_def.restore_op_name)
    for collection in graph.collection_def.values():
        yield from map(node_name, collection.node_list.value)
    for variable in graph.collection_def["local_variables"].bytes_list.value:
        yield node_name(VariableDef.FromString(variable).initializer_name)
    for signature in graph.signature_def.values():
        yield from (node_name(tensor.name) for tensor in signature.outputs.values())
