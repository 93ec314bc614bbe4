"""The settings of an analysis, with those of the paper as ``PAPER_PROTOCOL`` (section 3).

A split is a mask of the rows that classification validates on, and regression trains on.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from metaseg_tf.analysis.design import CLASS_CHOICES, Design, standardise
from metaseg_tf.analysis.lasso import ENGINES
from metaseg_tf.errors import InputError, check_choice

__all__ = ["PAPER_PROTOCOL", "Protocol", "image_folds", "image_splits", "reference_splits"]

#: The half that a model is fitted to, and the other.
PARTS = ("train", "validation")

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Protocol:
    """How segments are split, standardised and fitted.

    Attributes
    ----------
    n_splits : int
        Number of random halves.
    splits : {"reference", "image"}
        The authors' halves of segments, or halves of whole images.
    fit_on : {"all", "train"}
        Rows that features are standardised over.
    classes : {"all", "predicted"}
        Class columns kept, see ``build_design``.
    C : tuple of float
        Rising inverse penalties 1/lambda of eq. (4).
    engine : {"lars", "reference"}
        Solver of the logistic fits, see ``metaseg_tf.analysis.lasso``.
    seed : int
        Seed of the image splits; the reference splits have the authors' own.
    """

    n_splits: int = 10
    splits: str = "reference"
    fit_on: str = "all"
    classes: str = "all"
    C: tuple[float, ...] = tuple(float(c) for c in 10 ** np.linspace(-4.2, 0.8, 50))
    engine: str = "lars"
    seed: int = 0

    def __post_init__(self):
        check_choice("splits", self.splits, ("reference", "image"))
        check_choice("fit_on", self.fit_on, ("all", "train"))
        check_choice("classes", self.classes, CLASS_CHOICES)
        check_choice("engine", self.engine, ENGINES)
        if self.n_splits < 1:
            raise InputError(
                f"n_splits: expected at least 1, got {self.n_splits}; the paper has 10"
            )
        if not self.C or np.any(np.diff(self.C) <= 0) or self.C[0] <= 0:
            raise InputError(f"C: expected rising positive numbers, got {self.C}; sort them")

    def draw_splits(self, design: Design) -> np.ndarray:
        """Validation masks of all splits, bool [splits, n]."""
        if self.splits == "image":
            return image_splits(design.image, self.n_splits, seed=self.seed)
        return reference_splits(len(design), self.n_splits)

    def split_blocks(self, designs: Iterable[Design]) -> Iterator[tuple[Design, np.ndarray]]:
        """Blocks of a design, one after the other, each with its part of the authors' halves."""
        states = [np.random.RandomState(s) for s in range(self.n_splits)]
        for design in designs:
            yield design, np.stack([state.rand(len(design)) < 0.5 for state in states])

    def features(self, design: Design, train: np.ndarray) -> np.ndarray:
        """Features [n, p] standardised over all rows or over the mask ``train``, as set."""
        if self.fit_on == "all":
            return design.X
        return standardise(design.X, train, design.least_scale / design.scale)[0]


PAPER_PROTOCOL = Protocol()


def reference_splits(n: int, n_splits: int = 10) -> np.ndarray:
    """The authors' Bernoulli halves, bool [n_splits, n]: ``seed(s)``, then ``rand(n) < 0.5``.

    The n segments with interior are in the order of images and then of segments.
    """
    return np.stack([np.random.RandomState(s).rand(n) < 0.5 for s in range(n_splits)])


def image_splits(images: np.ndarray, n_splits: int = 10, *, seed: int = 0) -> np.ndarray:
    """Random halves of whole images, whose segments are not independent, bool [n_splits, n].

    ``images`` [n] holds the name of each segment's image. True, where classification validates, are
    half of the images (rounded down), by ``numpy.random.default_rng([seed, s])``. Raises InputError
    for fewer than two images.
    """
    names, number = _number_images(images)
    half = len(names) // 2
    orders = (np.random.default_rng([seed, s]).permutation(len(names)) for s in range(n_splits))
    return np.stack([(order < half)[number] for order in orders])


def image_folds(images: np.ndarray, folds: int = 10) -> np.ndarray:
    """Masks, bool [folds, n], of folds of whole images, each image held out in one of them.

    Of fewer images than ``folds`` each is a fold. Raises InputError for fewer than two images.
    """
    names, number = _number_images(images)
    folds = min(folds, len(names))
    fold = np.random.default_rng(0).permutation(len(names)) % folds
    return fold[number] == np.arange(folds)[:, None]


def _number_images(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    names, number = np.unique(np.asarray(images, dtype=str), return_inverse=True)
    if len(names) < 2:
        raise InputError(
            f"images held out: expected segments of at least 2 images, got {len(names)}; "
            "extract more images, or take the paper's splits of segments"
        )
    return names, number


def map_splits(function: Callable[[Item], Result], splits: Iterable[Item]) -> list[Result]:
    """``[function(split) for split in splits]`` in threads, one for each core."""
    # Several BLAS threads for each of several splits would compete for the same cores. So would
    # OpenMP's, whose number each thread has for itself.
    each = {"initializer": threadpool_limits, "initargs": (1, "openmp")}
    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count(), **each) as pool:
        return list(pool.map(function, splits))


def tabulate(values: np.ndarray, **levels: Sequence) -> pd.DataFrame:
    """One row per element of ``values`` [splits, ...], with the labels of its axes and ``value``.

    >>> tabulate(np.array([[1.0, 2.0]]), part=("train", "validation"))
       split        part  value
    0      0       train    1.0
    1      0  validation    2.0
    """
    levels = {"split": range(len(values)), **levels}
    index = pd.MultiIndex.from_product(list(levels.values()), names=list(levels))
    return pd.Series(np.ravel(values), index, name="value").reset_index()
