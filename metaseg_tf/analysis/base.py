"""Base classes of estimators, in scikit-learn's conventions."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from metaseg_tf.analysis.protocol import Protocol
from metaseg_tf.errors import InputError

__all__ = ["Classifier", "Estimator", "Regressor", "read_numbers"]

#: Bound of all numbers in files, so that no verdict on a measured segment overflows.
_LARGEST = 1e100


class Estimator(BaseEstimator):
    """Base of all estimators: a subclass adds ``fit(X, y)`` and its predictions."""

    #: The first of the ``settings`` is chosen whose mean loss is at most this number of standard
    #: errors above the least.
    tolerance: ClassVar[float] = 0.0

    @classmethod
    def settings(cls, protocol: Protocol, columns: Sequence[str]) -> Sequence[dict[str, Any]]:
        """Parameters for features ``columns`` to choose from on held-out images, simplest first."""
        return [{}]

    @classmethod
    def fit_each(
        cls, settings: Sequence[dict[str, Any]], X: np.ndarray, y: np.ndarray
    ) -> Sequence["Estimator"]:
        """An estimator fitted with each of the settings."""
        return [cls(**setting).fit(X, y) for setting in settings]

    def explain(self, X: np.ndarray) -> tuple[float, np.ndarray] | None:
        """A base value, and each feature's Shapley value in each row, float64 [n, p].

        Their sum is the prediction, of a classifier the log-odds. None if there is no exact one.
        """
        return None

    def to_json(self) -> dict[str, Any]:
        """The fitted state as plain JSON values."""
        raise NotImplementedError

    @classmethod
    def from_json(cls, content: dict[str, Any], n_features: int) -> "Estimator":
        """The estimator that `to_json` described; anyone may have written ``content``.

        Raises KeyError, TypeError, ValueError or AttributeError unless it describes one of
        ``n_features`` features with finite predictions.
        """
        raise NotImplementedError


class Regressor(RegressorMixin, Estimator):
    """Base of regressors, which add ``predict(X)``, float64 [n]."""


class Classifier(ClassifierMixin, Estimator):
    """Base of classifiers, which add ``decision_function(X)``: log-odds of the second class."""

    #: The two outcomes that ``y`` held.
    classes_ = np.array([False, True])

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities of the two classes, float64 [n, 2]."""
        log_odds = self.decision_function(X)
        return expit(np.stack([-log_odds, log_odds], axis=1))

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The more probable class of each row, [n]."""
        return self.classes_[(self.decision_function(X) > 0).astype(int)]

    def outcome(self, y: np.ndarray) -> np.ndarray:
        """True for rows of the second class, bool [n]; sets ``classes_``."""
        y = np.asarray(y)
        if y.dtype != bool:
            self.classes_ = np.unique(y)
            if len(self.classes_) > 2:
                raise InputError(
                    f"{type(self).__name__}: expected two outcomes, got {len(self.classes_)}; "
                    "pass whether IoU_adj > 0"
                )
        return y == self.classes_[-1]


def read_numbers(values: list, n: int, *, positive: bool = False) -> np.ndarray:
    """A list of ``n`` numbers of at most 1e100 from a file as float64 [n].

    With ``positive`` they are at least 1e-100. Raises TypeError or ValueError for anything else.
    """
    if len(values) != n or not {type(value) for value in values} <= {int, float}:
        raise ValueError(f"expected {n} numbers")
    low = 1 / _LARGEST if positive else -_LARGEST
    if not all(low <= value <= _LARGEST for value in values):
        raise ValueError(f"expected numbers from {low} to {_LARGEST}")
    return np.array(values, np.float64)
