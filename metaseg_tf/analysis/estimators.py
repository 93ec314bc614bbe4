"""Estimators of IoU_adj > 0 and of IoU_adj, in scikit-learn's conventions.

They take part in scikit-learn's pipelines, cross validation and searches, and can be kept in a
file that runs no code when it is read. ``ESTIMATORS`` holds those that a meta model is made of.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from scipy.special import expit
from sklearn import linear_model
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from metaseg_tf.analysis.design import NOISE
from metaseg_tf.analysis.lasso import make_solver
from metaseg_tf.analysis.protocol import PAPER_PROTOCOL, Protocol
from metaseg_tf.errors import InputError

__all__ = [
    "ESTIMATORS",
    "LARGEST",
    "PENALTIES",
    "Classifier",
    "Estimator",
    "Lasso",
    "LeastSquares",
    "Logistic",
    "Pair",
    "Regressor",
    "Ridge",
    "read_numbers",
]

#: Bound of all numbers in files, so that no verdict on a measured segment overflows.
LARGEST = 1e100
#: Ridge penalties to choose from: sum of squared errors + penalty * sum of squared coefficients.
PENALTIES = (1000.0, 100.0, 10.0, 1.0, 0.1)


class Estimator(BaseEstimator):
    """Base of all estimators: a subclass adds ``fit(X, y)``, and what it predicts.

    Attributes
    ----------
    tolerance : float
        In standard errors of the best setting's mean score: of the ``settings``, the first whose
        score is at most this much lower is chosen.
    """

    tolerance: ClassVar[float] = 0.0

    @classmethod
    def settings(cls, protocol: Protocol) -> Sequence[dict[str, Any]]:
        """Parameters to choose from on held-out images, the simplest first; the default alone."""
        return [{}]

    @classmethod
    def fit_each(
        cls, settings: Sequence[dict[str, Any]], X: np.ndarray, y: np.ndarray
    ) -> Sequence["Estimator"]:
        """An estimator fitted with each of the settings."""
        return [cls(**setting).fit(X, y) for setting in settings]

    def to_json(self) -> dict[str, Any]:
        """The fitted state as plain JSON values."""
        raise NotImplementedError

    @classmethod
    def from_json(cls, content: dict[str, Any], n_features: int) -> "Estimator":
        """The estimator that `to_json` described; anyone may have written ``content``.

        Raises
        ------
        KeyError, TypeError, ValueError, AttributeError
            If it does not describe one of ``n_features`` features with finite predictions.
        """
        raise NotImplementedError


class Regressor(RegressorMixin, Estimator):
    """Base of regressors, which add ``predict(X)``, float64 [n]."""


class Classifier(ClassifierMixin, Estimator):
    """Base of classifiers, which add ``decision_function(X)``: log-odds of the second class.

    Attributes
    ----------
    classes_ : array [2]
        The outcomes that ``y`` held.
    """

    classes_ = np.array([False, True])

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities of the two classes, float64 [n, 2]."""
        log_odds = self.decision_function(X)
        return expit(np.stack([-log_odds, log_odds], axis=1))

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The more probable class of each row, [n]."""
        return self.classes_[(self.decision_function(X) > 0).astype(int)]

    def _outcome(self, y: np.ndarray) -> np.ndarray:
        """Which rows are of the second class, bool [n]; sets ``classes_``."""
        y = np.asarray(y)
        if y.dtype != bool:
            self.classes_ = np.unique(y)
            if len(self.classes_) > 2:
                raise InputError(
                    f"{type(self).__name__}: expected two outcomes, got {len(self.classes_)}; "
                    "pass whether IoU_adj > 0"
                )
        return y == self.classes_[-1]


class _Linear(Estimator):
    """Coefficients ``coef_`` float64 [p] and ``intercept_``."""

    def _evaluate(self, X):
        # Not by BLAS: its threads would wait for those that have just measured the segments.
        return np.einsum("ij,j->i", np.asarray(X, np.float64), self.coef_) + self.intercept_

    def to_json(self) -> dict[str, Any]:
        return {"coef": self.coef_.tolist(), "intercept": self.intercept_}

    @classmethod
    def from_json(cls, content: dict[str, Any], n_features: int) -> "_Linear":
        fitted = cls()
        fitted.coef_ = read_numbers(content["coef"], n_features)
        fitted.intercept_ = float(read_numbers([content["intercept"]], 1)[0])
        return fitted


class _LinearRegressor(Regressor, _Linear):
    def predict(self, X: np.ndarray) -> np.ndarray:
        """Float64 [n] for features [n, p]."""
        return self._evaluate(X)


class _LinearClassifier(Classifier, _Linear):
    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """Log-odds of the second class, float64 [n], for features [n, p]."""
        return self._evaluate(X)


class LeastSquares(_LinearRegressor):
    """Shortest least squares coefficients, whatever the rank of X.

    Directions in which the centred rows have a singular value below 1e-6 of the largest are the
    rounding of float32 and count as aliased, as in scikit-learn's LinearRegression since 1.9
    (docs/decisions/0044-least-squares-on-few-images.md). Only the fitted values are to be read; for
    coefficients see ``metaseg_tf.analysis.diagnostics``.
    """

    def fit(self, X: np.ndarray, y: np.ndarray) -> "LeastSquares":
        X, y = np.asarray(X, np.float64), np.asarray(y, np.float64)
        mean, level = X.mean(axis=0), y.mean()
        self.coef_, *_ = np.linalg.lstsq(X - mean, y - level, rcond=NOISE)
        self.intercept_ = float(level - mean @ self.coef_)
        return self


class Ridge(_LinearRegressor):
    """scikit-learn's ridge; of several penalties the largest within a standard error of the best.

    Parameters
    ----------
    penalty : float
        Sum of squared errors + penalty * sum of squared coefficients is minimised.
    """

    tolerance = 1.0

    def __init__(self, penalty: float = 1.0):
        self.penalty = penalty

    @classmethod
    def settings(cls, protocol: Protocol) -> Sequence[dict[str, Any]]:
        return [{"penalty": penalty} for penalty in PENALTIES]

    def fit(self, X: np.ndarray, y: np.ndarray) -> "Ridge":
        fitted = linear_model.Ridge(alpha=self.penalty).fit(X, y)
        self.coef_, self.intercept_ = fitted.coef_, float(fitted.intercept_)
        return self


class Logistic(_LinearClassifier):
    """Logistic regression without penalty.

    Parameters
    ----------
    engine : {"lars", "reference"}
        See `metaseg_tf.analysis.lasso`.
    """

    def __init__(self, engine: str = PAPER_PROTOCOL.engine):
        self.engine = engine

    def fit(self, X: np.ndarray, y: np.ndarray) -> "Logistic":
        solver = make_solver(np.asarray(X, np.float64), self._outcome(y), self.engine)
        self.coef_, self.intercept_, *_ = solver.unpenalised(np.ones(np.shape(X)[1], bool))
        return self


class Lasso(_LinearClassifier):
    """Logistic regression with an l1 penalty (eq. 4); C is chosen from the protocol's path.

    Parameters
    ----------
    C : float
        Inverse penalty 1/lambda.
    engine : {"lars", "reference"}
        See `metaseg_tf.analysis.lasso`.
    """

    def __init__(self, C: float = 1.0, engine: str = PAPER_PROTOCOL.engine):
        self.C, self.engine = C, engine

    @classmethod
    def settings(cls, protocol: Protocol) -> Sequence[dict[str, Any]]:
        return [{"C": C} for C in protocol.C]

    @classmethod
    def fit_each(
        cls, settings: Sequence[dict[str, Any]], X: np.ndarray, y: np.ndarray
    ) -> Sequence["Lasso"]:
        models = [cls(**setting) for setting in settings]
        solver = make_solver(X, models[0]._outcome(y), models[0].engine)
        for model in models:
            # Each fit starts from the one before.
            model.coef_, model.intercept_, *_ = solver.penalised(model.C)
            model.classes_ = models[0].classes_
        return models

    def fit(self, X: np.ndarray, y: np.ndarray) -> "Lasso":
        solver = make_solver(np.asarray(X, np.float64), self._outcome(y), self.engine)
        self.coef_, self.intercept_, *_ = solver.penalised(self.C)
        return self


class Pair(NamedTuple):
    """The two estimators of a meta model: of IoU_adj > 0, and of IoU_adj."""

    classifier: type[Classifier]
    regressor: type[Regressor]


#: By the name that ``fit_meta_model(meta=...)`` takes and model files hold. "unpenalised" holds the
#: baselines of Tables 2 and 3, which explode on few images (decision record 0044).
ESTIMATORS: dict[str, Pair] = {
    "linear": Pair(Lasso, Ridge),
    "unpenalised": Pair(Logistic, LeastSquares),
}


def read_numbers(values: list, n: int, *, positive: bool = False) -> np.ndarray:
    """A list of ``n`` finite numbers from a file as float64 [n].

    Raises
    ------
    TypeError, ValueError
        If it is anything else, or holds numbers beyond ``LARGEST``.
    """
    if len(values) != n or not {type(value) for value in values} <= {int, float}:
        raise ValueError(f"expected {n} numbers")
    low = 1 / LARGEST if positive else -LARGEST
    if not all(low <= value <= LARGEST for value in values):
        raise ValueError(f"expected numbers from {low} to {LARGEST}")
    return np.array(values, np.float64)
