"""Sums over many rows."""

import numpy as np

__all__ = ["add_rows"]

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
