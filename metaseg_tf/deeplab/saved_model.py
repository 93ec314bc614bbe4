"""Networks stored as a TensorFlow SavedModel folder."""

from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError

from metaseg_tf.deeplab.graph_network import GraphNetwork
from metaseg_tf.errors import DataFormatError, NetworkError

__all__ = ["load_saved_model"]


def load_saved_model(path: Path, *, normalise: str = "0..255") -> GraphNetwork:
    """Read a SavedModel whose signature takes an image.

    Parameters
    ----------
    path : Path
        The folder with ``saved_model.pb``.
    normalise : {"0..255", "0..1", "-1..1"}
        The range that a float input expects.

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
    if not (path / "saved_model.pb").is_file():
        raise DataFormatError(f"{path}: expected a SavedModel, found no saved_model.pb in it")
    try:
        model = tf.saved_model.load(str(path))
    except (OSError, DecodeError, ValueError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0]
        raise DataFormatError(f"{path}: expected a whole SavedModel, got: {reason}") from error
    # The model owns the variables: the function must be frozen before the model is let go.
    return GraphNetwork(_signature(model, path), normalise)


def _signature(model, path: Path):
    signatures = dict(model.signatures)
    if "serving_default" in signatures:
        return signatures["serving_default"]
    if len(signatures) != 1:
        raise NetworkError(
            f"{path}: expected a signature 'serving_default' that takes an image, got "
            f"{', '.join(signatures) or 'none'}; export the model with one"
        )
    return next(iter(signatures.values()))
