"""One door to every DeepLab network: as the frozen graph it is, or rebuilt from its weights."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from metaseg_tf.deeplab.frozen_graph import FrozenGraph, load_graph_def
from metaseg_tf.deeplab.rebuilt import RebuiltNetwork
from metaseg_tf.deeplab.recognise import recognise_backbone
from metaseg_tf.deeplab.settings import NetworkSettings
from metaseg_tf.deeplab.weights import is_graph_file, load_weights, weights_from_graph_def

__all__ = ["CITYSCAPES_CROP", "Network", "load_network"]

#: The least crop of the form k * 16 + 1 that holds an image of Cityscapes, 1024x2048.
CITYSCAPES_CROP = (1025, 2049)
#: What section 3 of the paper sets for each backbone.
PAPER_OUTPUT_STRIDES = {"MobilenetV2": 16, "xception_65": 8}


class Network(Protocol):
    """What every network here can do; images are uint8 [H, W, 3], results float32 [H, W, C]."""

    classes: int
    crop: tuple[int, int]
    settings: NetworkSettings

    def probabilities(self, image: np.ndarray) -> np.ndarray:
        """Class probabilities of each pixel; the last axis sums to 1."""

    def logits(self, image: np.ndarray) -> np.ndarray:
        """Logits of each pixel at a single scale."""


def load_network(
    source: str | Path,
    *,
    output_stride: int | None = None,
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
    crop: tuple[int, int] | None = None,
) -> Network:
    """Load a network; any setting, or a checkpoint, rebuilds it from its weights.

    Parameters
    ----------
    source : str or Path
        A name in the catalogue (``mobilenetv2``, ``xception65``), a frozen graph ``.pb``, a
        ``.tar.gz`` that holds one, or a checkpoint's prefix. Without any setting a frozen graph
        runs as it is, and a network of the catalogue at the paper's settings.
    output_stride : int, optional
        8 or 16. By default that of the frozen graph, or for a checkpoint the paper's.
    scales : sequence of float
        Factors by which the image is resized; probabilities are averaged over them.
    flip : bool
        Whether to average over the mirrored image, too, at every scale.
    crop : (int, int), optional
        Height and width k * output_stride + 1 of the largest image. By default that of the frozen
        graph, or for a checkpoint 1025x2049.

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
    if not is_graph_file(path):
        weights = load_weights(path)
        return RebuiltNetwork(weights, _complete(asked, NetworkSettings(), weights))
    graph_def = load_graph_def(path)
    frozen = FrozenGraph(graph_def)
    if asked == NetworkSettings():
        return frozen
    weights = weights_from_graph_def(graph_def)
    return RebuiltNetwork(weights, _complete(asked, frozen.settings, weights))


def _resolve(source, asked):
    """The file that ``source`` means, and the settings asked for or implied by it."""
    path = Path(source)
    if not _is_catalogue_name(source):
        return path, asked
    # Only here: the catalogue brings the means to download, which no other source needs.
    from metaseg_tf.deeplab.catalogue import checkpoint_path, find

    entry = find(source)
    return checkpoint_path(entry), entry.settings if asked == NetworkSettings() else asked


def _is_catalogue_name(source):
    # A word, unless there is a checkpoint of this name: paths have a dot or a separator.
    return (
        isinstance(source, str) and source.isidentifier() and not Path(f"{source}.index").exists()
    )


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
