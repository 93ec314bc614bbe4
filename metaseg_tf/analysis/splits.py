"""Training and validation halves: the authors' ten, and halves that keep images whole.

A split is a mask of the rows that classification validates on. Regression swaps the two halves,
as the authors' code does.
"""

import numpy as np

from metaseg_tf.errors import InputError

__all__ = ["image_splits", "reference_splits"]


def reference_splits(n: int, runs: int = 10) -> np.ndarray:
    """The authors' Bernoulli halves: in run r, row i validates where ``rand(n)[i] < 0.5``.

    The numbers are those of ``numpy.random.seed(r); numpy.random.rand(n)``, drawn from a
    generator of their own, so that numpy's global state is left alone.

    Parameters
    ----------
    n : int
        Number of segments with interior, in the order of images and then of segments.
    runs : int
        Number of splits, at least 1; the paper has 10.

    Returns
    -------
    bool array [runs, n]
        True where classification validates.
    """
    return np.stack([np.random.RandomState(r).rand(n) < 0.5 for r in range(runs)])


def image_splits(images: np.ndarray, runs: int = 10, *, seed: int = 0) -> np.ndarray:
    """Random halves of the images: all segments of one image are on the same side.

    Segments of one image are not independent; here none of a training image validates.

    Parameters
    ----------
    images : array [n]
        Name of the image of each segment.
    runs : int
        Number of splits, at least 1.
    seed : int
        Run r draws from ``numpy.random.default_rng([seed, r])``.

    Returns
    -------
    bool array [runs, n]
        True where classification validates: half of the images, rounded down.

    Raises
    ------
    InputError
        If there are fewer than two images.
    """
    names, number = np.unique(np.asarray(images, dtype=str), return_inverse=True)
    if len(names) < 2:
        raise InputError(
            f"image_splits: expected segments of at least 2 images, got {len(names)}; "
            "extract more images or use splits='reference'"
        )
    half = len(names) // 2
    orders = (np.random.default_rng([seed, r]).permutation(len(names)) for r in range(runs))
    return np.stack([(order < half)[number] for order in orders])
