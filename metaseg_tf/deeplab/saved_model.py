"""Networks stored as a TensorFlow SavedModel folder.

Loading one runs parts of it: the filling of tables, and in the format of TensorFlow 1 the restore
op that the file names. So the file is read before TensorFlow may load it.
"""

from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from metaseg_tf.deeplab.graph_network import GraphNetwork
from metaseg_tf.deeplab.graph_safety import check_graph
from metaseg_tf.errors import DataFormatError, NetworkError, UnsafeGraphError, in_one_line
from metaseg_tf.folders import check_file

__all__ = ["load_saved_model"]

#: What writes files: to save variables, which nobody asks for here.
_WRITING_OPS = frozenset(("SaveV2", "MergeV2Checkpoints"))
#: How variables are kept, saved and restored, and what else training brings into a library of
#: functions; of the network itself they are refused.
_TRAINING = """
    VariableV2 Assign VarHandleOp VarIsInitializedOp ReadVariableOp AssignVariableOp
    AssignAddVariableOp AssignSubVariableOp VariableShape DisableCopyOnRead RestoreV2
    ShardedFilename StringJoin StaticRegexFullMatch RandomUniform RandomUniformInt
    RandomStandardNormal TruncatedNormal StatelessRandomUniform StatelessRandomUniformV2
    StatelessRandomUniformIntV2 StatelessRandomNormal StatelessRandomNormalV2
    StatelessTruncatedNormalV2 StatelessRandomGetKeyCounter StatelessRandomGetKeyCounterAlg
    StatelessRandomGetAlg
"""
_OTHER_OPS = _WRITING_OPS | frozenset(_TRAINING.split())


def load_saved_model(path: Path, *, input_range: str | None = None) -> GraphNetwork:
    """Read a SavedModel whose signature takes an image.

    Parameters
    ----------
    path : Path
        The folder with ``saved_model.pb``.
    input_range : str, optional
        The range of pixels that a float input expects, as `NetworkInput`.

    Raises
    ------
    DataFormatError
        If the folder is not a whole SavedModel.
    NetworkError
        If it has no signature from an image to scores or class ids.
    UnsafeGraphError
        If any function of the file holds ops which neither inference nor training needs, or if
        loading would run functions of the file.
    """
    path = Path(path)
    _check_before_loading(_read(path), path)
    try:
        model = tf.saved_model.load(str(path))
        signatures = dict(model.signatures)
    except Exception as error:  # the loader trusts the file, and raises what comes of that
        raise _broken(path, error) from error
    # The model owns the variables: the function must be frozen before the model is let go.
    return GraphNetwork(_signature(signatures, path), input_range)


def _read(path: Path) -> SavedModel:
    for file in path.rglob("*"):
        check_file(file)
    file = path / "saved_model.pb"
    if not file.is_file():
        raise DataFormatError(
            f"{path}: expected a SavedModel, found no saved_model.pb in it; check the path"
        )
    try:
        return SavedModel.FromString(file.read_bytes())
    except DecodeError as error:
        raise _broken(path, error) from error


def _broken(path: Path, error: Exception) -> DataFormatError:
    return DataFormatError(
        f"{path}: expected a whole SavedModel, got: {in_one_line(error)}; copy or export it again"
    )


def _check_before_loading(saved: SavedModel, path: Path) -> None:
    for graph in saved.meta_graphs:
        objects = graph.object_graph_def.nodes
        if any(node.WhichOneof("kind") in ("resource", "asset") for node in objects):
            raise UnsafeGraphError(
                f"{path}: expected a network of variables only, got one with tables or assets, "
                "which run code from the file when loaded; export it without them"
            )
        if any(node.saveable_objects or node.registered_saver for node in objects):
            raise UnsafeGraphError(
                f"{path}: expected a network of variables only, got an object that restores itself "
                "by functions of the file; export it without such objects"
            )
        check_graph(graph.graph_def, _OTHER_OPS)
        for node in _run_when_loaded(graph):
            if node.op in _WRITING_OPS:
                raise UnsafeGraphError(
                    f"{path}: expected nothing to be written when the network is loaded, got op "
                    f"{node.op!r} in node {node.name!r}; use one from a source you trust"
                )


def _run_when_loaded(graph) -> Iterator:
    """Nodes that loading runs in the format of TensorFlow 1, with all that they need.

    These are the op that restores, and what collections and signatures name; and all of the
    library's functions, which any of them may call.
    """
    nodes = {node.name: node for node in graph.graph_def.node}
    named = [graph.saver_def.restore_op_name]
    for signature in graph.signature_def.values():
        named += [output.name for output in signature.outputs.values()]
    for collection in graph.collection_def.values():
        named += collection.node_list.value
    seen = set()
    while named:
        name = named.pop().removeprefix("^").partition(":")[0]
        if name in nodes and name not in seen:
            seen.add(name)
            named += nodes[name].input
            yield nodes[name]
    if not graph.object_graph_def.nodes:
        for function in graph.graph_def.library.function:
            yield from function.node_def


def _signature(signatures: dict, path: Path):
    if "serving_default" in signatures:
        return signatures["serving_default"]
    if len(signatures) != 1:
        raise NetworkError(
            f"{path}: expected a signature 'serving_default' that takes an image, got "
            f"{', '.join(signatures) or 'none'}; export the model with one"
        )
    return next(iter(signatures.values()))
