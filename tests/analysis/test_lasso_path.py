"""The l1 path on a table with the paper's algebra: optimality, activation, invariances."""

import numpy as np
import pytest

from metaseg_tf.analysis.estimators import Logistic
from metaseg_tf.analysis.lasso import LassoPath, fit_path
from metaseg_tf.analysis.protocol import PAPER_PROTOCOL
from metaseg_tf.errors import InputError, ShapeError

C = PAPER_PROTOCOL.C


@pytest.fixture(scope="module")
def path(design):
    return fit_path(design.X, design.y, C)


def make_path(coef):
    coef = np.array(coef, float)
    k = len(coef)
    nothing = np.zeros(k)
    return LassoPath(np.arange(1.0, k + 1), coef, nothing, nothing, coef, nothing, nothing == 0)


def test_optimality_conditions_on_all_columns(design, path):
    logits = path.coef @ design.X.T + path.intercept[:, None]
    residual = 1 / (1 + np.exp(-logits)) - design.y
    gradient = residual @ design.X * path.C[:, None]
    zero = path.coef == 0
    assert np.abs(gradient[zero]).max() <= 1 + 1e-4
    np.testing.assert_allclose(gradient[~zero], -np.sign(path.coef[~zero]), atol=2e-3)
    assert np.abs(residual.mean(axis=1)).max() < 1e-6
    assert path.gap.max() <= 1e-9


def test_the_first_fits_use_nothing_and_the_last_most(path):
    assert not path.active[0].any()
    assert path.intercept[0] == pytest.approx(path.refit_intercept[0])
    assert path.active[-1].sum() > 20


def test_s_rel_and_s_rel_in_share_equally(design, path):
    first, second = (path.coef[:, design.columns.index(name)] for name in ("S_rel", "S_rel_in"))
    np.testing.assert_array_equal(first, second)
    assert first.any()


def test_refits_have_no_slope_left_on_their_support(design, path):
    for k in (10, 30, 49):
        logit = design.X @ path.refit_coef[k] + path.refit_intercept[k]
        residual = 1 / (1 + np.exp(-logit)) - design.y
        used = path.active[k]
        assert not path.refit_coef[k, ~used].any()
        assert np.abs(residual @ design.X[:, used] / len(residual)).max(initial=0) < 1e-8
    assert path.refit_converged.all()


def test_order_of_columns_does_not_change_the_fit(design, path):
    shuffled = np.random.default_rng(5).permutation(design.X.shape[1])
    other = fit_path(design.X[:, shuffled], design.y, C)
    fitted, expected = other.coef @ design.X[:, shuffled].T, path.coef @ design.X.T
    np.testing.assert_allclose(fitted, expected, atol=2e-3)
    np.testing.assert_allclose(other.intercept, path.intercept, atol=2e-3)


def test_active_means_from_here_on():
    path = make_path([[0, 1, 0, 1e-7], [2, 0, 0, 1e-7], [2, 3, 0, 1e-7], [2, 3, 1, 1e-7]])
    np.testing.assert_array_equal(path.activation, [1, 2, 3, 4])
    assert path.order("abcd") == [("a", 2.0), ("b", 3.0), ("c", 4.0)]


def test_entropy_baseline_is_a_fit_on_one_column(design):
    E = design.column("E")[:, None]
    fit = Logistic().fit(E, design.y)
    logit = E[:, 0] * fit.coef_[0] + fit.intercept_
    residual = 1 / (1 + np.exp(-logit)) - design.y
    assert abs(residual.mean()) < 1e-9
    assert abs(residual @ E[:, 0]) / len(E) < 1e-9


def test_separable_outcomes_are_told():
    x = np.linspace(-1, 1, 50)
    path = fit_path(x[:, None], x > 0, (0.01, 1.0))
    np.testing.assert_array_equal(path.refit_converged, [True, False])
    assert np.isfinite(path.refit_coef).all()


def test_bad_arguments(design):
    with pytest.raises(InputError, match="expected one of lars, reference"):
        fit_path(design.X, design.y, C, engine="liblinear")
    with pytest.raises(ShapeError, match="a row of X for each outcome"):
        fit_path(design.X, design.y[:-1], C)
