"""Networks stored by Keras, as ``.keras`` or ``.h5``, without running code from the file.

Such a file may name any Python function to be called on loading, and Keras' safe mode does not
find all of them in every version. So the configuration is read first, and only names of Keras
itself are let through.
"""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import tensorflow as tf

from metaseg_tf.deeplab.graph_network import GraphNetwork
from metaseg_tf.errors import DataFormatError, NetworkError, UnsafeGraphError

__all__ = ["load_keras_model"]


def load_keras_model(path: Path, *, normalise: str = "0..255") -> GraphNetwork:
    """Read a Keras model that takes an image.

    Parameters
    ----------
    path : Path
        ``*.keras``, or ``*.h5`` with architecture and weights.
    normalise : {"0..255", "0..1", "-1..1"}
        The range that a float input expects.

    Raises
    ------
    DataFormatError
        If the file is missing, broken or holds weights only.
    UnsafeGraphError
        If it holds Lambda layers or names code outside of Keras.
    NetworkError
        If Keras cannot load it, or it does not turn one image into scores.
    """
    path = Path(path)
    _check_config(_read_config(path), path)
    model = _load(path)
    if len(model.inputs or ()) != 1:
        raise NetworkError(
            f"{path}: expected a model of one input, an image, got {len(model.inputs or ())}; "
            "save one that takes an image"
        )
    # Batches of one; a model saved with another size of batch is refused when it runs.
    spec = tf.TensorSpec((1, *model.inputs[0].shape[1:]), model.inputs[0].dtype)
    call = tf.function(lambda pixels: model(pixels, training=False))
    return GraphNetwork(call.get_concrete_function(spec), normalise)


def _load(path: Path):
    try:
        return tf.keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # layers raise what they like at a configuration they dislike
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise NetworkError(
            f"{path}: expected a model that Keras of TensorFlow {tf.__version__} can load, "
            f"got: {reason}; save it as a SavedModel instead"
        ) from error


def _read_config(path: Path) -> dict:
    if not path.is_file():
        raise DataFormatError(f"{path}: expected a Keras model, found no such file; check the path")
    try:
        return json.loads(_config_of_zip(path) if path.suffix == ".keras" else _config_of_h5(path))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DataFormatError(
            f"{path}: expected a Keras model with its architecture, got a broken file or weights "
            "only; save the whole model"
        ) from error


def _config_of_zip(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read("config.json")


def _config_of_h5(path: Path) -> str:
    with h5py.File(path) as file:
        return file.attrs["model_config"]


def _check_config(config: dict, path: Path) -> None:
    for entry in _entries(config):
        name, module = entry.get("class_name"), entry.get("module")
        if name in ("Lambda", "__lambda__") or not _is_of_keras(module):
            raise UnsafeGraphError(
                f"{path}: expected layers of Keras only, got {name!r} of module {module!r}, which "
                "may run any code; save the model as a SavedModel or without it"
            )


def _entries(config) -> Iterator[dict]:
    if isinstance(config, dict):
        yield config
        config = list(config.values())
    if isinstance(config, list):
        for value in config:
            yield from _entries(value)


def _is_of_keras(module) -> bool:
    # The utilities of Keras can fetch and unpack files.
    parts = str(module or "keras").split(".")
    return parts[0] in ("keras", "builtins") and "utils" not in parts
