"""The paper's networks from their files: as the frozen graphs they are, or rebuilt from weights."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from metaseg_tf.errors import InputError, NetworkError
from metaseg_tf.networks.checkpoints import CITYSCAPES_CROP
from metaseg_tf.networks.deeplab.frozen_graph import FrozenGraph
from metaseg_tf.networks.deeplab.model import RebuiltNetwork
from metaseg_tf.networks.deeplab.weights import (
    SCOPES,
    load_weights,
    recognise_backbone,
    weights_from_graph_def,
)
from metaseg_tf.networks.formats import refuse_rebuilding
from metaseg_tf.networks.formats.graph_network import GraphNetwork, network_of_graph
from metaseg_tf.networks.graph import load_graph_def
from metaseg_tf.networks.options import NetworkOptions

__all__ = ["load_checkpoint", "load_graph"]

#: The output strides of section 3 of the paper, by the scope of the backbone.
PAPER_OUTPUT_STRIDES = {"MobilenetV2": 16, "xception_65": 8}


def load_graph(path: Path, options: NetworkOptions) -> FrozenGraph | RebuiltNetwork | GraphNetwork:
    """The network in a frozen graph, rebuilt from its weights if the options ask for it.

    Errors as `metaseg_tf.networks.formats.open_network`; UnsafeGraphError if it could do harm.
    """
    graph_def = load_graph_def(path)
    try:
        frozen = FrozenGraph(graph_def)
    except NetworkError:
        if any(node.name.startswith(SCOPES) for node in graph_def.node):
            raise
        refuse_rebuilding(path, options)
        return network_of_graph(graph_def, options.input_range)
    _refuse_input_range(options)
    if not options.rebuilds:
        return frozen
    own = NetworkOptions(frozen.settings.output_stride, crop=frozen.crop)
    return _rebuild(weights_from_graph_def(graph_def), options.completed(own))


def load_checkpoint(path: Path, options: NetworkOptions) -> RebuiltNetwork:
    """The network of a DeepLab checkpoint; errors as `load_graph`."""
    _refuse_input_range(options)
    return _rebuild(load_weights(path), options)


def _rebuild(weights: Mapping[str, np.ndarray], options: NetworkOptions) -> RebuiltNetwork:
    stride = PAPER_OUTPUT_STRIDES[recognise_backbone(weights)]
    return RebuiltNetwork(weights, options.completed(NetworkOptions(stride, crop=CITYSCAPES_CROP)))


def _refuse_input_range(options: NetworkOptions) -> None:
    if options.input_range is not None:
        raise InputError(
            "input_range: expected none for a network of DeepLab, which takes pixels in 0..255 "
            f"and rescales them itself, got {options.input_range!r}; leave it out"
        )
