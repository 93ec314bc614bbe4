"""Networks stored as a TensorFlow SavedModel folder.

Loading one runs parts of it: the filling of tables, and in the format of TensorFlow 1 the restore
op that the file names. So the file is read before TensorFlow may load it.
"""

from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from metaseg_tf.deeplab.graph_network import GraphNetwork
from metaseg_tf.deeplab.graph_safety import check_graph, check_sizes
from metaseg_tf.errors import DataFormatError, NetworkError, UnsafeGraphError, in_one_line

__all__ = ["load_saved_model"]

#: How TensorFlow 1 keeps and restores variables, besides what inference needs.
_VARIABLE_OPS = frozenset(
    (
        *("VariableV2", "Assign", "VarHandleOp", "VarIsInitializedOp", "ReadVariableOp"),
        *("AssignVariableOp", "SaveV2", "RestoreV2", "MergeV2Checkpoints", "ShardedFilename"),
        *("StringJoin", "StaticRegexFullMatch"),
    )
)


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
        If that signature holds ops which inference does not need.
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
        check_sizes(graph.graph_def)
        if not objects:
            check_graph(graph.graph_def, _VARIABLE_OPS)
        if any(node.WhichOneof("kind") in ("resource", "asset") for node in objects):
            raise UnsafeGraphError(
                f"{path}: expected a network of variables only, got one with tables or assets, "
                "which run code from the file when loaded; export it without them"
            )


def _signature(signatures: dict, path: Path):
    if "serving_default" in signatures:
        return signatures["serving_default"]
    if len(signatures) != 1:
        raise NetworkError(
            f"{path}: expected a signature 'serving_default' that takes an image, got "
            f"{', '.join(signatures) or 'none'}; export the model with one"
        )
    return next(iter(signatures.values()))
