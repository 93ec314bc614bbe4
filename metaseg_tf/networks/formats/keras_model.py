"""Networks stored by Keras, as ``.keras`` or ``.h5``, without running code from the file.

Such a file may name any Python function to be called on loading, and Keras' safe mode does not
find all of them in every version. So the configuration is read first, and only the classes and
functions are let through that `keras_names` lists.
"""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import tensorflow as tf

from metaseg_tf.errors import DataFormatError, NetworkError, UnsafeGraphError, in_one_line
from metaseg_tf.networks.formats.graph_network import GraphNetwork
from metaseg_tf.untrusted.arrays import READ_ERRORS, check_hdf5
from metaseg_tf.untrusted.keras_names import CLASSES, is_allowed_function

__all__ = ["load_keras_model"]

#: Upper bound of all files in a ``.keras`` archive, which Keras may unpack.
MAX_BYTES = 4 * 2**30


def load_keras_model(path: Path, *, input_range: str | None = None) -> GraphNetwork:
    """Read a Keras model that takes an image.

    Parameters
    ----------
    path : Path
        ``*.keras``, or ``*.h5`` with architecture and weights.
    input_range : str, optional
        The range of pixels that a float input expects, as `NetworkInput`.

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
    return GraphNetwork(call.get_concrete_function(spec), input_range)


def _load(path: Path):
    try:
        return tf.keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # layers raise what they like at a configuration they dislike
        raise NetworkError(
            f"{path}: expected a model that Keras of TensorFlow {tf.__version__} can load, "
            f"got: {in_one_line(error)}; save it as a SavedModel instead"
        ) from error


def _read_config(path: Path) -> dict:
    if not path.is_file():
        raise DataFormatError(f"{path}: expected a Keras model, found no such file; check the path")
    try:
        config = _config_of_zip(path) if path.suffix == ".keras" else _config_of_h5(path)
        return dict(json.loads(config))
    except DataFormatError:
        raise
    except READ_ERRORS as error:
        raise DataFormatError(
            f"{path}: expected a Keras model with its architecture, got a broken file or weights "
            "only; save the whole model"
        ) from error


def _config_of_zip(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > MAX_BYTES:
            raise DataFormatError(
                f"{path}: expected at most {MAX_BYTES} bytes once unpacked, got more; this is no "
                "network for images"
            )
        check_hdf5(archive.read("model.weights.h5"), str(path))
        return archive.read("config.json")


def _config_of_h5(path: Path) -> str:
    check_hdf5(path.read_bytes(), str(path))
    with h5py.File(path, "r") as file:
        return file.attrs["model_config"]


def _check_config(config: dict, path: Path) -> None:
    # How the model was trained is not read; parts that are models come with theirs.
    loaded = {key: value for key, value in config.items() if key != "compile_config"}
    try:
        refused = [entry for entry in _entries(loaded) if not _is_allowed(entry)]
    except RecursionError as error:
        raise DataFormatError(
            f"{path}: expected a Keras model, got one of endless layers in layers; save it again"
        ) from error
    if refused:
        name, module = refused[0].get("class_name"), refused[0].get("module")
        raise UnsafeGraphError(
            f"{path}: expected layers of Keras for images only, got {name!r} of module {module!r}, "
            "which may run any code; save the model as a SavedModel or without it"
        )


def _entries(config) -> Iterator[dict]:
    """All objects in a configuration that Keras would build."""
    if isinstance(config, dict):
        if "class_name" in config:
            yield config
        config = list(config.values())
    if isinstance(config, list):
        for value in config:
            yield from _entries(value)


def _is_allowed(entry: dict) -> bool:
    name, config = entry["class_name"], entry.get("config")
    if str(entry.get("module") or "keras").split(".")[0] not in ("keras", "builtins"):
        return False
    if name == "function":
        return is_allowed_function(config)
    if name in ("TFOpLambda", "SlicingOpLambda"):
        return isinstance(config, dict) and is_allowed_function(config.get("function"))
    return isinstance(name, str) and name in CLASSES
