"""The l1 path: logistic fits over rising C, and unpenalised refits on what they select (eq. 4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from metaseg_tf.analysis import logistic
from metaseg_tf.errors import ShapeError, check_choice

__all__ = ["ENGINES", "LarsSolver", "LassoPath", "ReferenceSolver", "fit_path", "make_solver"]

#: A column is active if its coefficient is larger than this (the authors' threshold).
ACTIVE = 1e-6


class Fit(NamedTuple):
    """Coefficients [p] and intercept of one fit, and how good it is."""

    coef: np.ndarray
    intercept: float
    gap: float = float("nan")  #: Duality gap relative to the objective; NaN without penalty.
    converged: bool = True  #: False if an unpenalised fit has no minimum: separable outcomes.


@dataclass(frozen=True, eq=False)
class LassoPath:
    """Penalised fits for k values of C, and for each the unpenalised fit on its active columns.

    Coefficients, float64 [k, p], are log-odds of IoU_adj > 0 per standard deviation of a feature;
    equal columns share equally.
    """

    C: np.ndarray  #: Rising inverse penalties 1/lambda, float64 [k].
    coef: np.ndarray
    intercept: np.ndarray
    gap: np.ndarray  #: Duality gaps relative to the objective: no fit can be better by more.
    refit_coef: np.ndarray
    refit_intercept: np.ndarray
    refit_converged: np.ndarray  #: False if the outcomes are separable: there is no minimum.

    def log_odds(self, X: np.ndarray, index: int) -> np.ndarray:
        """Log-odds [n] of features [n, p] by the penalised fit of ``C[index]``."""
        return X @ self.coef[index] + self.intercept[index]

    @property
    def active(self) -> np.ndarray:
        """True for the columns that each penalised fit uses, bool [k, p]."""
        return np.abs(self.coef) > ACTIVE

    @property
    def activation(self) -> np.ndarray:
        """Index of the C from which on a column stays active, int [p]; k if it does not."""
        return len(self.C) - np.cumprod(self.active[::-1], axis=0).sum(axis=0)

    def order(self, columns: Sequence[str]) -> list[tuple[str, float]]:
        """Names of the columns that end up active and the C from which on they are, by rising C."""
        since = self.activation
        ranked = np.argsort(since, kind="stable")
        return [(columns[j], float(self.C[since[j]])) for j in ranked if since[j] < len(self.C)]


def fit_path(
    X: np.ndarray, y: np.ndarray, C: Sequence[float], *, engine: str = "lars"
) -> LassoPath:
    """Fit the l1 path and the unpenalised refits on training rows.

    X [n, p] is standardised; of y (bool [n]) both outcomes must occur; ``C`` are k rising inverse
    penalties. ``engine`` is "lars", exact to a relative gap of 1e-9, or "reference", the authors'
    calls, which take some 100 times longer. Raises InputError if an outcome is missing or a fit
    does not reach its gap.
    """
    solver = make_solver(X, y, engine)
    penalised, refits = [], []
    for value in C:
        penalised.append(solver.penalised(value))
        refits.append(solver.unpenalised(np.abs(penalised[-1].coef) > ACTIVE))
    coef, intercept, gap, _ = map(np.array, zip(*penalised, strict=True))
    refit_coef, refit_intercept, _, converged = map(np.array, zip(*refits, strict=True))
    C = np.array(C, np.float64)
    return LassoPath(C, coef, intercept, gap, refit_coef, refit_intercept, converged)


def make_solver(X: np.ndarray, y: np.ndarray, engine: str) -> "LarsSolver | ReferenceSolver":
    """The solver of one of the ``ENGINES`` for training rows; arguments as for `fit_path`."""
    check_choice("engine", engine, ENGINES)
    if np.ndim(X) != 2 or np.shape(y) != (len(X),):
        raise ShapeError(
            f"logistic fit: expected X [n, p] and y [n], got {list(np.shape(X))} and "
            f"{list(np.shape(y))}; pass a row of X for each outcome"
        )
    return ENGINES[engine](X, y)


class LarsSolver:
    """Proximal Newton steps from the last solution of a path of rising C."""

    def __init__(self, X: np.ndarray, y: np.ndarray):
        self._shares = share_duplicates(X)
        # The first column of each group represents it: an l1 penalty cannot tell them apart.
        first = (self._shares != 0).argmax(axis=1)
        self._loss = logistic.LogisticLoss(X[:, first], y)
        self._point = self._refit = self._loss.null
        self._refits = {}

    def penalised(self, C: float) -> Fit:
        """Minimise the loss with penalty 1/C to a relative gap of 1e-9."""
        alpha = 1 / (C * len(self._loss.signs))
        self._point, gap = logistic.minimise_l1_logistic(self._loss, alpha, self._point)
        return Fit(self._point.w @ self._shares, self._point.b, gap)

    def unpenalised(self, support: np.ndarray) -> Fit:
        """Minimise the loss alone over the columns of a bool array [p]."""
        key = support.tobytes()
        if key not in self._refits:
            inside = (self._shares[:, support] != 0).any(axis=1)
            starts = (self._refit, self._point, self._loss.null)
            start = next(point for point in starts if not point.w[~inside].any())
            point, converged = logistic.minimise_logistic(self._loss, np.flatnonzero(inside), start)
            self._refit = point
            self._refits[key] = Fit(point.w @ self._shares, point.b, converged=converged)
        return self._refits[key]


class ReferenceSolver:
    """The authors' calls: scikit-learn's saga from a cold start, 1000 epochs, tolerance 1e-3."""

    def __init__(self, X: np.ndarray, y: np.ndarray):
        self._X, self._loss = X, logistic.LogisticLoss(X, y)

    def penalised(self, C: float) -> Fit:
        """Fit with an l1 penalty; the gap is an upper bound, loose where saga stopped early."""
        # penalty= is deprecated from 1.8 on; before, l1_ratio=1 alone would silently fit l2.
        options = {"l1_ratio": 1.0} if _sklearn_is_new() else {"penalty": "l1"}
        coef, intercept = self._fit(slice(None), C=C, **options)
        alpha = 1 / (C * len(self._loss.signs))
        point = self._loss.at(coef, intercept)
        gap = self._loss.gap(point, alpha) / logistic.objective(point, alpha)
        return Fit(coef, intercept, gap)

    def unpenalised(self, support: np.ndarray) -> Fit:
        """Fit without penalty on the columns of a bool array [p]."""
        if not support.any():
            return Fit(self._loss.null.w, self._loss.null.b)
        options = {"C": np.inf} if _sklearn_is_new() else {"penalty": None}
        return Fit(*self._fit(support, **options))

    def _fit(self, columns, **options):
        # Loading scikit-learn takes a second, which nobody else needs to wait for.
        from sklearn.linear_model import LogisticRegression

        options |= {"solver": "saga", "max_iter": 1000, "tol": 1e-3, "random_state": 0}
        model = LogisticRegression(**options).fit(self._X[:, columns], self._loss.signs > 0)
        coef = np.zeros(self._X.shape[1])
        coef[columns] = model.coef_[0]
        return coef, float(model.intercept_[0])


def _sklearn_is_new():
    import sklearn

    return tuple(int(part) for part in sklearn.__version__.split(".")[:2]) >= (1, 8)


ENGINES = {"lars": LarsSolver, "reference": ReferenceSolver}


def share_duplicates(X: np.ndarray) -> np.ndarray:
    """Matrix [m, p] that shares out the coefficients of m distinct columns to all of X [n, p].

    Columns that are equal up to sign (S_rel and S_rel_in after standardisation) get equal parts
    of one coefficient, +-1 / size of their group; constant columns get none.
    """
    XT = np.ascontiguousarray(X.T)
    constant = XT.max(axis=1) == XT.min(axis=1)
    products = XT @ XT.T
    norms = np.sqrt(np.diag(products))
    close = np.abs(products) >= (1 - 1e-9) * np.outer(norms, norms)
    shares, left = [], ~constant
    while left.any():
        first = int(left.argmax())
        group = np.flatnonzero(left & close[first])
        signs = np.sign(products[first, group])
        same = np.abs(XT[group].T * signs - XT[[first]].T).max(axis=0) <= 1e-12 * norms[first]
        share = np.zeros(X.shape[1])
        share[group[same]] = signs[same] / same.sum()
        shares.append(share)
        left[group[same]] = False
    return np.array(shares).reshape(-1, X.shape[1])
