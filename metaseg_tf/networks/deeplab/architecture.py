"""The published networks as data: what there is to build."""

from dataclasses import dataclass

from metaseg_tf.networks.deeplab.backbones import Bottleneck, MobileNetV2, Xception

__all__ = [
    "DECODER_STRIDE",
    "MOBILENETV2",
    "OUTPUT_STRIDES",
    "XCEPTION65",
    "Architecture",
    "Decoder",
]

#: Strides of the backbone's features that the published networks can be run at.
OUTPUT_STRIDES = (8, 16)
#: Stride of the decoder's logits.
DECODER_STRIDE = 4


@dataclass(frozen=True)
class Decoder:
    """Depth to which the low-level feature is projected, and that of the two convolutions."""

    low_level_depth: int = 48
    depth: int = 256


@dataclass(frozen=True)
class Architecture:
    """A DeepLabv3+ network without its weights.

    Networks of other depths are made from the published ones, such as
    ``replace(MOBILENETV2, backbone=MOBILENETV2.backbone.scaled(0.25), head_depth=64)``.

    Attributes
    ----------
    backbone : MobileNetV2 or Xception
    n_classes : int
    head_depth : int
        Depth of each branch of the pyramid pooling and of their projection.
    atrous_branches : bool
        Whether the pyramid pooling has its three atrous branches.
    decoder : Decoder or None
        None where the logits come straight from the pyramid pooling.
    """

    backbone: MobileNetV2 | Xception
    n_classes: int = 19
    head_depth: int = 256
    atrous_branches: bool = False
    decoder: Decoder | None = None

    def logits_stride(self, output_stride: int) -> int:
        """Stride of the logits, in pixels."""
        return DECODER_STRIDE if self.decoder else output_stride


_BOTTLENECKS = (
    Bottleneck(16, expansion=1),
    *(Bottleneck(24, 2), Bottleneck(24)),
    *(Bottleneck(32, 2), Bottleneck(32), Bottleneck(32)),
    *(Bottleneck(64, 2), Bottleneck(64), Bottleneck(64), Bottleneck(64)),
    *(Bottleneck(96), Bottleneck(96), Bottleneck(96)),
    *(Bottleneck(160, 2), Bottleneck(160), Bottleneck(160)),
    Bottleneck(320),
)
#: The paper's weaker network, as published for Cityscapes.
MOBILENETV2 = Architecture(MobileNetV2(32, _BOTTLENECKS))
#: The paper's stronger network, as published for Cityscapes.
XCEPTION65 = Architecture(
    Xception(
        stem=(32, 64),
        entry=(128, 256, 728),
        middle_units=16,
        exit=((728, 1024, 1024), (1536, 1536, 2048)),
    ),
    atrous_branches=True,
    decoder=Decoder(),
)
