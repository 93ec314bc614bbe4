"""Reliability of probabilities, on probabilities that are right and on such that are not."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from metaseg_tf.analysis.diagnostics.calibration import calibrate, reliability
from metaseg_tf.analysis.estimators import Logistic
from metaseg_tf.analysis.protocol import reference_splits

COLUMNS = ("D_in", "E", "S_bd")


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
    found = calibrate(design, COLUMNS)
    held_out = reference_splits(len(design), 1)[0]
    X = np.column_stack([design.column(name) for name in COLUMNS])
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
    assert calibrate(type(design)(**{**vars(design), "y": y}), COLUMNS).test.rejected
