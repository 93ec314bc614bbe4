"""Logistic regression by Newton's method, with or without an l1 penalty (eq. 4).

The objective is the mean logistic loss plus alpha |w|_1, with alpha = 1 / (C n) = lambda / n in the
paper's terms; the intercept is not penalised. A Newton step costs one weighted Gram matrix of the
columns that may move, and a LASSO that scikit-learn's LARS path solves (decision record 0020).
"""

import warnings
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg.blas import dsyrk

from metaseg_tf.errors import InputError, number_of

__all__ = ["LogisticLoss", "Point", "minimise_l1_logistic", "minimise_logistic", "objective"]

#: Keeps singular systems solvable. It pulls towards the last iterate, so the limit is unmoved.
_PROXIMAL = 1e-9
_MAX_STEPS = 50
#: Second derivatives serve again as long as a step makes the error this many times smaller.
_PROGRESS = 0.3
#: Active sets to try before a LARS path is followed.
_GUESSES = 5


@dataclass(frozen=True, eq=False)
class Point:
    """Coefficients with the loss there and its derivatives."""

    w: np.ndarray  #: Coefficients [p].
    b: float  #: Intercept.
    loss: float
    margin: np.ndarray  #: Log-odds of the outcome that did occur [n].
    miss: np.ndarray  #: Probability given to the other outcome [n].
    gradient: np.ndarray  #: Derivatives of the loss by ``w`` [p].
    slope: float  #: By ``b``.
    #: About the second derivatives here [p + 1, p + 1], the intercept's last.
    hessian: np.ndarray | None = None


class LogisticLoss:
    """Mean logistic loss of rows X [n, p], with outcomes y (bool [n], both present)."""

    def __init__(self, X: np.ndarray, y: np.ndarray):
        self.signs = np.where(y, 1.0, -1.0)
        #: [p + 1, n], turned so that their products with (w, b) are a point's margins.
        self.rows = np.empty((X.shape[1] + 1, len(y)))
        np.multiply(X.T, self.signs, out=self.rows[:-1])
        self.rows[-1] = self.signs
        self._scaled = np.empty_like(self.rows)
        positives = np.count_nonzero(y)
        if not 0 < positives < len(y):
            raise InputError(
                f"logistic fit: expected both outcomes (IoU_adj = 0 and > 0) among "
                f"{number_of(len(y), 'training row')}, got {positives} with IoU_adj > 0; extract "
                "more images"
            )
        share = positives / len(y)
        self.null = self.at(np.zeros(X.shape[1]), float(np.log(share / (1 - share))))

    def at(self, w: np.ndarray, b: float) -> Point:
        """Loss and gradient at (w, b)."""
        margin = np.append(w, b) @ self.rows
        tail = np.exp(-np.abs(margin))
        loss = np.mean(np.maximum(-margin, 0) + np.log1p(tail))
        miss = np.maximum(tail, margin < 0) / (1 + tail)
        gradient = self.rows @ miss / -len(miss)
        return Point(w, b, float(loss), margin, miss, gradient[:-1], float(gradient[-1]))

    def hessian(self, point: Point) -> np.ndarray:
        """Second derivatives of the loss by all columns and the intercept, [p + 1, p + 1]."""
        # In few large steps and one buffer: splits run in threads, which each step would hold up.
        root = np.sqrt(point.miss * (1 - point.miss))
        scaled = np.multiply(self.rows, root, out=self._scaled)
        # Not by numpy, whose BLAS of 2023 leaves newer processors half idle.
        upper = dsyrk(1 / len(root), scaled.T, trans=1)
        return upper + np.triu(upper, 1).T

    def gap(self, point: Point, alpha: float) -> float:
        """Duality gap: how far the objective at ``point`` can lie above its minimum.

        The dual objective is the mean entropy (in nats) of probabilities s * miss, with s as large
        as keeps |s * gradient| <= alpha. A slope that is not 0 is charged: what the dual lacks by
        it, and what a Newton step of the intercept would gain, twice over.
        """
        steepest = np.abs(point.gradient).max(initial=0.0)
        s = min(1.0, alpha / steepest) if steepest > 0 else 1.0
        miss = s * point.miss
        logs = (p * np.log(np.maximum(p, np.finfo(float).tiny)) for p in (miss, 1 - miss))
        dual = -sum(float(np.mean(log)) for log in logs)
        curvature = max(float(np.mean(point.miss * (1 - point.miss))), np.finfo(float).tiny)
        charge = s * abs(point.b * point.slope) + point.slope**2 / curvature
        return float(objective(point, alpha) - dual + charge)


def objective(point: Point, alpha: float) -> float:
    """Mean logistic loss plus alpha |w|_1."""
    return point.loss + alpha * float(np.abs(point.w).sum())


def minimise_l1_logistic(
    loss: LogisticLoss, alpha: float, start: Point, *, tol: float = 1e-9
) -> tuple[Point, float]:
    """The minimum of loss + alpha |w|_1, and its relative duality gap of at most ``tol``.

    Raises InputError if no such gap is reached, which a huge scale of a feature can cause.
    """
    point, gaps = start, []
    for _ in range(_MAX_STEPS):
        # A gradient this far beyond its bound needs no sum over rows to tell.
        far = np.abs(point.gradient).max(initial=0.0) > 1.01 * alpha
        gaps.append(np.inf if far else loss.gap(point, alpha) / objective(point, alpha))
        if gaps[-1] <= tol:
            return point, gaps[-1]
        point = _renew(loss, point, gaps)
        # Columns far from their bound are left out; the next gradient tells if one was missed.
        near = np.flatnonzero((point.w != 0) | (np.abs(point.gradient) > 0.8 * alpha))
        matrix, gradient, intercept_step = _reduced(point, near)
        old = point.w[near]
        step = minimise_l1_quadratic(matrix, gradient - matrix @ old, alpha, np.sign(old)) - old
        point = _line_search(loss, alpha, point, near, step, intercept_step(step))
    raise InputError(
        f"l1 logistic fit: expected a relative duality gap of {tol:g} within {_MAX_STEPS} steps, "
        f"got {gaps[-1]:g}; standardise the features"
    )


def minimise_logistic(loss: LogisticLoss, columns: np.ndarray, start: Point) -> tuple[Point, bool]:
    """Minimise the loss over ``columns`` and the intercept; False if there is no minimum.

    If the outcomes are (nearly) separable, coefficients grow forever: the fit stops after 50 steps
    with large, finite ones. At a minimum the Newton step would move no log-odds by more than 1e-6;
    a step that the line search had to shorten to nothing is none.
    """
    point, moves = start, []
    for _ in range(_MAX_STEPS):
        # After a start that has run away in separable outcomes, curvature is rounded to nothing.
        if np.mean(point.miss * (1 - point.miss)) < np.finfo(float).tiny:
            return point, False
        point = _renew(loss, point, moves)
        matrix, gradient, intercept_step = _reduced(point, columns)
        try:
            step = -np.linalg.solve(matrix, gradient)
        except np.linalg.LinAlgError:
            return point, False
        last = point
        point = _line_search(loss, 0.0, last, columns, step, intercept_step(step))
        moves.append(np.abs(point.margin - last.margin).max())
        if moves[-1] <= 1e-6:
            whole = np.zeros(len(loss.rows))
            whole[columns], whole[-1] = step, intercept_step(step)
            return point, bool(np.abs(whole @ loss.rows).max() <= 1e-6)
    return point, False


def _renew(loss, point, errors):
    """The point, with second derivatives taken anew unless those at hand serve."""
    serve = len(errors) < 2 or errors[-1] < _PROGRESS * errors[-2]
    if serve and point.hessian is not None:
        return point
    return replace(point, hessian=loss.hessian(point))


def _update(old, new):
    """Second derivatives between two points: the old ones, and how the gradient changed (BFGS)."""
    step = np.append(new.w - old.w, new.b - old.b)
    change = np.append(new.gradient - old.gradient, new.slope - old.slope)
    expected = old.hessian @ step
    if step @ change <= 1e-9 * (step @ expected):  # rounding
        return old.hessian
    mended = np.outer(change, change) / (step @ change)
    return old.hessian + mended - np.outer(expected, expected) / (step @ expected)


def _reduced(point, columns):
    """Hessian and gradient in the columns, after the intercept has been minimised out."""
    matrix = point.hessian[np.ix_(columns, columns)]
    mixed, curvature = point.hessian[columns, -1], point.hessian[-1, -1]
    matrix -= np.outer(mixed, mixed) / curvature
    matrix[np.diag_indices_from(matrix)] *= 1 + _PROXIMAL
    gradient = point.gradient[columns] - mixed * (point.slope / curvature)
    return matrix, gradient, lambda step: -(point.slope + mixed @ step) / curvature


def minimise_l1_quadratic(
    A: np.ndarray, c: np.ndarray, alpha: float, signs: np.ndarray
) -> np.ndarray:
    """Minimise c.w + w.A.w / 2 + alpha |w|_1 by scikit-learn's LARS path.

    A [p, p] is symmetric and positive definite. ``signs`` [p] is a guess of the minimiser's signs
    (-1, 0 or 1), which is mended as long as that may help: mostly, no path is followed then. The
    result is exact but for rounding. Rarely (below 1 % of drawn problems) the path drops a column
    for good; then the point is better than 0, but not the best.
    """
    for _ in range(_GUESSES):
        used, w = signs != 0, np.zeros(len(c))
        w[used] = np.linalg.solve(A[np.ix_(used, used)], -c[used] - alpha * signs[used])
        # A primal-dual active set step (Hintermueller, Ito and Kunisch, 2002): of the minimiser w
        # itself, a step down the gradient and back by the penalty keeps the signs.
        step = w - (c + A @ w) / np.diag(A)
        last, signs = signs, np.sign(step) * (np.abs(step) * np.diag(A) > alpha)
        if np.array_equal(signs, last):
            return w
    # Loading scikit-learn takes a second, which tables without a fit need not wait for.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import lars_path_gram

    # Divided by alpha, since the path ends within an absolute tolerance of its last penalty.
    with warnings.catch_warnings():
        # The path may end early on nearly equal columns: the step is a worse one then, and the
        # fit still ends once its duality gap is small.
        warnings.simplefilter("ignore", ConvergenceWarning)
        problem = {"Xy": -c / alpha, "Gram": A / alpha, "n_samples": 1, "alpha_min": 1.0}
        options = {"copy_X": False, "copy_Gram": False, "return_path": False}
        *_, w = lars_path_gram(**problem, method="lasso", **options)
    return w


def _line_search(loss, alpha, point, columns, step, intercept_step):
    """Halve a step until it lowers the objective by a tenth of what the gradient promises."""
    old = objective(point, alpha)
    penalty = alpha * (np.abs(point.w[columns] + step).sum() - np.abs(point.w[columns]).sum())
    promise = point.gradient[columns] @ step + point.slope * intercept_step + penalty
    size = 1.0
    while size > 1e-10:
        w = point.w.copy()
        w[columns] += size * step
        new = loss.at(w, point.b + size * intercept_step)
        if objective(new, alpha) <= old + 0.1 * size * promise + 1e-15:
            return replace(new, hessian=_update(point, new))
        size /= 2
    return point
