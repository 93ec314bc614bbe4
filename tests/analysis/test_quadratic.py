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


@given(SEEDS, SIZES, st.floats(1e-3, 5))
def test_optimality_conditions(seed, p, alpha):
    A, c = draw_problem(seed, p)
    w = minimise_l1_quadratic(A, c, alpha)
    gradient = c + A @ w
    zero = w == 0
    assert np.all(np.abs(gradient[zero]) <= alpha * (1 + 1e-9) + 1e-9)
    np.testing.assert_allclose(gradient[~zero], -alpha * np.sign(w[~zero]), rtol=1e-7, atol=1e-9)


@given(SEEDS, SIZES, st.floats(1e-6, 1e-3))
def test_small_penalties_are_met_as_exactly_as_large_ones(seed, p, alpha):
    A, c = draw_problem(seed, p)
    A += np.eye(p)
    gradient = c + A @ minimise_l1_quadratic(A, c, alpha)
    assert np.abs(gradient).max() <= alpha * (1 + 1e-6) + 1e-12


@pytest.mark.parametrize("seed", range(5))
def test_coordinate_descent_agrees(seed):
    A, c = draw_problem(seed, 8)
    expected = descend_coordinates(A + np.eye(8), c, 1.0)
    np.testing.assert_allclose(minimise_l1_quadratic(A + np.eye(8), c, 1.0), expected, atol=1e-9)
