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

from metaseg_tf.errors import DataFormatError, UnsafeGraphError, restate
from metaseg_tf.untrusted import check_file, read_list
from metaseg_tf.untrusted.arrays import READ_ERRORS, check_hdf5

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
    check_file(path, "a Keras model")
    found = "got a broken file or weights only, or endless layers in layers"
    said = f"{path}: expected a Keras model with its architecture, {found}"
    with restate(READ_ERRORS, DataFormatError, said, "save the whole model"):
        config = dict(json.loads(_read_config(path)))
        # How the model was trained is not read; parts that are models come with theirs.
        config.pop("compile_config", None)
        refused = [entry for entry in _entries(config) if not _is_allowed(entry)]
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
    name, called = entry["class_name"], entry.get("config")
    if str(entry.get("module") or "keras").split(".")[0] not in ("keras", "builtins"):
        return False
    if name in ("TFOpLambda", "SlicingOpLambda"):
        called = isinstance(called, dict) and called.get("function")
    elif name != "function":
        return isinstance(name, str) and name in _CLASSES
    # A function of TensorFlow or Keras, by its public name, that only computes on tensors.
    called = called.removeprefix("compat.v1.") if isinstance(called, str) else ""
    return called in _FUNCTIONS or (called.startswith(_MODULES) and called.count(".") == 1)
