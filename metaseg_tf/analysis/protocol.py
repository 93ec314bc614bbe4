"""The settings of an analysis, with those of the paper as ``PAPER_PROTOCOL`` (section 3)."""

from dataclasses import dataclass

import numpy as np

from metaseg_tf.analysis.design import (
    CLASS_CHOICES,
    FIT_CHOICES,
    Design,
    check_choice,
    standardise,
)
from metaseg_tf.analysis.lasso import ENGINES
from metaseg_tf.analysis.splits import image_splits, reference_splits
from metaseg_tf.errors import InputError

__all__ = ["PAPER_PROTOCOL", "SPLIT_CHOICES", "Protocol"]

SPLIT_CHOICES = ("reference", "image")


@dataclass(frozen=True)
class Protocol:
    """How segments are split, standardised and fitted.

    Attributes
    ----------
    runs : int
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

    runs: int = 10
    splits: str = "reference"
    fit_on: str = "all"
    classes: str = "all"
    C: tuple[float, ...] = tuple(float(c) for c in 10 ** np.linspace(-4.2, 0.8, 50))
    engine: str = "lars"
    seed: int = 0

    def __post_init__(self):
        check_choice("splits", self.splits, SPLIT_CHOICES)
        check_choice("fit_on", self.fit_on, FIT_CHOICES)
        check_choice("classes", self.classes, CLASS_CHOICES)
        check_choice("engine", self.engine, ENGINES)
        if self.runs < 1:
            raise InputError(f"runs: expected at least 1, got {self.runs}; the paper has 10")
        if not self.C or np.any(np.diff(self.C) <= 0) or self.C[0] <= 0:
            raise InputError(f"C: expected rising positive numbers, got {self.C}; sort them")

    def draw_splits(self, design: Design) -> np.ndarray:
        """Validation masks of all runs, bool [runs, n]."""
        if self.splits == "image":
            return image_splits(design.image, self.runs, seed=self.seed)
        return reference_splits(len(design), self.runs)

    def features(self, design: Design, train: np.ndarray) -> np.ndarray:
        """Features [n, p] standardised over all rows or over the mask ``train``, as set."""
        if self.fit_on == "all":
            return design.X
        return standardise(design.X, train, design.least_scale / design.scale)[0]


PAPER_PROTOCOL = Protocol()
