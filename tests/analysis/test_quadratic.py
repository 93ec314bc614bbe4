"""The exact inner solve against its optimality conditions and slow coordinate descent."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaseg_tf.analysis.logistic import minimise_l1_quadratic

SEEDS = st.integers(0, 10_000)
SIZES = st.integers(1, 12)


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


@given(SEEDS, SIZES, st.floats(1e-6, 5))
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
