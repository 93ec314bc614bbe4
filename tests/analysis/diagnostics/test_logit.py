"""The logistic model against statsmodels from its own start, its groups, and its calibration."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import brier_score_loss
from statsmodels.discrete.discrete_model import Logit

from metaseg_tf.analysis.design import build_design
from metaseg_tf.analysis.diagnostics.logit import (
    Calibration,
    calibrate,
    design_effect,
    fit_logit,
    reliability,
)
from metaseg_tf.analysis.estimators import Logistic
from metaseg_tf.analysis.protocol import image_splits
from metaseg_tf.analysis.scores import auroc
from metaseg_tf.errors import InputError
from metaseg_tf.segments.columns import PAPER_GROUPS, group_of

COLUMNS = ("D", "D_in", "E", "E_bd", "S_bd", "cprob1", "cprob2")
FEW = ("D_in", "E", "S_bd")


@pytest.fixture(scope="module")
def fit(design):
    return fit_logit(design, COLUMNS)


def fit_plainly(design, columns, **options):
    X = np.column_stack([np.ones(len(design)), design.take(columns)])
    return Logit(design.y.astype(float), X).fit(disp=0, method="newton", **options)


def test_the_fit_is_statsmodels(design, fit):
    by_image = {"cov_type": "cluster", "cov_kwds": {"groups": fit.image}}
    expected = fit_plainly(design, COLUMNS, **by_image)
    np.testing.assert_allclose(fit.results.params, expected.params, atol=1e-6)
    np.testing.assert_allclose(fit.results.bse, expected.bse, rtol=1e-5)
    assert "E_bd" in fit.results.summary().as_text()


def test_likelihood_ratios(design, fit):
    assert tuple(fit.without) == PAPER_GROUPS
    full = fit_plainly(design, COLUMNS).llf
    for group in PAPER_GROUPS:
        test, rest = fit.ratio_test(group), [name for name in COLUMNS if group_of(name) != group]
        statistic = 2 * (full - fit_plainly(design, rest).llf)
        df = len(COLUMNS) - len(rest)
        assert test.statistic == pytest.approx(statistic, abs=1e-6)
        assert test.pvalue == pytest.approx(stats.chi2.sf(statistic, df), rel=1e-5)
        assert test.distribution == f"chi2({df})"


def test_groups_by_images(design, fit):
    test = fit.image_test("class")
    assert test.name == "class by images"
    assert test.distribution == "score by signs of 8 images"
    assert "by 2 class columns" in test.null
    areas = (
        auroc(fit_plainly(design, names).fittedvalues, design.y) for names in (COLUMNS, COLUMNS[:5])
    )
    assert "from {:.2%} to {:.2%}".format(*areas) in test.effect
    # Rao's score, which a likelihood ratio is near to.
    assert test.statistic == pytest.approx(fit.ratio_test("class").statistic, rel=0.2)


def test_absent_groups_are_not_tested(design):
    assert list(fit_logit(design, ("S_in", "S_bd")).without) == ["size"]


def test_separable_outcomes_are_told(table):
    design = build_design(table.assign(E=(table["iou_adj"] > 0).astype(float)))
    with pytest.raises(InputError, match=r"do not separate.*extract more images"):
        fit_logit(design, ("E", "S"))


def test_groups_are_equally_large_and_ordered():
    rng = np.random.default_rng(0)
    probability = rng.random(105)
    table = reliability(probability, rng.random(105) < probability, np.arange(105))
    assert table["n"].sum() == 105
    assert set(table["n"]) == {10, 11}
    assert table["predicted"].is_monotonic_increasing
    first = np.sort(probability)[:11]
    assert table.loc[0, "predicted"] == pytest.approx(first.mean())


def test_fewer_segments_than_groups():
    table = reliability(np.array([0.2, 0.9]), np.array([False, True]), np.arange(2))
    assert len(table) == 2
    assert table["low"].between(0, 1).all()
    assert table["high"].between(0, 1).all()


def test_a_segment_counted_five_times_tells_no_more():
    rng = np.random.default_rng(1)
    residuals, part = rng.choice([-0.5, 0.5], 4000), rng.integers(4, size=4000)
    image = np.arange(4000)
    assert design_effect(residuals, part, image) == pytest.approx(1, abs=0.01)
    repeated = (np.repeat(values, 5) for values in (residuals, part, image))
    assert design_effect(*repeated) == pytest.approx(5, abs=0.01)


def draw_calibrated(seed, n_images=20, size=25):
    """True probabilities of outcomes that are alike within images."""
    rng = np.random.default_rng(seed)
    probability, image = rng.random(n_images * size), np.repeat(np.arange(n_images), size)
    latent = np.sqrt(0.3) * rng.normal(size=n_images)[image]
    latent += np.sqrt(0.7) * rng.normal(size=len(image))
    return Calibration(probability, latent < stats.norm.ppf(probability), image)


def test_true_probabilities_are_held_to_be_true_whatever_images_add():
    drawn = [draw_calibrated(seed) for seed in range(200)]
    tables = pd.concat([found.table for found in drawn])
    inside = tables["predicted"].between(tables["low"], tables["high"])
    assert 0.92 <= inside.mean() <= 0.98
    assert 0.02 <= np.mean([found.test().pvalue < 0.05 for found in drawn]) <= 0.09
    error, chance = np.mean([found.errors() for found in drawn], axis=0)
    assert chance == pytest.approx(error, rel=0.1)


def test_scores_are_of_images_that_were_held_out(design):
    found = calibrate(design, FEW)
    held_out = image_splits(design.image, 1)[0]
    X = design.take(FEW)
    for half in (held_out, ~held_out):
        fit = Logistic().fit(X[~half], design.y[~half])
        expected = 1 / (1 + np.exp(-(X[half] @ fit.coef_ + fit.intercept_)))
        np.testing.assert_allclose(found.probability[half], expected)
    assert found.brier == pytest.approx(brier_score_loss(design.y, found.probability))
    assert found.table["n"].sum() == len(design)
    assert "Brier score" in str(found)
    assert "of no use" not in str(found)


def test_false_probabilities_are_rejected(design):
    # What one half of the images shows is the opposite of what holds in the other.
    y = np.where(image_splits(design.image, 1)[0], ~design.y, design.y)
    found = calibrate(replace(design, y=y), FEW)
    assert found.test().rejected
    assert ": of no use on other images" in str(found)


def test_one_image_has_no_other_to_hold_out(design):
    with pytest.raises(InputError, match="calibration: expected at least 2 images, got 1"):
        calibrate(replace(design, image=np.full(len(design), "one")), FEW)
