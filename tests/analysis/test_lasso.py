"""The l1 path on a table with the paper's algebra, aliased columns, and both engines."""

import numpy as np
import pytest
import sklearn

from metaseg_tf.analysis.estimators import Logistic
from metaseg_tf.analysis.lasso import (
    LarsSolver,
    LassoPath,
    ReferenceSolver,
    fit_path,
    share_duplicates,
)
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
    E = design.take(["E"])
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


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    X = np.column_stack([X, X[:, 1], -X[:, 1], np.zeros(300)])
    y = X[:, 0] + X[:, 1] + rng.logistic(size=300) > 0
    return (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0, X.std(axis=0), 1), y


def test_duplicates_are_found_up_to_sign(rows):
    shares = share_duplicates(rows[0])
    assert shares.shape == (4, 7)
    np.testing.assert_allclose(shares[1], [0, 1 / 3, 0, 0, 1 / 3, -1 / 3, 0])
    np.testing.assert_allclose(shares[[0, 2, 3]], np.eye(7)[[0, 2, 3]])


def test_near_duplicates_are_kept_apart(rows):
    X = rows[0].copy()
    X[0, 4] += 1e-4
    assert len(share_duplicates(X)) == 5


def test_only_constant_columns():
    assert share_duplicates(np.ones((5, 2))).shape == (0, 2)


def test_duplicates_share_equally(rows):
    solver = LarsSolver(*rows)
    coef = solver.penalised(1.0).coef
    assert coef[1] == coef[4] == -coef[5] != 0
    assert coef[6] == 0
    refit = solver.unpenalised(np.abs(coef) > 1e-6).coef
    assert refit[1] == refit[4] == -refit[5] != 0


def test_unpenalised_fits_are_remembered(rows):
    solver = LarsSolver(*rows)
    first = solver.unpenalised(np.ones(7, bool))
    solver.penalised(0.1)
    assert solver.unpenalised(np.ones(7, bool)) is first


def test_a_refit_starts_inside_of_its_support(rows):
    solver = LarsSolver(*rows)
    solver.penalised(1.0)
    alone = LarsSolver(rows[0][:, [0]], rows[1]).unpenalised(np.ones(1, bool))
    fit = solver.unpenalised(np.arange(7) == 0)
    assert fit.coef[0] == pytest.approx(alone.coef[0], abs=1e-8)
    assert not fit.coef[1:].any()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_reference_engine_comes_close(rows):
    ours, theirs = LarsSolver(*rows), ReferenceSolver(*rows)
    for C in (0.01, 0.1, 1.0):
        near, exact = theirs.penalised(C), ours.penalised(C)
        np.testing.assert_allclose(near.coef @ rows[0].T, exact.coef @ rows[0].T, atol=0.02)
        assert exact.gap <= 1e-9 < near.gap < 5e-2
        support = np.abs(exact.coef) > 1e-6
        near, exact = theirs.unpenalised(support), ours.unpenalised(support)
        np.testing.assert_allclose(near.coef @ rows[0].T, exact.coef @ rows[0].T, atol=0.02)


def test_the_null_model_of_both_engines_is_the_prior(rows):
    nothing = np.zeros(7, bool)
    ours, theirs = (engine(*rows).unpenalised(nothing) for engine in (LarsSolver, ReferenceSolver))
    share = rows[1].mean()
    assert ours.intercept == pytest.approx(np.log(share / (1 - share)))
    assert theirs.intercept == pytest.approx(ours.intercept)
    assert not ours.coef.any()


@pytest.mark.parametrize(
    ("version", "l1", "none"),
    [
        ("1.7.2", {"C": 2.0, "penalty": "l1"}, {"penalty": None}),
        ("1.8.0", {"C": 2.0, "l1_ratio": 1.0}, {"C": np.inf}),
        ("1.10.dev0", {"C": 2.0, "l1_ratio": 1.0}, {"C": np.inf}),
    ],
)
def test_options_follow_the_version_of_scikit_learn(rows, monkeypatch, version, l1, none):
    given = []

    def refuse(**options):
        given.append(options)
        raise InterruptedError

    solver = ReferenceSolver(*rows)
    monkeypatch.setattr(sklearn, "__version__", version)
    monkeypatch.setattr("sklearn.linear_model.LogisticRegression", refuse)
    for fit, wanted in (
        (lambda: solver.penalised(2.0), l1),
        (lambda: solver.unpenalised(np.ones(7, bool)), none),
    ):
        with pytest.raises(InterruptedError):
            fit()
        assert wanted.items() <= given[-1].items()
        assert not (l1 | none).keys() & given[-1].keys() - wanted.keys()
