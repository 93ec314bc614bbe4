"""The one check that every network makes before it sees an image."""

import numpy as np

from metaseg_tf.errors import InputError, ShapeError

__all__ = ["check_image"]


def check_image(image: np.ndarray, crop: tuple[int, int] | None, *, exact: bool = False) -> None:
    """Refuse what is not one RGB image that the network can take.

    Parameters
    ----------
    image : uint8 array [H, W, 3]
        RGB in 0..255, channels last, without a batch axis.
    crop : (int, int) or None
        The largest height and width in pixels; None if there is no limit.
    exact : bool
        Whether the image must be as large as the crop: for networks that do not pad.

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
        _check_size(shape[:2], crop, exact)


def _remedy(shape: tuple[int, ...]) -> str:
    if len(shape) == 4:
        return "pass one image without a batch axis"
    if len(shape) == 3 and shape[0] == 3:
        return "transpose to channels last"
    if len(shape) == 3 and shape[2] == 4:
        return "drop the alpha channel"
    return "pass one non-empty RGB image"


def _check_size(size: tuple[int, int], crop: tuple[int, int], exact: bool) -> None:
    given, expected = (f"{height}x{width}" for height, width in (size, crop))
    if exact and size != crop:
        raise ShapeError(
            f"image: expected {expected} pixels, got {given}; resize it, "
            f"or run the network over larger images in tiles of its size (--tile {crop[0]})"
        )
    if size[0] > crop[0] or size[1] > crop[1]:
        raise ShapeError(
            f"image: expected at most {expected} pixels (the network's crop), got {given}; "
            "scale it down, cut it, or rebuild the network with a larger crop"
        )
