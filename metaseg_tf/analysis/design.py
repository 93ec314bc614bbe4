"""The design: the rows and columns of the segment table that are analysed, and their scale.

Section 3 of the paper, as the authors' code does it: segments with interior only, the 15 metrics
and the mean class probabilities, standardised.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from metaseg_tf.errors import InputError, check_choice
from metaseg_tf.segments import columns
from metaseg_tf.segments.columns import IOU_COLUMNS, PAPER_GROUPS
from metaseg_tf.segments.truth import check_truth

__all__ = ["CLASS_CHOICES", "NOISE", "Design", "build_design", "check_finite", "standardise"]

#: Deviations and singular values below this share of the largest value are rounding: some 8
#: epsilons of float32, in which probabilities and metrics are measured.
NOISE = 1e-6
#: Class columns kept: those of all classes, or up to the largest one predicted (authors' code).
CLASS_CHOICES = ("all", "predicted")


@dataclass(frozen=True, eq=False)
class Design:
    """Standardised features and targets of the n segments with interior."""

    X: np.ndarray  #: Features, float64 [n, p]; a column that is constant is 0 throughout.
    columns: tuple[str, ...]  #: Sorted metrics, then ``cprob0`` ...: the order of the authors' code
    mean: np.ndarray  #: Subtracted from each column, float64 [p].
    scale: np.ndarray  #: What the rest is divided by, float64 [p]; 1 for a constant column.
    constant: np.ndarray  #: Columns of a single value, which no model can use, bool [p].
    y: np.ndarray  #: True if IoU_adj > 0, false for false positives, bool [n].
    iou_adj: np.ndarray  #: Target of regression in [0, 1], float64 [n], and so is ``iou``.
    iou: np.ndarray
    image: np.ndarray  #: Name of the image that each segment comes from, object [n].
    rows: np.ndarray  #: Positions of the segments in the table, int64 [n].
    least_scale: float = 0.0  #: The smallest scale allowed, in the table's units.
    #: Columns in words, where these are known, for texts.
    words: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.y)

    def say(self, name: str) -> str:
        """A column in words."""
        return self.words.get(name, name)

    def take(self, names: Iterable[str]) -> np.ndarray:
        """The standardised features of k names, float64 [n, k]."""
        return self.X[:, [self.columns.index(name) for name in names]]


def build_design(
    table: pd.DataFrame,
    *,
    classes: str = "all",
    groups: Collection[str] = PAPER_GROUPS,
    least_scale: float = 0.0,
    interior: bool = True,
    scale: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
) -> Design:
    """Take the segments with interior (or without) from a table and standardise their features.

    The table has ground truth and a column ``image``. ``classes`` are "all", or, as in the authors'
    code, up to the largest one "predicted": over a whole validation set both are the same.
    ``groups`` are of `metaseg_tf.segments.columns.GROUPS`; for ``least_scale`` see `standardise`.
    If the table is a part of a larger one, ``scale`` is that one's, see `Survey.scale`.
    Raises InputError if columns are missing, no segment is left, or a value is NaN or infinite.
    """
    check_choice("classes", classes, CLASS_CHOICES)
    n_classes = columns.count_classes(table)
    if classes == "predicted" and len(table):
        n_classes = min(n_classes, int(table["class_id"].max()) + 1)
    names = columns.feature_columns(n_classes, groups)
    measured = [name for name in names if columns.group_of(name) != "prediction"]
    missing = [name for name in ("image", *measured, *IOU_COLUMNS) if name not in table.columns]
    if missing:
        raise InputError(
            f"segment table: expected columns {', '.join(missing)}, got a table without them; "
            "the analysis needs a run extracted with ground truth"
        )
    check_truth(table)
    rows = np.flatnonzero((table["S_in"].to_numpy() > 0) == interior)
    if not len(rows):
        kind = "with interior (S_in > 0)" if interior else "without interior (S_in = 0)"
        raise InputError(
            f"segment table: expected segments {kind}, got none among {len(table)}; extract more "
            "images, or images of higher resolution"
        )
    kept = table.iloc[rows]
    check_finite(kept, (*measured, *IOU_COLUMNS))
    X = columns.feature_values(kept, names)
    if scale is None:
        X, *scale = standardise(X, least_scale=least_scale)
    else:
        X = np.where(scale[2], 0.0, (X - scale[0]) / scale[1])
    iou_adj, iou = (kept[name].to_numpy(np.float64) for name in ("iou_adj", "iou"))
    targets, image = (iou_adj > 0, iou_adj, iou), kept["image"].to_numpy(object)
    return Design(X, names, *scale, *targets, image, rows, least_scale)


def standardise(
    values: np.ndarray, fit: np.ndarray | slice = slice(None), least_scale: float | np.ndarray = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Scale columns to mean 0 and population standard deviation 1 over the rows ``fit``.

    A constant column, by which the authors' code would divide by 0, becomes 0 throughout, so that
    the number of columns stays that of the network. So does one that varies over ``fit`` 1e6 times
    less than over the other rows, by rounding. Standard deviations below ``least_scale`` (one, or
    [p]) are replaced by it. Returns the scaled values [n, p], and mean, scale and which columns are
    constant, each [p].
    """
    fitted = values[fit]
    mean, deviation = fitted.mean(axis=0), fitted.std(axis=0)
    X = values - mean
    constant = fitted.max(axis=0) == fitted.min(axis=0)
    constant |= deviation < NOISE * np.abs(X).max(axis=0)
    scale = np.where(constant, 1.0, np.maximum(deviation, least_scale))
    X /= scale
    X[:, constant] = 0.0
    return X, mean, scale, constant


def check_finite(table: pd.DataFrame, names: Iterable[str]) -> None:
    """Raise an InputError that names the first column and image with NaN or infinity."""
    # A column at a time: a copy of the whole table would double the memory for long ones.
    for name in names:
        bad = ~np.isfinite(table[name].to_numpy(np.float64))
        if bad.any():
            raise InputError(
                f"segment table: expected finite numbers, got {int(bad.sum())} NaN or infinite "
                f"in column {name} (first in image {table['image'].iloc[int(bad.argmax())]!r}); "
                "extract these images again"
            )
