"""The scores against scikit-learn's, one model at a time."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import expit
from sklearn import metrics

from metaseg_tf.analysis.scores import FEW, accuracy, auroc, r2, score_groups, sigma
from metaseg_tf.errors import InputError, ShapeError

# Few distinct values, so that ties are the rule.
LOGITS = hnp.arrays(np.float64, (3, 20), elements=st.integers(-3, 3))
OUTCOMES = hnp.arrays(bool, 20).filter(lambda y: y.any() and not y.all())
VALUES = hnp.arrays(np.float64, 20, elements=st.floats(0, 1, width=16))


@given(LOGITS, OUTCOMES)
def test_classification_scores(logits, y):
    expected = [metrics.roc_auc_score(y, row) for row in logits]
    np.testing.assert_allclose(auroc(logits, y), expected, rtol=0, atol=1e-12)
    expected = [metrics.accuracy_score(y, row > 0) for row in logits]
    np.testing.assert_allclose(accuracy(logits, y), expected, rtol=0, atol=1e-12)


@given(LOGITS, VALUES.filter(lambda v: np.ptp(v) > 0))
def test_regression_scores(predicted, true):
    expected = [metrics.root_mean_squared_error(true, row) for row in predicted]
    np.testing.assert_allclose(sigma(predicted, true), expected, rtol=1e-12)
    expected = [metrics.r2_score(true, row) for row in predicted]
    np.testing.assert_allclose(r2(predicted, true), expected, rtol=1e-9, atol=1e-9)


def test_a_constant_score_has_an_area_of_half():
    assert auroc(np.zeros(4), np.array([True, False, False, False])) == 0.5


def test_scores_that_are_not_defined():
    with pytest.raises(InputError, match="both outcomes"):
        auroc(np.zeros(3), np.ones(3, bool))
    with pytest.raises(InputError, match="target that varies"):
        r2(np.zeros(3), np.ones(3))
    with pytest.raises(ShapeError, match="one model per row"):
        accuracy(np.zeros((3, 1)), np.ones(3, bool))


def draw_groups(sizes, seed=0, splits=4):
    """Probabilities, outcomes, groups of those sizes, and held-out halves."""
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.repeat(np.arange(len(sizes)) * 3, sizes))
    y = rng.random(len(group)) < 0.4
    probability = expit(rng.normal(size=(splits, len(group))) + y)
    return probability, y, group, rng.random(probability.shape) < 0.5


def test_groups_are_scored_on_held_out_rows_as_by_scikit_learn():
    probability, y, group, held_out = drawn = draw_groups([80, 200, 45])
    scores = score_groups(*drawn)
    assert scores.index.tolist() == [0, 3, 6]
    for name, row in scores.iterrows():
        own = group == name
        halves = [held & own for held in held_out]
        areas = [
            metrics.roc_auc_score(y[h], p[h]) for p, h in zip(probability, halves, strict=True)
        ]
        gaps = [p[h].mean() - y[h].mean() for p, h in zip(probability, halves, strict=True)]
        assert (row["n"], row["positive"]) == (own.sum(), y[own].sum())
        assert row["auroc"] == pytest.approx(np.mean(areas), abs=1e-12)
        assert row["auroc_std"] == pytest.approx(np.std(areas), abs=1e-12)
        assert row["gap"] == pytest.approx(np.mean(gaps), abs=1e-12)
        assert row["gap_std"] == pytest.approx(np.std(gaps), abs=1e-12)
        assert row["predicted"] - row["observed"] == pytest.approx(row["gap"], abs=1e-12)


def test_what_was_fitted_to_does_not_count():
    probability, y, group, held_out = draw_groups([300, 300])
    other = np.where(held_out, probability, y)
    pd.testing.assert_frame_equal(
        score_groups(other, y, group, held_out), score_groups(probability, y, group, held_out)
    )


def test_probabilities_that_are_the_shares_are_calibrated():
    y = np.tile([True, False, False, False], 50)
    scores = score_groups(np.full((1, 200), 0.25), y, np.zeros(200, int), np.ones((1, 200), bool))
    assert scores.loc[0, ["gap", "auroc"]].tolist() == [0, 0.5]


@given(st.integers(1, 60), st.integers(0, 60))
def test_groups_too_small_for_a_score_have_none(n, positive):
    positive = min(n, positive)
    y = np.arange(n) < positive
    probability, held_out = np.linspace(0, 1, n)[None], np.ones((1, n), bool)
    row = score_groups(probability, y, np.zeros(n, int), held_out).loc[0]
    assert (row["n"], row["positive"]) == (n, positive)
    assert np.isnan(row["gap"]) == np.isnan(row["observed"]) == (n < 2 * FEW)
    assert np.isnan(row["auroc"]) == (min(positive, n - positive) < FEW)


def test_a_group_that_some_splits_do_not_hold_out():
    held_out = np.array([np.zeros(40, bool), np.ones(40, bool)])
    y = np.arange(40) < 20
    row = score_groups(np.stack([y, ~y]).astype(float), y, np.zeros(40, int), held_out).loc[0]
    assert row["auroc"] == 0
