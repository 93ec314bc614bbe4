"""Inference by images against slow twins and statsmodels, and its errors in simulated images."""

import itertools

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.multitest import multipletests

from metaseg_tf.analysis.diagnostics import clusters
from metaseg_tf.analysis.diagnostics.clusters import (
    FEWEST,
    cluster_errors,
    holm,
    joint_test,
    sign_test,
)
from metaseg_tf.analysis.logistic import LogisticLoss, minimise_logistic
from metaseg_tf.errors import InputError

#: Columns with an effect, then columns without any.
SLOPES = np.array([0.6, -0.4, 0.2, 0.0, 0.0, 0.0])
TESTED = np.array([False, *(SLOPES == 0)])


def draw_images(seed, n_images, size=20, effect=1.0):
    """Columns with intercept, two outcomes and images, all with an effect of the image."""
    rng = np.random.default_rng(seed)
    sizes = np.maximum(3, rng.lognormal(np.log(size), 0.5, n_images).astype(int))
    image = np.repeat(np.arange(n_images), sizes)
    common, own = rng.normal(size=(n_images, 7)), rng.normal(size=(len(image), 7))
    X = np.sqrt(0.5) * (common[image] + own)[:, :6]
    level = X @ SLOPES + effect * common[image, 6]
    y = rng.random(len(image)) < expit(level)
    return np.column_stack([np.ones(len(X)), X]), level + own[:, 6], y.astype(float), image


def test_errors_are_those_of_the_definition():
    X, y, _, image = draw_images(0, 5, size=8)
    fit = OLS(y, X).fit()
    found = cluster_errors(X, fit.resid, image)
    bread = np.linalg.inv(X.T @ X)
    rest = np.eye(len(X)) - X @ bread @ X.T
    meat, maps = 0, []
    for g in range(5):
        rows = image == g
        values, vectors = np.linalg.eigh(rest[np.ix_(rows, rows)])
        adjusted = vectors * values**-0.5 @ vectors.T
        score = X[rows].T @ adjusted @ fit.resid[rows]
        meat = meat + np.outer(score, score)
        maps.append(rest[:, rows] @ adjusted @ X[rows] @ bread)
    np.testing.assert_allclose(found.se, np.sqrt(np.diag(bread @ meat @ bread)), rtol=1e-10)
    for df, columns in zip(found.df, np.stack(maps).transpose(2, 0, 1), strict=True):
        spread = np.linalg.eigvalsh(columns @ columns.T)
        assert df == pytest.approx(spread.sum() ** 2 / (spread**2).sum(), rel=1e-9)


def test_images_are_left_out_one_at_a_time():
    X, y, _, image = draw_images(1, 6, size=8)
    found = cluster_errors(X, OLS(y, X).fit().resid, image)
    for g in range(6):
        rows = image == g
        others = OLS(y[~rows], X[~rows]).fit()
        np.testing.assert_allclose(found.left_out[rows], y[rows] - X[rows] @ others.params)


def test_with_many_images_errors_are_those_of_statsmodels():
    X, y, _, image = draw_images(2, 300)
    fit = OLS(y, X).fit(cov_type="cluster", cov_kwds={"groups": image})
    np.testing.assert_allclose(cluster_errors(X, fit.resid, image).se, fit.bse, rtol=0.02)


def test_a_column_of_one_image_has_no_error():
    X, y, _, image = draw_images(3, 10)
    X[:, 6] = np.where(image == 4, X[:, 6], 0)
    found = cluster_errors(X, OLS(y, X).fit().resid, image)
    assert np.isnan(found.se).tolist() == np.isnan(found.df).tolist() == [False] * 6 + [True]


def test_all_signs_of_few_images_are_tried():
    scores = np.random.default_rng(0).normal(0.3, 1, (FEWEST, 3))
    patterns = itertools.product([1, -1], repeat=FEWEST)
    drawn = np.array([np.sum((np.array(signs) @ scores) ** 2) for signs in patterns])
    assert sign_test(scores, drawn[0]) == np.mean(drawn >= drawn[0] - 1e-9)


def test_drawn_signs_agree_with_all(monkeypatch):
    scores = np.random.default_rng(1).normal(0.3, 1, (12, 3))
    whole = sign_test(scores, 20.0)
    monkeypatch.setattr(clusters, "_ENUMERATED", 0)
    assert sign_test(scores, 20.0) == pytest.approx(whole, abs=0.02)


def test_too_few_images_are_told():
    with pytest.raises(InputError, match="at least 8 images, got 7; extract more images"):
        sign_test(np.ones((7, 2)), 1.0)


def test_the_statistic_is_rao_s():
    X, level, y, image = draw_images(5, 12)
    few = GLM(y, X[:, ~TESTED], family=Binomial()).fit()
    mean = few.fittedvalues
    found = joint_test(X, TESTED, y - mean, mean * (1 - mean), image)
    assert found[0] == pytest.approx(few.score_test(exog_extra=X[:, TESTED])[0], rel=1e-6)
    assert found[1] == "score by signs of 12 images"
    few = OLS(level, X[:, ~TESTED]).fit()
    found = joint_test(X, TESTED, few.resid, np.full(len(X), few.ssr / len(X)), image)
    assert found[0] == pytest.approx(OLS(level, X).fit().compare_lm_test(few, use_lr=False)[0])


def test_residuals_are_those_of_cr2(monkeypatch):
    X, level, _, image = draw_images(6, 9, size=6)
    few = OLS(level, X[:, ~TESTED]).fit()
    taken = []
    monkeypatch.setattr(clusters, "sign_test", lambda scores, _: taken.append(scores))
    joint_test(X, TESTED, few.resid, np.ones(len(X)), image)
    rest = np.eye(len(X)) - X[:, ~TESTED] @ np.linalg.pinv(X[:, ~TESTED])
    extra = np.linalg.qr(rest @ X[:, TESTED])[0]
    expected = []
    for rows in image == np.arange(9)[:, np.newaxis]:
        values, vectors = np.linalg.eigh(rest[np.ix_(rows, rows)])
        expected.append(extra[rows].T @ (vectors * values**-0.5) @ vectors.T @ few.resid[rows])
    # In any orthonormal basis of the columns.
    products = (scores @ scores.T for scores in (taken[0], np.stack(expected)))
    np.testing.assert_allclose(*products, atol=1e-9)


@pytest.mark.parametrize("count", [0, 1, 9])
def test_holm_is_statsmodels(count):
    pvalues = np.random.default_rng(count).random(count) ** 3
    expected = multipletests(pvalues, method="holm")[1] if count else []
    np.testing.assert_allclose(holm(pvalues), expected)


def draw_verdicts(seed, n_images):
    """Of one draw: does the 95 % interval of each coefficient hold it, and p-values of a group."""
    X, level, y, image = draw_images([seed, n_images], n_images)
    fit = OLS(level, X).fit()
    se, df, _ = cluster_errors(X, fit.resid, image)
    covered = np.abs(fit.params[1:] - SLOPES) <= stats.t.ppf(0.975, df[1:]) * se[1:]
    loss = LogisticLoss(X[:, 1:], y > 0)
    few, full = (minimise_logistic(loss, np.arange(k), loss.null)[0] for k in (3, 6))
    residuals = np.where(y > 0, few.miss, -few.miss)
    _, _, by_image = joint_test(X, TESTED, residuals, few.miss * (1 - few.miss), image)
    return covered, by_image, stats.chi2.sf(2 * len(y) * (few.loss - full.loss), TESTED.sum())


@pytest.mark.parametrize("n_images", [12, 24])
def test_verdicts_err_as_rarely_as_they_say(n_images):
    drawn = (draw_verdicts(seed, n_images) for seed in range(200))
    covered, by_image, by_segment = map(np.array, zip(*drawn, strict=True))
    assert 0.92 <= covered.mean() <= 0.97
    assert 0.02 <= np.mean(by_image < 0.05) <= 0.09
    assert np.mean(by_segment < 0.05) > 0.15
