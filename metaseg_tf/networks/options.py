"""What a network is set to: the values that section 3 of the paper lists for each network."""

from dataclasses import dataclass

__all__ = ["NetworkSettings"]


@dataclass(frozen=True)
class NetworkSettings:
    """Settings under which a network turns an image into class probabilities.

    Parameters
    ----------
    output_stride : int or None
        Ratio of the image's size to that of the coarsest feature map, 8 or 16 in the paper; None
        where it is not known.
    scales : tuple of float
        Factors by which the image is resized; the probabilities of all scales are averaged.
    flip : bool
        Whether the mirrored image is averaged in as well, at every scale.
    crop : (int, int) or None
        Height and width in pixels to which every image is padded; None if any size is taken.
    input_range : str or None
        The range of pixels that the network is fed; None if it takes them as they are.
    """

    output_stride: int | None = None
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    crop: tuple[int, int] | None = None
    input_range: str | None = None
