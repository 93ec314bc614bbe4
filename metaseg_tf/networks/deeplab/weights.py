"""Named weights of a network, by which it is recognised: of a checkpoint or a frozen graph."""

import glob
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import tensorflow as tf

from metaseg_tf.errors import DataFormatError, NetworkError, restate
from metaseg_tf.networks.deeplab.backbones import (
    MOBILENETV2,
    XCEPTION65,
    Architecture,
    Decoder,
    MobileNetV2,
)
from metaseg_tf.untrusted import check_file

__all__ = [
    "check_weights", "infer_architecture", "load_weights", "recognise_backbone",
    "weights_from_graph_def",
]  # fmt: skip

#: Last part of a variable's name; those of optimiser slots and graph constants have others.
KINDS = frozenset(
    {"weights", "depthwise_weights", "biases", "gamma", "beta", "moving_mean", "moving_variance"}
)
#: Prefixes of the names of a DeepLab network's variables.
SCOPES = (
    *("MobilenetV2/", "xception_65/", "image_pooling/", "aspp", "concat_projection/"),
    *("decoder/", "logits/"),
)
# Raised by TensorFlow on files that are truncated or something else.
_BROKEN = (tf.errors.OpError, IndexError, MemoryError, RuntimeError, TypeError, ValueError)
#: Number of weights that an error message names before it only counts.
NAMED_AT_MOST = 3
_PUBLISHED = {network.backbone.scope: network for network in (MOBILENETV2, XCEPTION65)}
_MIDDLE_UNIT = re.compile(r"xception_65/middle_flow/block1/unit_(\d+)/")

Shapes = Mapping[str, tuple[int, ...]]


def load_weights(prefix: Path) -> dict[str, np.ndarray]:
    """All weights of the checkpoint ``prefix`` + ``.index``, float32, by upstream's names.

    Raises DataFormatError if a file is missing or truncated.
    """
    for file in prefix.parent.glob(f"{glob.escape(prefix.name)}.*"):
        check_file(file)
    index = Path(f"{prefix}.index")
    if not index.is_file():
        raise DataFormatError(
            f"checkpoint {prefix}: expected {index.name} next to it, found none; give the common "
            "prefix of the .index and .data files, such as model.ckpt"
        )
    said = f"checkpoint {prefix}: cannot be read, it is truncated or lacks a file"
    with restate(_BROKEN, DataFormatError, said, "download it again"):
        reader = tf.train.load_checkpoint(str(prefix))
        shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
        names = sorted(filter(_is_weight, shapes))
        # Tensors are stored as they are: an index cannot declare more than the files hold.
        declared = sum(math.prod(shapes[name]) * dtypes[name].size for name in names)
        stored = sum(file.stat().st_size for file in prefix.parent.glob(f"{prefix.name}.data-*"))
        if not all(dtypes[name].is_floating for name in names) or not 0 <= declared <= stored:
            kinds = ", ".join(sorted({dtypes[name].name for name in names}))
            raise DataFormatError(
                f"checkpoint {prefix}: expected real weights of {stored} bytes at most, as its "
                f"files hold, got {declared} bytes of {kinds}; download it again"
            )
        return {name: reader.get_tensor(name).astype(np.float32) for name in names}


def weights_from_graph_def(graph_def: tf.compat.v1.GraphDef) -> dict[str, np.ndarray]:
    """The variables that were frozen into the Const nodes of a graph, by their names, float32."""
    return {
        node.name: tf.make_ndarray(node.attr["value"].tensor).astype(np.float32)
        for node in graph_def.node
        if node.op == "Const" and _is_weight(node.name)
    }


def check_weights(expected: Mapping[str, tuple[int, ...]], given: Mapping[str, np.ndarray]) -> None:
    """Raise a NetworkError that names what is missing, left over or of the wrong shape.

    Given weights outside of the scopes of DeepLab networks are ignored.
    """
    own = {name: np.shape(given[name]) for name in given if name.startswith(SCOPES)}
    problems = {
        "missing": [name for name in expected if name not in own],
        "left over": [name for name in own if name not in expected],
        "of wrong shape": [
            f"{name} (given {list(own[name])}, expected {list(shape)})"
            for name, shape in expected.items()
            if own.get(name, shape) != shape
        ],
    }
    found = []
    for problem, names in problems.items():
        tail = f" and {len(names) - NAMED_AT_MOST} more" * (len(names) > NAMED_AT_MOST)
        found += [f"{problem} {', '.join(names[:NAMED_AT_MOST])}{tail}"] if names else []
    if found:
        raise NetworkError(
            f"weights: {'; '.join(found)}; expected the {len(expected)} variables of the "
            "recognised network, give the file as upstream published or exported it"
        )


def _is_weight(name):
    return name.rpartition("/")[2] in KINDS


def recognise_backbone(names: Iterable[str]) -> str:
    """The scope of the one backbone among variable names; a NetworkError if there is not one."""
    scopes = {name.split("/")[0] for name in names if "/" in name}
    found = [scope for scope in _PUBLISHED if scope in scopes]
    if len(found) != 1:
        given = ", ".join(sorted(scopes)[:6]) or "no variables"
        raise NetworkError(
            f"weights: expected the variables of one of {' and '.join(_PUBLISHED)}, found "
            f"{given}; other networks run only as the frozen graphs they are"
        )
    return found[0]


def infer_architecture(shapes: Shapes) -> Architecture:
    """The published architecture with the depths and parts that the variables have.

    If the shape of a variable is missing, the published depth is taken: `check_weights` then names
    it. Raises NetworkError if the backbone is neither of the two.
    """
    published = _PUBLISHED[recognise_backbone(shapes)]
    is_mobile = isinstance(published.backbone, MobileNetV2)
    infer, decoder = _infer_mobilenet if is_mobile else _infer_xception, None
    if published.decoder and any(name.startswith("decoder/") for name in shapes):
        decoder = Decoder(
            _depth(shapes, "decoder/feature_projection0", published.decoder.low_level_depth),
            _depth(shapes, "decoder/decoder_conv0_pointwise", published.decoder.depth),
        )
    return replace(
        published,
        backbone=infer(shapes, published.backbone),
        n_classes=_depth(shapes, "logits/semantic", published.n_classes),
        head_depth=_depth(shapes, "aspp0", published.head_depth),
        atrous_branches=any(name.startswith("aspp1_") for name in shapes),
        decoder=decoder,
    )


def _depth(shapes, scope, default):
    shape = shapes.get(f"{scope}/weights")
    return shape[-1] if shape and shape[-1] else default


def _infer_mobilenet(shapes, published):
    stem = depth = _depth(shapes, f"{published.scope}/Conv", published.stem)
    blocks = []
    for index, block in enumerate(published.blocks):
        scope = published.block_scope(index)
        expanded = _depth(shapes, f"{scope}/expand", depth * block.expansion)
        expansion = max(1, expanded // depth)
        depth = _depth(shapes, f"{scope}/project", block.depth)
        blocks.append(replace(block, depth=depth, expansion=expansion))
    return MobileNetV2(stem, tuple(blocks))


def _infer_xception(shapes, published):
    scope = f"{published.scope}/{{}}/xception_module/separable_conv{{}}_pointwise"
    units = {int(match[1]) for match in map(_MIDDLE_UNIT.match, shapes) if match}
    block3 = _depth(shapes, scope.format("entry_flow/block3/unit_1", 3), 0)
    network = published
    # At the published depth the number of units is the published one: else a published network
    # that has lost its last units would pass for a shorter one.
    if units and block3 != published.entry[-1]:
        network = replace(published, middle_units=max(units))
    depths = [
        tuple(
            _depth(shapes, scope.format(unit.scope, number), depth)
            for number, depth in enumerate(unit.depths, start=1)
        )
        for unit in network.units()
    ]
    stem = [f"{published.scope}/entry_flow/conv1_{number}" for number in (1, 2)]
    return replace(
        network,
        stem=tuple(map(partial(_depth, shapes), stem, network.stem)),
        entry=tuple(unit[-1] for unit in depths[: len(network.entry)]),
        exit=tuple(depths[-len(network.exit) :]),
    )
