"""One door to every DeepLab network: as the frozen graph it is, or rebuilt from its weights."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from metaseg_tf.data.folders import check_file
from metaseg_tf.errors import InputError, NetworkError
from metaseg_tf.networks.checkpoints import (
    BUNDLED,
    CATALOGUE,
    CITYSCAPES_CROP,
    bundled_path,
    checkpoint_path,
    find,
    hash_files,
)
from metaseg_tf.networks.deeplab.frozen_graph import FrozenGraph, load_graph_def
from metaseg_tf.networks.deeplab.rebuilt import RebuiltNetwork
from metaseg_tf.networks.deeplab.weights import (
    SCOPES,
    is_graph_file,
    load_weights,
    recognise_backbone,
    weights_from_graph_def,
)
from metaseg_tf.networks.formats import is_other_format, open_network
from metaseg_tf.networks.formats.graph_network import network_of_graph
from metaseg_tf.networks.options import NetworkSettings
from metaseg_tf.networks.scores import Ending
from metaseg_tf.networks.tiling import Tiled

__all__ = [
    "Network",
    "absolute_source",
    "describe_network",
    "load_network",
    "paper_options",
]

#: Suffixes of what other frameworks write.
_FOREIGN = {
    ".onnx": "an ONNX model",
    **dict.fromkeys((".pt", ".pth"), "a PyTorch file"),
    ".safetensors": "weights in the safetensors format",
    **dict.fromkeys((".mlmodel", ".mlpackage"), "a Core ML model"),
    **dict.fromkeys((".engine", ".trt"), "a TensorRT engine"),
    ".pdmodel": "a PaddlePaddle model",
}
#: What section 3 of the paper sets for each backbone.
PAPER_OUTPUT_STRIDES = {"MobilenetV2": 16, "xception_65": 8}


class Network(Protocol):
    """What every network here can do; images are uint8 [H, W, 3], results float32 [H, W, C]."""

    classes: int
    crop: tuple[int, int]
    ending: Ending
    settings: NetworkSettings

    def probabilities(self, image: np.ndarray) -> np.ndarray:
        """Class probabilities of each pixel; the last axis sums to 1."""

    def logits(self, image: np.ndarray) -> np.ndarray:
        """Logits of each pixel at a single scale."""

    def scores(self, image: np.ndarray) -> np.ndarray:
        """What the network gives, of which ``ending`` tells the kind; tiles are averaged in it."""


def load_network(
    source: str | Path,
    *,
    output_stride: int | None = None,
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
    crop: tuple[int, int] | None = None,
    tile: int | tuple[int, int] | None = None,
    overlap: int = 0,
    input_range: str | None = None,
) -> Network:
    """Load a network; any DeepLab setting, or a checkpoint, rebuilds it from its weights.

    Parameters
    ----------
    source : str or Path
        A name in the catalogue (``mobilenetv2``, ``xception65``) or of the demo
        (``demo_xception``, ``demo_mobilenetv2``), a frozen graph ``.pb``, a
        ``.tar.gz`` that holds one, a checkpoint's prefix, or another format that
        `metaseg_tf.networks.formats` opens. Without any setting a frozen graph runs as it is, and a
        network of the catalogue at the paper's settings.
    output_stride : int, optional
        8 or 16. By default that of the frozen graph, or for a checkpoint the paper's.
    scales : sequence of float
        Factors by which the image is resized; probabilities are averaged over them.
    flip : bool
        Whether to average over the mirrored image, too, at every scale.
    crop : (int, int), optional
        Height and width k * output_stride + 1 of the largest image. By default that of the frozen
        graph, or for a checkpoint 1025x2049.
    tile : int or (int, int), optional
        Run the network over larger images in tiles of this height and width in pixels, blending
        scores; one number for square tiles.
    overlap : int
        By how many pixels neighbouring tiles overlap at least.
    input_range : str, optional
        The range of pixels that a network of another format expects: "0..255", "0..1", "-1..1",
        "imagenet", or "mean=R,G,B,std=R,G,B" of pixels in 0..1. By default 0..255, which is
        noted unless the network rescales them; 8-bit inputs take pixels as they are.

    Raises
    ------
    DataFormatError
        If a file is missing or truncated.
    NetworkError
        If it does not hold one of the two networks; UnsafeGraphError if a graph could do harm.
    InputError
        If a setting is outside of what can be built, or the name is not in the catalogue.
    """
    scales = tuple(map(float, np.atleast_1d(scales)))
    asked = NetworkSettings(output_stride, scales, flip, tuple(crop) if np.iterable(crop) else crop)
    path, asked = _resolve(source, asked)
    network = _open(path, asked, input_range)
    return network if tile is None else Tiled(network, tile, overlap)


def _open(path, asked, input_range):
    check_file(path)
    if path.suffix.lower() in _FOREIGN:
        raise NetworkError(
            f"{path}: expected a network for TensorFlow, got {_FOREIGN[path.suffix.lower()]}; "
            "convert it to a SavedModel or TensorFlow Lite, or store its softmax for --softmax"
        )
    if is_other_format(path):
        _refuse_settings(path, asked)
        return open_network(path, input_range=input_range)
    graph_def = load_graph_def(path) if is_graph_file(path) else None
    frozen = _open_deeplab(graph_def) if graph_def is not None else None
    if graph_def is not None and frozen is None:
        _refuse_settings(path, asked)
        return network_of_graph(graph_def, input_range)
    if input_range is not None:
        raise InputError(
            "input_range: expected none for a network of DeepLab, which takes pixels in 0..255 "
            f"and rescales them itself, got {input_range!r}; leave it out"
        )
    if graph_def is None:
        weights = load_weights(path)
        return RebuiltNetwork(weights, _complete(asked, NetworkSettings(), weights))
    if asked == NetworkSettings():
        return frozen
    weights = weights_from_graph_def(graph_def)
    return RebuiltNetwork(weights, _complete(asked, frozen.settings, weights))


def _open_deeplab(graph_def):
    """A graph as an export of DeepLab's, None where it is another network's."""
    try:
        return FrozenGraph(graph_def)
    except NetworkError:
        if any(node.name.startswith(SCOPES) for node in graph_def.node):
            raise
        return None


def _refuse_settings(path, asked):
    if asked != NetworkSettings():
        raise InputError(
            f"{path}: expected a DeepLab graph or checkpoint to rebuild at other settings, got "
            "another network; leave out output stride, scales, flip and crop"
        )


def describe_network(source: str | Path, network: Network, **options) -> dict[str, Any]:
    """What the probabilities of a network depend on, for the manifest of a run.

    Parameters
    ----------
    source : str or Path
        As given to `load_network`.
    network : Network
        What it returned.
    options
        Further keyword arguments that it was given, such as ``tile``.
    """
    path, _ = _resolve(source, NetworkSettings())
    return {
        "network": Path(source).name,
        "network_sha256": hash_files(_files_of(path)),
        **asdict(network.settings),
        **{name: options.get(name) for name in ("tile", "overlap")},
    }


def paper_options(source: str | Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options for `load_network`, completed by the paper's for a name in the catalogue.

    So that to ask for ``flip=False`` alone leaves the paper's scales in force.
    """
    if source in BUNDLED or not _is_catalogue_name(source):
        return dict(options)
    return {**asdict(find(source).settings), **options}


def _files_of(path: Path) -> list[Path]:
    """The file itself, a folder's files, or a checkpoint's index and data."""
    if path.is_file():
        return [path]
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    return sorted(path.parent.glob(f"{path.name}.*"))


def _resolve(source, asked):
    """The file that ``source`` means, and the settings asked for or implied by it."""
    path = Path(source)
    if source in BUNDLED:
        return bundled_path(f"{source}.pb"), asked
    if not _is_catalogue_name(source):
        return path, asked
    entry = find(source)
    return checkpoint_path(entry), entry.settings if asked == NetworkSettings() else asked


def absolute_source(source: str | Path) -> str:
    """A source by which another process, that works elsewhere, finds the same network."""
    is_name = source in BUNDLED or _is_catalogue_name(source)
    return source if is_name else str(Path(source).absolute())


def _is_catalogue_name(source):
    # A word: paths have a dot or a separator, or lead somewhere.
    if not isinstance(source, str) or not source.isidentifier():
        return False
    if not Path(source).exists() and not Path(f"{source}.index").exists():
        return True
    return any(entry.name == source for entry in CATALOGUE)


def _complete(asked, own, weights):
    """Fill what was not asked for from the frozen graph's own settings, else from the paper's."""
    paper = PAPER_OUTPUT_STRIDES[recognise_backbone(weights)]
    return replace(
        asked,
        output_stride=_first(asked.output_stride, own.output_stride, paper),
        crop=_first(asked.crop, own.crop, CITYSCAPES_CROP),
    )


def _first(*settings):
    """The first one that is not None."""
    return next(setting for setting in settings if setting is not None)
