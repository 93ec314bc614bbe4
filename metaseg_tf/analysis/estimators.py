"""Estimators of IoU_adj > 0 and of IoU_adj, in scikit-learn's conventions.

They work in scikit-learn's pipelines and searches, and can be kept in a file that runs no code.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn import linear_model

from metaseg_tf.analysis.base import Classifier, Estimator, Regressor, read_numbers
from metaseg_tf.analysis.boosting import BoostedClassifier, BoostedRegressor
from metaseg_tf.analysis.design import NOISE
from metaseg_tf.analysis.lasso import make_solver
from metaseg_tf.analysis.protocol import PAPER_PROTOCOL, Protocol

__all__ = ["ESTIMATORS", "PENALTIES", "Lasso", "LeastSquares", "Logistic", "Pair", "Ridge"]

#: Ridge penalties to choose from.
PENALTIES = (1000.0, 100.0, 10.0, 1.0, 0.1)


class _Linear(Estimator):
    """Coefficients ``coef_`` float64 [p] and ``intercept_``."""

    def _evaluate(self, X: np.ndarray) -> np.ndarray:
        """Float64 [n] for features [n, p]."""
        # Not by BLAS: its threads would wait for those that have just measured the segments.
        return np.einsum("ij,j->i", np.asarray(X, np.float64), self.coef_) + self.intercept_

    def explain(self, X: np.ndarray) -> tuple[float, np.ndarray]:
        """The intercept, and each feature times its coefficient: for independent features."""
        return self.intercept_, np.asarray(X, np.float64) * self.coef_

    def to_json(self) -> dict[str, Any]:
        return {"coef": self.coef_.tolist(), "intercept": self.intercept_}

    @classmethod
    def from_json(cls, content: dict[str, Any], n_features: int) -> "_Linear":
        fitted = cls()
        fitted.coef_ = read_numbers(content["coef"], n_features)
        fitted.intercept_ = float(read_numbers([content["intercept"]], 1)[0])
        return fitted


class _LinearRegressor(Regressor, _Linear):
    predict = _Linear._evaluate


class _LinearClassifier(Classifier, _Linear):
    decision_function = _Linear._evaluate


class LeastSquares(_LinearRegressor):
    """Shortest least squares coefficients, whatever the rank of X.

    Directions in which the centred rows have a singular value below 1e-6 of the largest are the
    rounding of float32 and count as aliased (docs/decisions/0044-least-squares-on-few-images.md).
    Only fitted values are to be read; for coefficients see ``metaseg_tf.analysis.diagnostics``.
    """

    def fit(self, X: np.ndarray, y: np.ndarray) -> "LeastSquares":
        X, y = np.asarray(X, np.float64), np.asarray(y, np.float64)
        mean, level = X.mean(axis=0), y.mean()
        self.coef_, *_ = np.linalg.lstsq(X - mean, y - level, rcond=NOISE)
        self.intercept_ = float(level - mean @ self.coef_)
        return self


class Ridge(_LinearRegressor):
    """scikit-learn's ridge: the sum of squared errors + ``penalty`` * that of coefficients."""

    tolerance = 1.0

    def __init__(self, penalty: float = 1.0):
        self.penalty = penalty

    @classmethod
    def settings(cls, protocol: Protocol, columns: Sequence[str]) -> Sequence[dict[str, Any]]:
        return [{"penalty": penalty} for penalty in PENALTIES]

    def fit(self, X: np.ndarray, y: np.ndarray) -> "Ridge":
        fitted = linear_model.Ridge(alpha=self.penalty).fit(X, y)
        self.coef_, self.intercept_ = fitted.coef_, float(fitted.intercept_)
        return self


class Logistic(_LinearClassifier):
    """Logistic regression without penalty; for ``engine`` see `metaseg_tf.analysis.lasso`."""

    def __init__(self, engine: str = PAPER_PROTOCOL.engine):
        self.engine = engine

    def fit(self, X: np.ndarray, y: np.ndarray) -> "Logistic":
        solver = make_solver(np.asarray(X, np.float64), self.outcome(y), self.engine)
        self.coef_, self.intercept_, *_ = solver.unpenalised(np.ones(np.shape(X)[1], bool))
        return self


class Lasso(_LinearClassifier):
    """Logistic regression with an l1 penalty 1/C (eq. 4); ``engine`` as for `Logistic`."""

    def __init__(self, C: float = 1.0, engine: str = PAPER_PROTOCOL.engine):
        self.C, self.engine = C, engine

    @classmethod
    def settings(cls, protocol: Protocol, columns: Sequence[str]) -> Sequence[dict[str, Any]]:
        return [{"C": C} for C in protocol.C]

    @classmethod
    def fit_each(
        cls, settings: Sequence[dict[str, Any]], X: np.ndarray, y: np.ndarray
    ) -> Sequence["Lasso"]:
        models = [cls(**setting) for setting in settings]
        solver = make_solver(X, models[0].outcome(y), models[0].engine)
        for model in models:
            # Each fit starts from the one before.
            model.coef_, model.intercept_, *_ = solver.penalised(model.C)
            model.classes_ = models[0].classes_
        return models

    def fit(self, X: np.ndarray, y: np.ndarray) -> "Lasso":
        solver = make_solver(np.asarray(X, np.float64), self.outcome(y), self.engine)
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
    "boosting": Pair(BoostedClassifier, BoostedRegressor),
    "unpenalised": Pair(Logistic, LeastSquares),
}
