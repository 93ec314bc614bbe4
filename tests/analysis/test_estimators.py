"""Estimators within scikit-learn, kept as JSON, and least squares of any rank."""

import json

import numpy as np
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from protocol_twin import fit_linear_slowly
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.linear_model import LinearRegression
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tables import make_table

from metaseg_tf.analysis.design import build_design
from metaseg_tf.analysis.estimators import ESTIMATORS, Lasso, LeastSquares, Logistic
from metaseg_tf.analysis.lasso import fit_path
from metaseg_tf.analysis.protocol import PAPER_PROTOCOL
from metaseg_tf.errors import InputError

CLASSIFIERS = [pair.classifier for pair in ESTIMATORS.values()]
REGRESSORS = [pair.regressor for pair in ESTIMATORS.values()]


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_classifiers_work_within_scikit_learn(design, kind):
    names = np.where(design.y, "segment", "nothing")
    pipeline = make_pipeline(StandardScaler(), kind())
    assert is_classifier(pipeline)
    scores = cross_val_score(pipeline, 1e3 * design.X, names, cv=3, scoring="roc_auc")
    assert scores.min() > 0.8
    fitted = clone(pipeline).fit(design.X, names)
    assert set(fitted.predict(design.X)) == set(names)
    probability = fitted.predict_proba(design.X)
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    np.testing.assert_array_equal(probability[:, 1] > 0.5, fitted.predict(design.X) == "segment")
    assert fitted.score(design.X, names) == accuracy_score(names, fitted.predict(design.X))


@pytest.mark.parametrize("kind", REGRESSORS)
def test_regressors_work_within_scikit_learn(design, kind):
    pipeline = make_pipeline(StandardScaler(), kind())
    assert is_regressor(pipeline)
    assert cross_val_score(pipeline, 1e3 * design.X, design.iou_adj, cv=3).min() > 0.4
    fitted = clone(pipeline).fit(design.X, design.iou_adj)
    expected = r2_score(design.iou_adj, fitted.predict(design.X))
    assert fitted.score(design.X, design.iou_adj) == expected


@pytest.mark.parametrize("kind", [*CLASSIFIERS, *REGRESSORS])
def test_json_holds_the_fit_to_the_last_bit(design, kind):
    verdicts = "predict" if is_regressor(kind()) else "decision_function"
    fitted = kind().fit(design.X, design.y if verdicts != "predict" else design.iou_adj)
    content = json.loads(json.dumps(fitted.to_json()))
    again = kind.from_json(content, design.X.shape[1])
    np.testing.assert_array_equal(
        getattr(again, verdicts)(design.X), getattr(fitted, verdicts)(design.X)
    )
    with pytest.raises(ValueError, match=r"expected (3 numbers|features from 0 to 2)"):
        kind.from_json(content, 3)


def test_a_search_of_scikit_learn_finds_the_c_of_the_path(design):
    held_out = PAPER_PROTOCOL.draw_splits(design)[:2]
    halves = [(np.flatnonzero(~mask), np.flatnonzero(mask)) for mask in held_out]
    C = (0.003, 0.01, 0.1, 1.0)
    search = GridSearchCV(Lasso(), {"C": C}, cv=halves).fit(design.X, design.y)
    means = np.zeros(len(C))
    for mask in held_out:
        fits = Lasso.fit_each([{"C": c} for c in C], design.X[~mask], design.y[~mask])
        means += [fit.score(design.X[mask], design.y[mask]) / 2 for fit in fits]
    assert search.best_params_ == {"C": C[means.argmax()]}
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], means, atol=1e-3)


def test_logistic_fits_are_those_of_the_path(design):
    path = fit_path(design.X, design.y, (1e-9, 0.1))
    fit = Lasso(C=0.1).fit(design.X, design.y)
    np.testing.assert_allclose(fit.coef_, path.coef[1], atol=1e-6)
    nothing = Logistic().fit(0 * design.X, design.y)
    assert nothing.intercept_ == pytest.approx(path.intercept[0])


@pytest.mark.parametrize(("outcomes", "words"), [(3, "two outcomes, got 3"), (1, "both outcomes")])
def test_another_number_of_outcomes_is_refused(outcomes, words):
    with pytest.raises(InputError, match=words):
        Logistic().fit(np.eye(9), np.arange(9) % outcomes)


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(1, 2, (60, 3))
    return X, X @ [1.0, 0.0, -2.0] + rng.normal(size=60)


def test_full_rank(rows):
    fit, expected = LeastSquares().fit(*rows), LinearRegression().fit(*rows)
    np.testing.assert_allclose(fit.coef_, expected.coef_, atol=1e-10)
    assert fit.intercept_ == pytest.approx(expected.intercept_, abs=1e-10)


def test_aliases_leave_the_fitted_values_alone_and_share(rows):
    X, target = rows
    coef, intercept = vars(LeastSquares().fit(X, target)).values()
    aliased = LeastSquares().fit(np.column_stack([X, X[:, 0], np.ones(60)]), target)
    expected = [coef[0] / 2, *coef[1:], coef[0] / 2, 0]
    np.testing.assert_allclose(aliased.coef_, expected, atol=1e-10)
    assert aliased.intercept_ == pytest.approx(intercept, abs=1e-10)


@pytest.mark.parametrize("noise", ["float32", "float16"])
def test_noisy_identities_as_in_linear_regression(noise):
    table = make_table(400, seed=2)
    names = [name for name in table if name.startswith("cprob")]
    design = build_design(table.assign(**table[names].astype(noise).astype("float64")))
    fitted = LeastSquares().fit(design.X, design.iou).predict(design.X)
    expected = fit_linear_slowly(design.X, design.iou)(design.X)
    np.testing.assert_allclose(fitted, expected, atol=1e-9)
    if tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 9):
        expected = LinearRegression().fit(design.X, design.iou).predict(design.X)
        np.testing.assert_allclose(fitted, expected, atol=1e-9)


@given(st.floats(1e-12, 3e-7), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_rounding_noise_is_no_direction(noise, seed):
    rng = np.random.default_rng(seed)
    X, target = rng.normal(size=(50, 3)), rng.normal(size=50)
    combined = X @ rng.uniform(-1, 1, 3) if seed % 2 else np.full(50, 0.3)
    noisy = combined + noise * rng.normal(size=50)
    fit = LeastSquares().fit(np.column_stack([X, noisy]), target)
    assert np.abs(fit.coef_).max() < 10


def test_what_varies_little_but_truly_is_a_direction(rows):
    X, target = rows
    X = np.column_stack([X, 1e-4 * np.sin(np.arange(60))])
    fit = LeastSquares().fit(X, target + 1e4 * X[:, 3])
    assert fit.coef_[3] == pytest.approx(1e4, rel=0.5)
