"""The published networks and their backbones, MobileNetV2 and Xception65, described as data."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import ClassVar

import tensorflow as tf

from metaseg_tf.networks.deeplab.layers import Layers

__all__ = [
    "DECODER_STRIDE", "MOBILENETV2", "OUTPUT_STRIDES", "XCEPTION65", "Architecture", "Decoder",
    "MobileNetV2", "Xception", "atrous_schedule",
]  # fmt: skip

#: Strides of the backbone's features that the published networks can be run at.
OUTPUT_STRIDES = (8, 16)
#: Stride of the decoder's logits.
DECODER_STRIDE = 4


def atrous_schedule(strides: list[int], output_stride: int) -> list[tuple[int, int]]:
    """Stride and atrous rate of each of a chain of layers, at an output stride.

    Where a stride would exceed it, there is none, and the layers *after* it are dilated instead.

    >>> atrous_schedule([2, 2, 1, 2, 1], 4)
    [(2, 1), (2, 1), (1, 1), (1, 1), (1, 2)]
    """
    reached = accumulate(strides, lambda a, b: a * b, initial=1)
    return [
        (stride, 1) if before * stride <= output_stride else (1, max(1, before // output_stride))
        for before, stride in zip(reached, strides, strict=False)
    ]


@dataclass(frozen=True)
class Bottleneck:
    """An inverted residual: widen by ``expansion``, convolve each channel, project to ``depth``."""

    depth: int
    stride: int = 1
    expansion: int = 6


@dataclass(frozen=True)
class MobileNetV2:
    """MobileNetV2 without its last convolution (Sandler et al., 2018).

    ``stem`` is the depth of the first convolution, which has stride 2.
    """

    scope: ClassVar[str] = "MobilenetV2"

    stem: int
    blocks: tuple[Bottleneck, ...]

    def block_scope(self, index: int) -> str:
        """Upstream's name of block ``index``: the first one bears no number."""
        return f"{self.scope}/expanded_conv" + (f"_{index}" if index else "")

    def features(self, layers: Layers, x: tf.Tensor, output_stride: int) -> tuple[tf.Tensor, None]:
        """Features of images, float32 [N, H, W, 3] in [-1, 1]; there is no low-level feature."""
        schedule = atrous_schedule([2, *(b.stride for b in self.blocks)], output_stride)
        relu6 = tf.nn.relu6
        x = layers.conv(x, f"{self.scope}/Conv", self.stem, size=3, stride=2, activation=relu6)
        layout = zip(self.blocks, schedule[1:], strict=True)
        for index, (block, (stride, rate)) in enumerate(layout):
            scope, y = self.block_scope(index), x
            if block.expansion > 1:
                depth = x.shape[-1] * block.expansion
                y = layers.conv(y, f"{scope}/expand", depth, activation=relu6)
            name = f"{scope}/depthwise"
            y = layers.depthwise(y, name, stride=stride, rate=rate, activation=relu6)
            y = layers.conv(y, f"{scope}/project", block.depth)
            x = x + y if stride == 1 and x.shape[-1] == block.depth else y
        return x, None


@dataclass(frozen=True)
class XceptionUnit:
    """Three separable convolutions; the last one has the stride.

    ``shortcut`` is "conv" or "sum" (a ReLU precedes each separable convolution), or "none" (a ReLU
    follows each normalisation instead).
    """

    scope: str
    depths: tuple[int, int, int]
    stride: int = 1
    shortcut: str = "conv"


@dataclass(frozen=True)
class Xception:
    """The modified aligned Xception of DeepLabv3+ (Chen et al., 2018, figure 4).

    ``stem`` are the depths of the first two convolutions, ``entry`` those of the three strided
    blocks, ``exit`` those of the last two, and ``middle_units`` is the number of units in between.
    """

    scope: ClassVar[str] = "xception_65"
    #: Its second separable convolution is the decoder's low-level feature, at stride 4.
    low_level_unit: ClassVar[str] = "entry_flow/block2/unit_1"

    stem: tuple[int, int]
    entry: tuple[int, int, int]
    middle_units: int
    exit: tuple[tuple[int, int, int], tuple[int, int, int]]

    def units(self) -> Iterator[XceptionUnit]:
        """All units in order."""
        for number, depth in enumerate(self.entry, start=1):
            yield XceptionUnit(f"entry_flow/block{number}/unit_1", (depth,) * 3, stride=2)
        for number in range(1, self.middle_units + 1):
            scope = f"middle_flow/block1/unit_{number}"
            yield XceptionUnit(scope, self.entry[-1:] * 3, shortcut="sum")
        yield XceptionUnit("exit_flow/block1/unit_1", self.exit[0], stride=2)
        yield XceptionUnit("exit_flow/block2/unit_1", self.exit[1], shortcut="none")

    def features(
        self, layers: Layers, x: tf.Tensor, output_stride: int
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Features as `MobileNetV2.features`, and the low-level feature at stride 4."""
        units = list(self.units())
        schedule = atrous_schedule([2, *(unit.stride for unit in units)], output_stride)
        scope, low_level = f"{self.scope}/entry_flow/conv1", None
        conv = partial(layers.conv, size=3, activation=tf.nn.relu)
        x = conv(_pad_edges(x), f"{scope}_1", self.stem[0], stride=2, padding="VALID")
        x = conv(x, f"{scope}_2", self.stem[1])
        for unit, (stride, rate) in zip(units, schedule[1:], strict=True):
            scope = f"{self.scope}/{unit.scope}/xception_module"
            x, second = _xception_module(layers, x, scope, unit, stride, rate)
            low_level = second if unit.scope == self.low_level_unit else low_level
        return x, low_level


def _xception_module(layers, x, scope, unit, stride, rate):
    """The unit's output and that of its second separable convolution."""
    y, outputs = x, []
    for number, (depth, step) in enumerate(zip(unit.depths, (1, 1, stride), strict=True), start=1):
        name = f"{scope}/separable_conv{number}"
        y = _separable_conv(layers, y, name, depth, step, rate, inside=unit.shortcut == "none")
        outputs.append(y)
    if unit.shortcut == "conv":
        y = y + layers.conv(x, f"{scope}/shortcut", unit.depths[-1], stride=stride)
    elif unit.shortcut == "sum":
        y = y + x
    return y, outputs[1]


def _separable_conv(layers, x, scope, depth, stride, rate, *, inside):
    """A ReLU comes first, or with ``inside`` after each of the two normalisations."""
    activation = tf.nn.relu if inside else None
    x = x if inside else tf.nn.relu(x)
    # SAME would pad an even side on its far end only.
    x, padding = (_pad_edges(x), "VALID") if stride > 1 else (x, "SAME")
    x = layers.depthwise(
        x, f"{scope}_depthwise", stride=stride, rate=rate, padding=padding, activation=activation
    )
    return layers.conv(x, f"{scope}_pointwise", depth, activation=activation)


def _pad_edges(x):
    return tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])


@dataclass(frozen=True)
class Decoder:
    """Depth to which the low-level feature is projected, and that of the two convolutions."""

    low_level_depth: int = 48
    depth: int = 256


@dataclass(frozen=True)
class Architecture:
    """A DeepLabv3+ network without its weights.

    ``head_depth`` is that of each branch of the pyramid pooling, to which ``atrous_branches`` adds
    three. Without ``decoder`` the logits come straight from the pooling.
    """

    backbone: MobileNetV2 | Xception
    n_classes: int = 19
    head_depth: int = 256
    atrous_branches: bool = False
    decoder: Decoder | None = None

    def logits_stride(self, output_stride: int) -> int:
        """Stride of the logits, in pixels."""
        return DECODER_STRIDE if self.decoder else output_stride


#: Depth, number and first stride of blocks that widen by 6 (Sandler et al., table 2).
_BLOCKS = ((24, 2, 2), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2), (320, 1, 1))
_BOTTLENECKS = (
    Bottleneck(16, expansion=1),
    *(Bottleneck(depth, stride if i == 0 else 1) for depth, n, stride in _BLOCKS for i in range(n)),
)
#: The paper's weaker network, as published for Cityscapes.
MOBILENETV2 = Architecture(MobileNetV2(32, _BOTTLENECKS))
#: The paper's stronger network, as published for Cityscapes.
XCEPTION65 = Architecture(
    Xception((32, 64), (128, 256, 728), 16, exit=((728, 1024, 1024), (1536, 1536, 2048))),
    atrous_branches=True,
    decoder=Decoder(),
)
