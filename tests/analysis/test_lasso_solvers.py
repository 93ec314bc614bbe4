"""Aliased columns, and the two engines side by side."""

import numpy as np
import pytest
import sklearn

from metaseg_tf.analysis.lasso import LarsSolver, ReferenceSolver, share_duplicates


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
