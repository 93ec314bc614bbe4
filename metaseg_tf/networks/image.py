"""What every network does before it sees an image: check it, and bring it to its least size."""

import numpy as np

from metaseg_tf.errors import InputError, ShapeError

__all__ = ["check_image", "pad_image"]


def pad_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An image of at least ``size`` pixels, whose last row and column are repeated if need be.

    A constant colour would be an edge that is not in the image.
    """
    missing = [(0, max(least - side, 0)) for least, side in zip(size, image.shape, strict=False)]
    return np.pad(image, (*missing, (0, 0)), mode="edge") if np.any(missing) else image


def check_image(image: np.ndarray, crop: tuple[int, int] | None, *, fixed: bool = False) -> None:
    """Refuse what is not one RGB image that the network can take.

    Parameters
    ----------
    image : uint8 array [H, W, 3]
        RGB in 0..255, channels last, without a batch axis.
    crop : (int, int) or None
        The largest height and width in pixels; None if there is no limit.
    fixed : bool
        Whether the crop is that of a network which cannot be rebuilt with a larger one.

    Raises
    ------
    ShapeError
        If the image has another shape than [H, W, 3] or does not fit the crop.
    InputError
        If its dtype is not uint8.
    """
    shape = tuple(np.shape(image))
    if len(shape) != 3 or shape[2] != 3 or 0 in shape:
        raise ShapeError(f"image: expected [H, W, 3], got {list(shape)}; {_remedy(shape)}")
    dtype = getattr(image, "dtype", None)
    if dtype != np.uint8:
        raise InputError(
            f"image: expected uint8 in 0..255, got {dtype}; pass the pixels as they were decoded"
        )
    if crop is not None:
        _check_size(shape[:2], crop, fixed)


def _remedy(shape: tuple[int, ...]) -> str:
    if len(shape) == 4:
        return "pass one image without a batch axis"
    if len(shape) == 3 and shape[0] == 3:
        return "transpose to channels last"
    if len(shape) == 3 and shape[2] == 4:
        return "drop the alpha channel"
    return "pass one non-empty RGB image"


def _check_size(size: tuple[int, int], crop: tuple[int, int], fixed: bool) -> None:
    if size[0] > crop[0] or size[1] > crop[1]:
        given, expected = (f"{height}x{width}" for height, width in (size, crop))
        remedy = "scale it down, cut it, or rebuild the network with a larger crop"
        if fixed:
            remedy = (
                "resize it, or run the network over it in tiles of its size "
                f"(--tile {expected} --overlap {min(crop) // 5})"
            )
        raise ShapeError(
            f"image: expected at most {expected} pixels (the network's crop), got {given}; {remedy}"
        )
