"""How far several passes of a network over one image disagree, pixel by pixel.

Passes t = 1..T are, for instance, scales, mirrored images or samples of dropout; f_t are their
class probabilities and f is the mean over the passes, which is what a segment table is made of.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from metaseg_tf.errors import InputError, ShapeError
from metaseg_tf.segments.dispersion import compute_heat_maps, count_threads

__all__ = ["MEASURES", "check_disagreement", "compare_passes"]

#: What the last axis of a disagreement holds: mean mutual information, total variation, changes.
MEASURES = ("I", "TV", "changed")
_ROWS = 64


def compare_passes(
    mean: np.ndarray,
    passes: Iterable[np.ndarray],
    *,
    void: np.ndarray | None = None,
    threads: int | None = None,
) -> np.ndarray:
    """Disagreement of one or more ``passes``, each float [H, W, C], with their ``mean``.

    ``void``, bool [H, W], and ``threads`` are as in `compute_heat_maps`; where void pixels have no
    distributions, their disagreement is 0.

    Returns
    -------
    float32 array [H, W, 3]
        In [0, 1]; by `MEASURES`: mutual information H(f) - mean_t H(f_t) with the entropy of
        eq. (2), to 1e-6; total variation mean_t 1/2 |f_t - f|_1; and the share of passes whose
        class, that of the largest probability, is not that of f.

    Raises
    ------
    ShapeError, InputError
        If a pass holds no distributions.
    """
    threads = threads or count_threads()
    whole = compute_heat_maps(mean, void=void, threads=threads)
    found = np.zeros((*mean.shape[:2], len(MEASURES)), np.float32)
    half = np.full(mean.shape[-1], 0.5, np.float32)
    with ThreadPoolExecutor(threads) as pool:
        for number, probs in enumerate(passes, start=1):  # noqa: B007
            heat = compute_heat_maps(probs, void=void, threads=threads)
            found[..., 0] += whole.entropy - heat.entropy
            found[..., 2] += heat.pred != whole.pred

            def vary(top: int, probs: np.ndarray = probs) -> None:
                rows = slice(top, top + _ROWS)
                found[rows, :, 1] += np.abs(probs[rows] - mean[rows]) @ half

            list(pool.map(vary, range(0, len(mean), _ROWS)))
    found /= number
    if void is not None and not np.isfinite(found).all():
        found[void] = 0
    return np.clip(found, 0, 1, out=found)


def check_disagreement(disagreement: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """A disagreement [H, W, 3] from outside for an image of that size, as float32.

    Raises ShapeError or InputError if its shape, dtype or values are not those of `compare_passes`.
    """
    found, expected = np.asarray(disagreement), (*size, len(MEASURES))
    if found.shape != expected or found.dtype.kind != "f":
        raise ShapeError(
            f"disagreement: expected floats {list(expected)} as probs, got {found.dtype} "
            f"{list(found.shape)}; give {', '.join(MEASURES)} of each pixel, or all passes as probs"
        )
    if not (found.min() >= 0 and found.max() <= 1 + 1e-3):
        raise InputError(
            f"disagreement: expected values in [0, 1], got {found.min():.6g} to {found.max():.6g}; "
            "divide entropies by log C"
        )
    return found.astype(np.float32, copy=False)
