"""Counts, moments and ranges of a segment table, by one pass over blocks of it of any number."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from metaseg_tf.analysis.design import NOISE, check_finite
from metaseg_tf.segments.truth import check_truth

__all__ = ["Survey", "add_rows", "survey"]

#: Rows that are decomposed at a time, so that they stay in a cache.
_ROWS = 2048


def add_rows(triangle: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The triangle R of the QR decomposition of all rows: those before, and ``rows`` [n, k].

    It has the products of all columns, R^T R, but is as exact as the rows themselves. Of no rows it
    is [0, k], else at most [k, k].
    """
    for begin in range(0, len(rows), _ROWS):
        stacked = np.vstack([triangle, rows[begin : begin + _ROWS]])
        triangle = np.linalg.qr(stacked, mode="r")
    return triangle


class Survey:
    """What `survey` found, made of the ``arrays`` that are kept."""

    def __init__(self, arrays: Mapping[str, np.ndarray], names: Sequence[str]):
        self.arrays, self.names = arrays, names
        #: Numbers of segments, of these with interior, and of these with IoU_adj = 0.
        self.counts = tuple(int(count) for count in arrays["counts"].reshape(3))
        self._triangle = arrays["triangle"].reshape(-1, len(names) + 1)
        self._low, self._high = arrays["range"].reshape(2, len(names))
        #: Square roots of the sums of squared deviations.
        self._size = np.sqrt((self._triangle[1:, 1:] ** 2).sum(axis=0))

    @property
    def correlations(self) -> pd.Series:
        """Pearson correlation of each column with the last; NaN if one of them is constant."""
        varying = (self._low < self._high) & (self._low[-1] < self._high[-1])
        centred = self._triangle[1:, 1:] / np.where(varying, self._size, np.nan)
        rho = (centred.T @ centred[:, -1]).clip(-1, 1)
        return pd.Series(rho[:-1], self.names[:-1], name="rho")

    @property
    def scale(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean, scale and which are constant of all columns but the last, as by `standardise`."""
        mean = self._triangle[0, 1:] / self._triangle[0, 0]
        deviation = self._size / np.sqrt(self.counts[1])
        farthest = np.maximum(self._high - mean, mean - self._low)
        constant = (self._low == self._high) | (deviation < NOISE * farthest)
        return mean[:-1], np.where(constant, 1.0, deviation)[:-1], constant[:-1]


def survey(blocks: Iterable[pd.DataFrame], names: Sequence[str]) -> Survey:
    """Survey the columns ``names`` over the segments with interior of all blocks of a table.

    Raises InputError if a block has no ground truth, or NaN or infinity in a column.
    """
    counts, triangle = np.zeros(3, int), np.empty((0, len(names) + 1))
    bounds = np.array([[np.inf], [-np.inf]]) * np.ones(len(names))
    for table in blocks:
        check_truth(table)
        inner = table[table["S_in"] > 0]
        check_finite(inner, names)
        values = inner[list(names)].to_numpy(np.float64)
        counts += [len(table), len(inner), np.count_nonzero(inner["iou_adj"] == 0)]
        triangle = add_rows(triangle, np.column_stack([np.ones(len(values)), values]))
        low, high = values.min(axis=0, initial=np.inf), values.max(axis=0, initial=-np.inf)
        bounds = np.stack([np.minimum(bounds[0], low), np.maximum(bounds[1], high)])
    return Survey({"counts": counts, "triangle": triangle, "range": bounds}, names)
