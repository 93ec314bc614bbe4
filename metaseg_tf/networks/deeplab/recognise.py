"""Which network some weights belong to, read from the names and shapes of its variables."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from metaseg_tf.errors import NetworkError
from metaseg_tf.networks.deeplab.architecture import MOBILENETV2, XCEPTION65, Architecture, Decoder
from metaseg_tf.networks.deeplab.backbones import MobileNetV2, Xception

__all__ = ["infer_architecture", "recognise_backbone"]

_PUBLISHED = {network.backbone.scope: network for network in (MOBILENETV2, XCEPTION65)}
_MIDDLE_UNIT = re.compile(r"xception_65/middle_flow/block1/unit_(\d+)/")

Shapes = Mapping[str, tuple[int, ...]]


def recognise_backbone(names: Iterable[str]) -> str:
    """The scope of the backbone, ``MobilenetV2`` or ``xception_65``, among variable names.

    Raises
    ------
    NetworkError
        If neither or both are there.
    """
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

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        Shape of every variable, under upstream's names. Where one is missing the published depth
        is taken: `metaseg_tf.networks.deeplab.weights.check_weights` then names it.

    Raises
    ------
    NetworkError
        If the backbone is neither of the two.
    """
    published = _PUBLISHED[recognise_backbone(shapes)]
    return replace(
        published,
        backbone=_infer_backbone(shapes, published.backbone),
        n_classes=_depth(shapes, "logits/semantic", published.n_classes),
        head_depth=_depth(shapes, "aspp0", published.head_depth),
        atrous_branches=any(name.startswith("aspp1_") for name in shapes),
        decoder=_infer_decoder(shapes, published.decoder),
    )


def _depth(shapes, scope, default):
    shape = shapes.get(f"{scope}/weights")
    return shape[-1] if shape and shape[-1] else default


def _infer_backbone(shapes, published):
    infer = _infer_mobilenet if isinstance(published, MobileNetV2) else _infer_xception
    return infer(shapes, published)


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
    network = replace(published, middle_units=_count_middle_units(shapes, published))
    depths = [_unit_depths(shapes, network, unit) for unit in network.units()]
    first, second = (f"{published.scope}/entry_flow/conv1_{number}" for number in (1, 2))
    return replace(
        network,
        stem=(_depth(shapes, first, network.stem[0]), _depth(shapes, second, network.stem[1])),
        entry=tuple(unit[-1] for unit in depths[: len(network.entry)]),
        exit=tuple(depths[-len(network.exit) :]),
    )


def _count_middle_units(shapes, published):
    """The highest number there is, but at the published depth the published number.

    Else a published network that has lost its last units would pass for a shorter one.
    """
    units = {int(match[1]) for match in map(_MIDDLE_UNIT.match, shapes) if match}
    block3 = f"{published.scope}/entry_flow/block3/unit_1/xception_module/separable_conv3_pointwise"
    if not units or _depth(shapes, block3, 0) == published.entry[-1]:
        return published.middle_units
    return max(units)


def _unit_depths(shapes: Shapes, network: Xception, unit) -> tuple[int, ...]:
    scope = f"{network.scope}/{unit.scope}/xception_module/separable_conv"
    return tuple(
        _depth(shapes, f"{scope}{number}_pointwise", depth)
        for number, depth in enumerate(unit.depths, start=1)
    )


def _infer_decoder(shapes, published):
    if published is None or not any(name.startswith("decoder/") for name in shapes):
        return None
    return Decoder(
        _depth(shapes, "decoder/feature_projection0", published.low_level_depth),
        _depth(shapes, "decoder/decoder_conv0_pointwise", published.depth),
    )
