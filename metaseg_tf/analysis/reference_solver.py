"""The authors' solver: their own scikit-learn calls (``engine="reference"``)."""

import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression

from metaseg_tf.analysis.logistic import LogisticLoss, objective
from metaseg_tf.analysis.solvers import Fit

__all__ = ["ReferenceSolver"]


class ReferenceSolver:
    """The authors' calls: scikit-learn's saga from a cold start, 1000 epochs, tolerance 1e-3."""

    def __init__(self, X: np.ndarray, y: np.ndarray):
        self._X, self._loss = X, LogisticLoss(X, y)

    def penalised(self, C: float) -> Fit:
        """Fit with an l1 penalty; the gap is an upper bound, loose where saga stopped early."""
        coef, intercept = self._fit(slice(None), **_l1_options(C))
        alpha = 1 / (C * len(self._loss.signs))
        point = self._loss.at(coef, intercept)
        return Fit(coef, intercept, self._loss.gap(point, alpha) / objective(point, alpha))

    def unpenalised(self, support: np.ndarray) -> Fit:
        """Fit without penalty on the columns of a bool array [p]."""
        if not support.any():
            return Fit(self._loss.null.w, self._loss.null.b)
        return Fit(*self._fit(support, **_no_penalty_options()))

    def _fit(self, columns, **options):
        model = LogisticRegression(
            solver="saga", max_iter=1000, tol=1e-3, random_state=0, **options
        ).fit(self._X[:, columns], self._loss.signs > 0)
        coef = np.zeros(self._X.shape[1])
        coef[columns] = model.coef_[0]
        return coef, float(model.intercept_[0])


def _l1_options(C):
    # penalty= is deprecated from 1.8 on; before, l1_ratio=1 alone would silently fit l2.
    return {"C": C, "l1_ratio": 1.0} if _sklearn_is_new() else {"C": C, "penalty": "l1"}


def _no_penalty_options():
    return {"C": np.inf} if _sklearn_is_new() else {"penalty": None}


def _sklearn_is_new():
    return tuple(int(part) for part in sklearn.__version__.split(".")[:2]) >= (1, 8)
