"""The default solver of the logistic fits along a path of C (decision record 0020).

A solver is made for one set of rows and answers ``penalised(C)``, with C rising from call to call,
and ``unpenalised(support)``.
"""

from typing import NamedTuple

import numpy as np

from metaseg_tf.analysis.logistic import (
    LogisticLoss,
    minimise_l1_logistic,
    minimise_logistic,
    objective,
)

__all__ = ["Fit", "NewtonSolver", "share_duplicates"]


class Fit(NamedTuple):
    """Coefficients [p] and intercept of one fit, and how good it is.

    ``gap`` is the duality gap relative to the objective (NaN without penalty); ``converged`` is
    False where an unpenalised fit has no minimum, as on separable outcomes.
    """

    coef: np.ndarray
    intercept: float
    gap: float = float("nan")
    converged: bool = True


class NewtonSolver:
    """Proximal Newton steps from the last solution; unpenalised fits remembered by support."""

    def __init__(self, X: np.ndarray, y: np.ndarray):
        self._shares = share_duplicates(X)
        # The first column of each group stands for it: an l1 penalty cannot tell them apart.
        first = (self._shares != 0).argmax(axis=1)
        self._loss = LogisticLoss(X[:, first], y)
        self._point = self._loss.null
        self._refits = {}

    def penalised(self, C: float) -> Fit:
        """Minimise the loss with penalty 1/C to a relative gap of 1e-9."""
        alpha = 1 / (C * len(self._loss.signs))
        self._point = minimise_l1_logistic(self._loss, alpha, self._point)
        gap = self._loss.gap(self._point, alpha) / objective(self._point, alpha)
        return Fit(self._point.w @ self._shares, self._point.b, gap)

    def unpenalised(self, support: np.ndarray) -> Fit:
        """Minimise the loss alone over the columns of a bool array [p]."""
        key = support.tobytes()
        if key not in self._refits:
            columns = np.flatnonzero((self._shares[:, support] != 0).any(axis=1))
            point, converged = minimise_logistic(self._loss, columns, self._start(columns))
            self._refits[key] = Fit(point.w @ self._shares, point.b, converged=converged)
        return self._refits[key]

    def _start(self, columns):
        inside = np.isin(np.arange(len(self._point.w)), columns)
        if np.any(self._point.w[~inside]):
            return self._loss.at(np.where(inside, self._point.w, 0.0), self._point.b)
        return self._point


def share_duplicates(X: np.ndarray) -> np.ndarray:
    """How the coefficients of distinct columns are shared out to all columns.

    Columns that are equal up to sign (S_rel and S_rel_in after standardisation) get equal parts
    of one coefficient, whatever the solver would have done; constant columns get none.

    Parameters
    ----------
    X : float64 array [n, p]

    Returns
    -------
    float64 array [m, p]
        One row a distinct column: sign / size of its group where it has a member, else 0.
    """
    constant = X.max(axis=0) == X.min(axis=0)
    products = X.T @ X
    norms = np.sqrt(np.diag(products))
    close = np.abs(products) >= (1 - 1e-9) * np.outer(norms, norms)
    shares, left = [], ~constant
    while left.any():
        first = int(left.argmax())
        group = np.flatnonzero(left & close[first])
        signs = np.sign(products[first, group])
        same = np.abs(X[:, group] * signs - X[:, [first]]).max(axis=0) <= 1e-12 * norms[first]
        share = np.zeros(X.shape[1])
        share[group[same]] = signs[same] / same.sum()
        shares.append(share)
        left[group[same]] = False
    return np.array(shares).reshape(-1, X.shape[1])
