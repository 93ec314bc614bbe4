"""What is promised of verdicts on new images: conformal risk control (Angelopoulos et al., 2024).

Images are what is exchangeable, not segments: losses are shares of an image's segments. Promises
hold for a model that was fitted without the images they are set on; decision record 0061.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from metaseg_tf.errors import InputError, check_choice

__all__ = [
    "PROMISES", "SIZES", "WHOLE", "Intervals", "Promise", "control_risk", "count_needed",
]  # fmt: skip

#: What share of an image's segments a promise bounds, by its kind.
PROMISES = {
    "false-positives": "false positives that are trusted",
    "missed-trust": "segments with IoU_adj > 0 that are not trusted",
}
#: Smallest areas of the sizes that intervals are set for, in pixels.
SIZES = (1, 100, 1000, 10_000)
#: A stretch that makes every interval [0, 1].
WHOLE = 1e99


@dataclass(frozen=True)
class Promise:
    """Segments whose probability of a false positive is below ``threshold`` are trusted."""

    kind: str  #: Key of ``PROMISES``.
    alpha: float  #: The share that is allowed, in (0, 1).
    images: int  #: Number of images that the threshold was set on.
    threshold: float  #: In [0, 1]; or just above, if all segments may be trusted.

    @property
    def sentence(self) -> str:
        """Exactly what is promised."""
        return (
            f"of the {PROMISES[self.kind]}, the share in a new image is expected to be at most "
            f"{self.alpha:.4g} (0 if it has none): on average over such images and over draws of "
            f"the {self.images} images it was set on, if the new ones are drawn like them"
        )


@dataclass(frozen=True)
class Intervals:
    """How much wider than its spread tells the interval of IoU_adj is, by a segment's size."""

    level: float  #: Share of an image's segments of each size that they are to hold, in (0, 1).
    images: tuple[int, ...]  #: Number of images with segments of each of the ``SIZES``.
    stretch: tuple[float, ...]  #: Factors; `WHOLE` if the images are too few.

    @property
    def sentence(self) -> str:
        """Exactly what is promised."""
        return (
            "of a new image's segments of one size, the share whose IoU_adj is in its interval is "
            f"expected to be at least {self.level:.4g}: on average over such images and over draws "
            f"of the {max(self.images)} images it was set on, if the new ones are drawn like them"
        )

    def of(self, area: np.ndarray) -> np.ndarray:
        """The factor of each segment, float64 [n], by its area in pixels [n]."""
        return np.array(self.stretch)[find_size(area)]


def find_size(area: np.ndarray) -> np.ndarray:
    """Position in ``SIZES`` of each segment, int64 [n], by its area in pixels [n]."""
    return np.searchsorted(SIZES, area, side="right") - 1


def control_risk(
    value: np.ndarray, image: np.ndarray, n_images: int, alpha: float, least: float
) -> float:
    """The smallest t such that a new image expects at most ``alpha`` of its values above t.

    The expected share is bounded by n/(n+1) * mean share + 1/(n+1) over the n images (eq. 4 of
    Conformal Risk Control); images without values have a share of 0.

    Parameters
    ----------
    value : float64 array [m]
    image : int array [m]
        Number of each value's image, from 0.
    n_images : int
        Number of images n, with those that have no value.
    alpha : float
        In (0, 1).
    least : float
        Where t begins, at most as large as all values.

    Returns
    -------
    float
        ``least`` or one of the values; infinite if n is too small, see `count_needed`.
    """
    order = np.argsort(value)
    value, weight = value[order], (1 / np.maximum(np.bincount(image), 1))[image[order]]
    # Sums from the end, so that the share above the largest value is exactly 0.
    above = np.append(np.cumsum(weight[::-1])[::-1], 0.0)
    at = np.append(least, value)
    risk = (above[np.searchsorted(value, at, side="right")] + 1) / (n_images + 1)
    return float(np.min(at[risk <= alpha], initial=np.inf))


def count_needed(alpha: float) -> int:
    """The smallest number n of images with 1/(n+1) <= alpha, which can carry a promise."""
    # 1 / 0.1 - 1 may be a rounding above 9.
    return max(1, math.ceil(1 / alpha - 1 - 1e-9))


def check_promise(promise: Mapping[str, float] | None, level: float | None) -> None:
    """Raise an InputError unless at most one known share, and a level in (0, 1), are given."""
    if promise is not None and len(promise) != 1:
        raise InputError(
            f"promise: expected one of {', '.join(PROMISES)}, got {len(promise)} together; a "
            "threshold keeps one promise exactly, so make a model for each"
        )
    for kind in promise or ():
        check_choice("promise", kind, tuple(PROMISES))
    for name, share in {**(promise or {}), "intervals": level}.items():
        if share is not None and not 0 < share < 1:
            usual = 0.9 if name == "intervals" else 0.1
            raise InputError(
                f"{name}: expected a share between 0 and 1, got {share}; {usual} is usual"
            )
