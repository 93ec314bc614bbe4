"""Configurations of stored Keras models: only classes and functions on a list are let through.

Such a file may name any Python function to be called on loading, and Keras' safe mode does not
find all of them in every version. Everything that networks for images do not need is refused,
whether known to do harm (Lambda runs bytecode of the file, TFSMLayer loads other files,
TFOpLambda calls any function of TensorFlow by its name) or not known at all.
"""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import h5py

from metaseg_tf.errors import DataFormatError, UnsafeGraphError
from metaseg_tf.untrusted.arrays import READ_ERRORS, check_hdf5
from metaseg_tf.untrusted.lists import read_list

__all__ = ["check_keras_file"]

#: Upper bound of all files in a ``.keras`` archive, which Keras may unpack.
MAX_BYTES = 4 * 2**30

_CLASSES = read_list("keras_classes")
_FUNCTIONS = read_list("keras_functions")
_MODULES = ("math.", "nn.", "__operators__.")


def check_keras_file(path: Path) -> None:
    """Refuse a stored Keras model that is broken, or names code which images do not need.

    Raises DataFormatError if the file, ``*.keras`` or HDF5 with architecture and weights, is
    missing, broken or holds weights only; UnsafeGraphError if it holds Lambda layers or names code
    outside of Keras.
    """
    if not path.is_file():
        raise DataFormatError(f"{path}: expected a Keras model, found no such file; check the path")
    try:
        config = dict(json.loads(_read_config(path)))
    except DataFormatError:
        raise
    except READ_ERRORS as error:
        raise DataFormatError(
            f"{path}: expected a Keras model with its architecture, got a broken file or weights "
            "only; save the whole model"
        ) from error
    # How the model was trained is not read; parts that are models come with theirs.
    config.pop("compile_config", None)
    try:
        refused = [entry for entry in _entries(config) if not _is_allowed(entry)]
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


def _read_config(path: Path) -> str | bytes:
    if path.suffix != ".keras":
        check_hdf5(path.read_bytes(), str(path))
        with h5py.File(path, "r") as file:
            return file.attrs["model_config"]
    with zipfile.ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > MAX_BYTES:
            raise DataFormatError(
                f"{path}: expected at most {MAX_BYTES} bytes once unpacked, got more; this is not "
                "a network for images"
            )
        check_hdf5(archive.read("model.weights.h5"), str(path))
        return archive.read("config.json")


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
        return _is_allowed_function(config)
    if name in ("TFOpLambda", "SlicingOpLambda"):
        return isinstance(config, dict) and _is_allowed_function(config.get("function"))
    return isinstance(name, str) and name in _CLASSES


def _is_allowed_function(name) -> bool:
    """True if a function of TensorFlow or Keras, by its public name, only computes on tensors."""
    if not isinstance(name, str):
        return False
    name = name.removeprefix("compat.v1.")
    return name in _FUNCTIONS or (name.startswith(_MODULES) and name.count(".") == 1)
