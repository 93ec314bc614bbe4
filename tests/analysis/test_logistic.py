"""Newton's fits and their inner problem against slow minimisers, and the duality gap's promise."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from metaseg_tf.analysis import logistic
from metaseg_tf.analysis.logistic import (
    LogisticLoss,
    minimise_l1_logistic,
    minimise_l1_quadratic,
    minimise_logistic,
    objective,
)
from metaseg_tf.errors import InputError

SEEDS = st.integers(0, 1000)


def draw_rows(seed, n=80, p=5):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) @ rng.normal(size=(p, p))
    y = X @ rng.normal(size=p) + rng.logistic(0, 3, n) > 0
    y[:2] = False, True
    return (X - X.mean(axis=0)) / X.std(axis=0), y


def mean_loss(parameters, X, y):
    logit = X @ parameters[1:] + parameters[0]
    return np.mean(np.logaddexp(0, logit) - y * logit)


def minimise_slowly(X, y, alpha=0.0):
    """Coefficients in two positive parts make the l1 penalty smooth."""
    p = X.shape[1]

    def value(parameters):
        positive, negative = parameters[1 : 1 + p], parameters[1 + p :]
        w = np.concatenate([parameters[:1], positive - negative])
        return mean_loss(w, X, y) + alpha * (positive.sum() + negative.sum())

    bounds = [(None, None)] + [(0, None)] * (2 * p)
    options = {"maxiter": 5000, "maxfun": 10**6, "ftol": 1e-15, "gtol": 1e-9}
    return minimize(value, np.zeros(1 + 2 * p), bounds=bounds, options=options).fun


def test_derivatives_are_those_of_differences():
    X, y = draw_rows(0)
    loss, rng = LogisticLoss(X, y), np.random.default_rng(1)
    w, b, h = rng.normal(size=5), 0.3, 1e-5
    point = loss.at(w, b)
    assert point.loss == pytest.approx(mean_loss([b, *w], X, y), rel=1e-12)
    hessian = loss.hessian(point)
    for j in range(6):
        step = h * np.eye(6)[j]
        up, down = (loss.at(w + sign * step[:5], b + sign * step[5]) for sign in (1, -1))
        derivatives = np.append(point.gradient, point.slope)
        assert (up.loss - down.loss) / (2 * h) == pytest.approx(derivatives[j], abs=1e-8)
        second = np.append(up.gradient - down.gradient, up.slope - down.slope) / (2 * h)
        np.testing.assert_allclose(second, hessian[j], atol=1e-8)


@settings(deadline=None)
@example(seed=290, alpha=0.21427079491928333)  # its slope once escaped the gap
@given(SEEDS, st.floats(1e-4, 0.3))
def test_kkt_conditions_and_gap(seed, alpha):
    X, y = draw_rows(seed)
    loss = LogisticLoss(X, y)
    point, gap = minimise_l1_logistic(loss, alpha, loss.null, tol=1e-13)
    assert loss.gap(point, alpha) / objective(point, alpha) == gap <= 1e-13
    zero = point.w == 0
    assert np.all(np.abs(point.gradient[zero]) <= alpha * (1 + 1e-6))
    np.testing.assert_allclose(
        point.gradient[~zero], -alpha * np.sign(point.w[~zero]), rtol=1e-3, atol=1e-7
    )
    assert abs(point.slope) < 1e-6


@settings(deadline=None)
@given(SEEDS, st.floats(1e-3, 0.3), st.integers(0, 100))
def test_no_point_lies_below_the_gap(seed, alpha, other):
    X, y = draw_rows(seed)
    loss, rng = LogisticLoss(X, y), np.random.default_rng(other)
    somewhere = loss.at(rng.normal(size=5), float(rng.normal()))
    best = objective(minimise_l1_logistic(loss, alpha, loss.null)[0], alpha)
    assert objective(somewhere, alpha) >= best * (1 - 1e-9)


@pytest.mark.parametrize("alpha", [0.2, 0.02, 0.002])
def test_a_general_minimiser_agrees(alpha):
    X, y = draw_rows(2)
    loss = LogisticLoss(X, y)
    ours = objective(minimise_l1_logistic(loss, alpha, loss.null)[0], alpha)
    assert ours == pytest.approx(minimise_slowly(X, y, alpha), rel=1e-6)


def test_without_penalty():
    X, y = draw_rows(3)
    loss = LogisticLoss(X, y)
    point, converged = minimise_logistic(loss, np.arange(5), loss.null)
    assert converged
    assert point.loss == pytest.approx(minimise_slowly(X, y), rel=1e-6)
    assert np.abs(point.gradient).max() < 1e-9
    point, converged = minimise_logistic(loss, np.array([1]), loss.null)
    assert converged
    assert np.flatnonzero(point.w) == [1]


def test_aliased_columns_do_not_disturb():
    X, y = draw_rows(4)
    aliased = np.column_stack([X, X[:, 0] + X[:, 1], X[:, 2]])
    alone, _ = minimise_logistic(LogisticLoss(X, y), np.arange(5), LogisticLoss(X, y).null)
    loss = LogisticLoss(aliased, y)
    point, converged = minimise_logistic(loss, np.arange(7), loss.null)
    assert converged
    np.testing.assert_allclose(point.miss, alone.miss, atol=1e-7)


def test_a_start_that_ran_away_in_separable_outcomes_ends_the_fit():
    y = np.arange(12) % 2 > 0
    X = np.where(y, 1.0, -1.0)[:, np.newaxis] * [1.0, 2.0]
    loss = LogisticLoss(X, y)
    start = loss.at(np.array([300.0, 300.0]), 0.0)
    point, converged = minimise_logistic(loss, np.arange(2), start)
    assert not converged
    assert np.isfinite(point.w).all()


@pytest.mark.parametrize("quasi", [False, True])
def test_separable_outcomes_are_told(quasi):
    x = np.linspace(-1, 1, 40)
    y = x > 0
    if quasi:
        x = np.concatenate([x, [0.0, 0.0]])
        y = np.concatenate([y, [False, True]])
    loss = LogisticLoss(x[:, None], y)
    point, converged = minimise_logistic(loss, np.array([0]), loss.null)
    assert not converged
    assert np.isfinite(point.w).all()
    assert np.array_equal(point.w * x + point.b > 1e-3, y & (x > 0))


def test_a_step_shortened_to_nothing_is_no_minimum(monkeypatch):
    monkeypatch.setattr(logistic, "_line_search", lambda loss, alpha, point, *step: point)
    x = np.array([-2.0, -1.0, 1.0, 2.0])
    loss = LogisticLoss(x[:, None], np.array([False, True, False, True]))
    point, converged = minimise_logistic(loss, np.array([0]), loss.null)
    assert not converged
    assert point.w is loss.null.w


def test_one_outcome_only():
    with pytest.raises(InputError, match="got 3 with IoU_adj > 0; extract more images"):
        LogisticLoss(np.zeros((3, 1)), np.ones(3, bool))


def draw_problem(seed, p):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(p + 2, p)) * rng.uniform(0.1, 3, p)
    return root.T @ root, rng.normal(0, 3, p)


def descend_coordinates(A, c, alpha, rounds=20_000):
    w = np.zeros(len(c))
    for _ in range(rounds):
        before = w.copy()
        for j in range(len(c)):
            rest = c[j] + A[j] @ w - A[j, j] * w[j]
            w[j] = -np.sign(rest) * max(abs(rest) - alpha, 0) / A[j, j]
        if np.abs(w - before).max() < 1e-14:
            break
    return w


def misses_minimum(A, c, alpha, w):
    """By how much the optimality conditions are missed, in units of alpha."""
    gradient, zero = c + A @ w, w == 0
    idle = np.abs(gradient[zero]).max(initial=0) / alpha - 1
    return max(idle, np.abs(gradient[~zero] / alpha + np.sign(w[~zero])).max(initial=0))


@pytest.mark.parametrize("alpha", [1e-6, 1e-3, 1.0, 5.0])
def test_optimality_conditions(alpha):
    """The path may drop a column for good where many change their sign: a step of Newton's method
    is then a worse one, which the duality gap of the whole fit tells."""
    missed = []
    for seed in range(200):
        A, c = draw_problem(seed, 1 + seed % 12)
        w = minimise_l1_quadratic(A, c, alpha, np.zeros(len(c)))
        assert c @ w + w @ A @ w / 2 + alpha * np.abs(w).sum() <= 1e-12
        missed.append(misses_minimum(A, c, alpha, w) > 1e-6)
    assert np.mean(missed) <= 0.03


@given(SEEDS, st.integers(1, 12), st.floats(1e-6, 5))
def test_it_is_never_worse_than_nothing(seed, p, alpha):
    A, c = draw_problem(seed, p)
    w = minimise_l1_quadratic(A, c, alpha, np.zeros(len(c)))
    assert c @ w + w @ A @ w / 2 + alpha * np.abs(w).sum() <= 1e-9


@pytest.mark.parametrize("seed", range(5))
def test_coordinate_descent_agrees(seed):
    A, c = draw_problem(seed, 8)
    expected = descend_coordinates(A + np.eye(8), c, 1.0)
    for guess in (np.zeros(8), np.sign(expected), -np.sign(expected)):
        w = minimise_l1_quadratic(A + np.eye(8), c, 1.0, guess)
        np.testing.assert_allclose(w, expected, atol=1e-9)


def test_a_right_guess_of_the_signs_follows_no_path(monkeypatch):
    A, c = draw_problem(3, 6)
    expected = minimise_l1_quadratic(A, c, 1.0, np.zeros(6))
    monkeypatch.setattr("sklearn.linear_model.lars_path_gram", None)
    w = minimise_l1_quadratic(A, c, 1.0, np.sign(expected))
    np.testing.assert_allclose(w, expected, atol=1e-10)
