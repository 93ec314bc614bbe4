"""The logistic model against statsmodels from its own start, its groups, and its calibration."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import brier_score_loss
from statsmodels.discrete.discrete_model import Logit

from metaseg_tf.analysis.design import build_design
from metaseg_tf.analysis.diagnostics.logit import calibrate, fit_logit, reliability
from metaseg_tf.analysis.estimators import Logistic
from metaseg_tf.analysis.protocol import reference_splits
from metaseg_tf.errors import InputError
from metaseg_tf.segments.columns import PAPER_GROUPS, group_of

COLUMNS = ("D", "D_in", "E", "E_bd", "S_bd", "cprob1", "cprob2")
FEW = ("D_in", "E", "S_bd")


@pytest.fixture(scope="module")
def fit(design):
    return fit_logit(design, COLUMNS)


def fit_plainly(design, columns):
    X = np.column_stack([np.ones(len(design)), *(design.column(name) for name in columns)])
    return Logit(design.y.astype(float), X).fit(disp=0, method="newton")


def test_the_fit_is_statsmodels(design, fit):
    expected = fit_plainly(design, COLUMNS)
    np.testing.assert_allclose(fit.results.params, expected.params, atol=1e-6)
    np.testing.assert_allclose(fit.results.bse, expected.bse, rtol=1e-5)
    assert "E_bd" in fit.results.summary().as_text()


def test_likelihood_ratios(design, fit):
    assert [test.name for test in fit.group_tests] == [f"LR {group}" for group in PAPER_GROUPS]
    full = fit_plainly(design, COLUMNS).llf
    for test, group in zip(fit.group_tests, PAPER_GROUPS, strict=True):
        rest = [name for name in COLUMNS if group_of(name) != group]
        statistic = 2 * (full - fit_plainly(design, rest).llf)
        df = len(COLUMNS) - len(rest)
        assert test.statistic == pytest.approx(statistic, abs=1e-6)
        assert test.pvalue == pytest.approx(stats.chi2.sf(statistic, df), rel=1e-5)
        assert test.distribution == f"chi2({df})"


def test_absent_groups_are_not_tested(design):
    assert [test.name for test in fit_logit(design, ("S_in", "S_bd")).group_tests] == ["LR size"]


def test_separable_outcomes_are_told(table):
    design = build_design(table.assign(E=(table["iou_adj"] > 0).astype(float)))
    with pytest.raises(InputError, match=r"do not separate.*extract more images"):
        fit_logit(design, ("E", "S"))


def test_groups_are_equally_large_and_ordered():
    rng = np.random.default_rng(0)
    probability = rng.random(105)
    table = reliability(probability, rng.random(105) < probability)
    assert table["n"].sum() == 105
    assert set(table["n"]) == {10, 11}
    assert table["predicted"].is_monotonic_increasing
    first = np.sort(probability)[:11]
    assert table.loc[0, "predicted"] == pytest.approx(first.mean())


def test_true_probabilities_lie_in_their_intervals():
    rng = np.random.default_rng(1)
    probability = rng.random(20_000)
    table = reliability(probability, rng.random(20_000) < probability, bins=20)
    inside = (table["low"] <= table["predicted"]) & (table["predicted"] <= table["high"])
    assert inside.sum() >= 17


def test_fewer_segments_than_groups():
    table = reliability(np.array([0.2, 0.9]), np.array([False, True]))
    assert len(table) == 2
    assert table["low"].between(0, 1).all()
    assert table["high"].between(0, 1).all()


def test_scores_are_of_held_out_segments(design):
    found = calibrate(design, FEW)
    held_out = reference_splits(len(design), 1)[0]
    X = np.column_stack([design.column(name) for name in FEW])
    fit = Logistic().fit(X[~held_out], design.y[~held_out])
    probability = 1 / (1 + np.exp(-(X[held_out] @ fit.coef_ + fit.intercept_)))
    assert found.brier == pytest.approx(brier_score_loss(design.y[held_out], probability))
    assert found.brier < found.brier_prior
    assert found.table["n"].sum() == held_out.sum()
    assert 0 <= found.test.pvalue <= 1
    assert "Brier score" in str(found)


def test_false_probabilities_are_rejected(design):
    # Fitted to outcomes that the metrics drive, held against outcomes that ignore them.
    rng = np.random.default_rng(2)
    held_out = reference_splits(len(design), 1)[0]
    y = np.where(held_out, rng.random(len(design)) < 0.5, design.y)
    assert calibrate(type(design)(**{**vars(design), "y": y}), FEW).test.rejected
