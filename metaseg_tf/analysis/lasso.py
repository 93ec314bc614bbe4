"""The l1 path: logistic fits over rising C, and unpenalised refits on what they select (eq. 4)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metaseg_tf.analysis.design import check_choice
from metaseg_tf.analysis.solvers import Fit, NewtonSolver
from metaseg_tf.errors import ShapeError

__all__ = ["ACTIVE", "ENGINES", "LassoPath", "fit_logistic", "fit_path"]

#: "newton" solves to a certified gap; "reference" makes the authors' own scikit-learn calls.
ENGINES = ("newton", "reference")

#: A column is active where its coefficient is larger than this (the authors' threshold).
ACTIVE = 1e-6


@dataclass(frozen=True, eq=False)
class LassoPath:
    """Penalised fits for k values of C, and for each the unpenalised fit on its active columns.

    Attributes
    ----------
    C : float64 array [k]
        Rising inverse penalties 1/lambda.
    coef, refit_coef : float64 arrays [k, p]
        Log-odds of IoU_adj > 0 per standard deviation of a feature; equal columns share equally.
    intercept, refit_intercept : float64 arrays [k]
    gap : float64 array [k]
        Duality gap relative to the objective: no fit can be better by more.
    refit_converged : bool array [k]
        False where the outcomes are separable, so that the unpenalised fit has no minimum.
    """

    C: np.ndarray
    coef: np.ndarray
    intercept: np.ndarray
    gap: np.ndarray
    refit_coef: np.ndarray
    refit_intercept: np.ndarray
    refit_converged: np.ndarray

    @property
    def active(self) -> np.ndarray:
        """Which columns each penalised fit uses, bool [k, p]."""
        return np.abs(self.coef) > ACTIVE

    @property
    def activation(self) -> np.ndarray:
        """Index of the C from which on a column stays active, int [p]; k where it does not.

        "From here on", since a loose solver may let a column in and drop it again.
        """
        return len(self.C) - np.cumprod(self.active[::-1], axis=0).sum(axis=0)

    def order(self, columns: Sequence[str]) -> list[tuple[str, float]]:
        """Names of the columns that end up active with the C from which on they are, in order.

        Columns that become active at the same C come in the order of ``columns``.
        """
        since = self.activation
        ranked = np.argsort(since, kind="stable")
        return [(columns[j], float(self.C[since[j]])) for j in ranked if since[j] < len(self.C)]


def fit_path(
    X: np.ndarray, y: np.ndarray, C: Sequence[float], *, engine: str = "newton"
) -> LassoPath:
    """Fit the l1 path and the unpenalised refits on training rows.

    Parameters
    ----------
    X : float64 array [n, p]
        Standardised features.
    y : bool array [n]
        Outcome; both must occur.
    C : sequence of k floats
        Rising inverse penalties.
    engine : {"newton", "reference"}
        Ours, to a relative gap of 1e-9, or the authors' calls, which take some 100 times longer.

    Raises
    ------
    InputError
        If an outcome is missing or a fit does not reach its gap.
    """
    solver = _make_solver(X, y, engine)
    penalised, refits = [], []
    for value in C:
        penalised.append(solver.penalised(value))
        refits.append(solver.unpenalised(np.abs(penalised[-1].coef) > ACTIVE))
    coef, intercept, gap, _ = (np.array(part) for part in zip(*penalised, strict=True))
    refit_coef, refit_intercept, _, converged = (
        np.array(part) for part in zip(*refits, strict=True)
    )
    return LassoPath(
        np.array(C, np.float64), coef, intercept, gap, refit_coef, refit_intercept, converged
    )


def fit_logistic(X: np.ndarray, y: np.ndarray, *, engine: str = "newton") -> Fit:
    """One unpenalised logistic fit on all columns of X, as for the entropy baseline."""
    return _make_solver(X, y, engine).unpenalised(np.ones(X.shape[1], bool))


def _make_solver(X, y, engine):
    check_choice("engine", engine, ENGINES)
    if np.ndim(X) != 2 or np.shape(y) != (len(X),):
        raise ShapeError(
            f"logistic fit: expected X [n, p] and y [n], got {list(np.shape(X))} and "
            f"{list(np.shape(y))}; pass a row of X for each outcome"
        )
    if engine == "newton":
        return NewtonSolver(X, y)
    # Loading scikit-learn takes a second, which nobody else needs to wait.
    from metaseg_tf.analysis.reference_solver import ReferenceSolver

    return ReferenceSolver(X, y)
