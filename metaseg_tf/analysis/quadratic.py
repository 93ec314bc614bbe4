"""The inner problem of a penalised Newton step: a small quadratic with an l1 penalty.

Feature-sign search (Lee, Battle, Raina and Ng, "Efficient sparse coding algorithms", 2007): guess
which coefficients are active and with which sign, solve the linear system that this guess leaves,
and mend the guess until the optimality conditions hold. Every step lowers the objective, so that
no guess comes twice and the search ends.
"""

import numpy as np

from metaseg_tf.errors import InputError

__all__ = ["minimise_l1_quadratic"]


def minimise_l1_quadratic(
    A: np.ndarray, c: np.ndarray, alpha: float, start: np.ndarray
) -> np.ndarray:
    """Minimise c.w + w.A.w / 2 + alpha |w|_1.

    Parameters
    ----------
    A : float64 array [p, p]
        Symmetric and positive definite.
    c : float64 array [p]
    alpha : float
        Penalty, positive.
    start : float64 array [p]
        First guess; a near one saves most of the work.

    Returns
    -------
    float64 array [p]
        The minimiser, exact but for rounding.

    Raises
    ------
    InputError
        If the search does not end, as with NaN or an indefinite ``A``.
    """
    w, signs = start.copy(), np.sign(start)
    for _ in range(100 + 20 * len(w)):
        target = _minimise_for_signs(A, c, alpha, signs)
        step, stopped = _first_flip(w, target)
        w = w + step * (target - w)
        if len(stopped):
            w[stopped], signs[stopped] = 0.0, 0.0
            continue
        index, sign = _worst_violation(A, c, alpha, w)
        if not sign:
            return w
        signs[index] = sign
    raise InputError(
        "l1 quadratic: expected a finite positive definite matrix, got one on which the active "
        "set search does not end; check the features for NaN and huge values"
    )


def _minimise_for_signs(A, c, alpha, signs):
    active = np.flatnonzero(signs)
    target = np.zeros_like(c)
    target[active] = np.linalg.solve(A[np.ix_(active, active)], -(c + alpha * signs)[active])
    return target


def _first_flip(w, target):
    """How far w can go towards target before a coefficient changes sign, and which ones do."""
    flips = np.flatnonzero(w * target < 0)
    if not len(flips):
        return 1.0, flips
    steps = w[flips] / (w[flips] - target[flips])
    return steps.min(), flips[steps == steps.min()]


def _worst_violation(A, c, alpha, w):
    """The zero coefficient that most wants to move and its sign, which is 0 if none does."""
    gradient = c + A @ w
    # Smaller excesses are rounding of the gradient, and would enter and leave for ever.
    rounding = 1e-14 * (np.abs(c) + np.abs(A) @ np.abs(w)).max()
    excess = np.where(w == 0, np.abs(gradient), 0.0)
    index = int(np.argmax(excess))
    violated = excess[index] > alpha * (1 + 1e-10) + rounding
    return index, -np.sign(gradient[index]) * violated
