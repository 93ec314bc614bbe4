"""Everything that the class probabilities of a network depend on, as one value."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

__all__ = ["DEFAULTS", "NetworkOptions"]


@dataclass(frozen=True)
class NetworkOptions:
    """Options under which a network turns an image into class probabilities.

    None means that nothing is asked for and the network keeps its own. The ``settings`` of a
    loaded network are of the same type, with its own filled in, and go into a run's manifest.

    Parameters
    ----------
    output_stride : int, optional
        Ratio of the image's size to that of the coarsest feature map of DeepLab, 8 or 16. By
        default that of the frozen graph, or for a checkpoint the paper's.
    scales : float or sequence of float, optional
        Factors by which the image is resized for DeepLab; the probabilities of all scales are
        averaged. By default 1.
    flip : bool, optional
        Whether the probabilities of the mirrored image are averaged in, too; for DeepLab at every
        scale.
    crop : (int, int), optional
        Height and width k * output_stride + 1 in pixels to which every image is padded for
        DeepLab. By default that of the frozen graph, or for a checkpoint 1025x2049.
    input_range : str, optional
        The range of pixels that a network of another format expects: "0..255", "0..1", "-1..1",
        "imagenet", or "mean=R,G,B,std=R,G,B" of pixels in 0..1. By default 0..255, which is
        noted unless the network rescales them; 8-bit inputs take pixels as they are.
    tile : int or (int, int), optional
        Height and width in pixels of the tiles in which the network runs over larger images,
        blending scores; one number for square tiles.
    overlap : int, optional
        The least overlap of neighbouring tiles in pixels.
    dropout : int, optional
        Number of samples, 2 to 64, of the dropout that DeepLab was trained with, over which its
        probabilities are averaged; at one scale and without ``flip``.
    """

    output_stride: int | None = None
    scales: tuple[float, ...] | None = None
    flip: bool | None = None
    crop: tuple[int, int] | None = None
    input_range: str | None = None
    tile: int | tuple[int, int] | None = None
    overlap: int | None = None
    dropout: int | None = None

    def __post_init__(self):
        if self.scales is not None:
            scales = self.scales if isinstance(self.scales, Iterable) else (self.scales,)
            object.__setattr__(self, "scales", tuple(map(float, scales)))
        for name in ("crop", "tile"):
            if isinstance(getattr(self, name), Iterable):
                object.__setattr__(self, name, tuple(getattr(self, name)))

    @property
    def rebuilds(self) -> bool:
        """True if a DeepLab network has to be rebuilt from its weights for these options."""
        own = (self.output_stride, self.crop, self.dropout)
        return own != (None, None, None) or self.scales not in (None, (1.0,)) or bool(self.flip)

    def completed(self, others: "NetworkOptions") -> "NetworkOptions":
        """These options, and those of ``others`` wherever nothing is asked for here."""
        asked = {name: value for name, value in vars(self).items() if value is not None}
        return replace(others, **asked)


#: Nothing is asked for: every network runs as it is.
DEFAULTS = NetworkOptions()
