"""Registry of the formats that networks are stored in; everything else reads it."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from metaseg_tf.data.folders import check_file
from metaseg_tf.errors import DataFormatError, InputError, MissingDependencyError, NetworkError
from metaseg_tf.networks.options import NetworkOptions

__all__ = ["FORMATS", "Format", "list_formats", "open_network", "refuse_rebuilding"]


class Format(NamedTuple):
    """One format that a network is stored in.

    ``words`` is its name in help texts and messages, with an article. ``loader`` is the
    ``module:function`` that is called with the path and the `NetworkOptions` and returns a
    `metaseg_tf.networks.image_network.Network`; it is imported on use since each brings its own
    library. Names of files end with one of ``suffixes``; a folder is recognised by the file
    ``marker``. Options that `NetworkOptions.rebuilds` names are refused unless it ``rebuilds``, but
    for ``flip``, which `metaseg_tf.networks.network.Mirrored` does. ``requires`` is what pip
    installs for it.
    """

    words: str
    loader: str
    suffixes: tuple[str, ...] = ()
    marker: str = ""
    requires: str = "metaseg-tf"
    rebuilds: bool = False

    def recognises(self, path: Path) -> bool:
        """True if a path is one of this format, by its name or its marker."""
        return path.name.endswith(self.suffixes) or bool(
            self.marker and (path / self.marker).is_file()
        )

    def __str__(self) -> str:
        return self.words + (f" ({', '.join(self.suffixes)})" if self.suffixes else "")


_HERE = "metaseg_tf.networks.formats"
#: Recognised by its two files, so it is what remains of a path that no format recognises.
_CHECKPOINT = Format(
    "a DeepLab checkpoint (the prefix of its files, such as model.ckpt)",
    f"{_HERE}.deeplab:load_checkpoint",
    rebuilds=True,
)
#: In the order in which they are tried.
FORMATS = (
    Format("a SavedModel", f"{_HERE}.graph_network:load_saved_model", marker="saved_model.pb"),
    Format(
        "a frozen graph or an archive with one",
        f"{_HERE}.deeplab:load_graph",
        (".pb", ".tar.gz", ".tgz"),
        rebuilds=True,
    ),
    Format("a Keras model", f"{_HERE}.graph_network:load_keras_model", (".keras", ".h5", ".hdf5")),
    Format("a TensorFlow Lite file", f"{_HERE}.tflite:TFLiteNetwork", (".tflite",)),
    Format("an ONNX file", f"{_HERE}.onnx:OnnxNetwork", (".onnx",), requires="metaseg-tf[onnx]"),
)
#: Suffixes of the files that other frameworks write.
_FOREIGN = {
    **dict.fromkeys((".pt", ".pth"), "a PyTorch file"),
    ".safetensors": "weights in the safetensors format",
    **dict.fromkeys((".mlmodel", ".mlpackage"), "a Core ML model"),
    **dict.fromkeys((".engine", ".trt"), "a TensorRT engine"),
    ".pdmodel": "a PaddlePaddle model",
}


def list_formats() -> str:
    """All formats in words, for help texts and messages."""
    *others, last = (_CHECKPOINT, *FORMATS)
    return f"{', '.join(map(str, others))} or {last}"


def open_network(path: Path, options: NetworkOptions):
    """Open a network in the format by which its path is recognised.

    Raises DataFormatError if the file is missing, broken or of no known format; NetworkError if it
    belongs to another framework, or does not turn one image into scores; InputError if the options
    are not for a network of this format.
    """
    check_file(path)
    found = next((entry for entry in FORMATS if entry.recognises(path)), _CHECKPOINT)
    foreign = _FOREIGN.get(path.suffix.lower())
    if found is _CHECKPOINT and foreign:
        raise NetworkError(
            f"{path}: expected a network of another format, got {foreign}; export it as ONNX, a "
            "SavedModel or TensorFlow Lite, or store its softmax for --softmax"
        )
    if found is _CHECKPOINT and path.exists() and not Path(f"{path}.index").exists():
        raise DataFormatError(
            f"{path}: expected {list_formats()}, got another file or folder; convert it to one of "
            "them, or store its softmax for --softmax"
        )
    if not found.rebuilds:
        refuse_rebuilding(path, options)
    module, _, loader = found.loader.partition(":")
    try:
        loaders = import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"{path}: expected {error.name}, which reads {found.words}, found none that works; "
            f'pip install "{found.requires}"'
        ) from error
    return getattr(loaders, loader)(path, options)


def refuse_rebuilding(path: Path, options: NetworkOptions) -> None:
    """Raise an InputError if options are asked for that only DeepLab can be rebuilt with."""
    if replace(options, flip=None).rebuilds:
        raise InputError(
            f"{path}: expected a DeepLab graph or checkpoint to rebuild at other settings, got "
            "another network; leave out output stride, scales, crop and dropout"
        )
