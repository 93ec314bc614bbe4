"""Least squares of any rank against scikit-learn's, and what the fit refuses."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from tables import make_table

from metaseg_tf.analysis.design import build_design
from metaseg_tf.analysis.protocol import Protocol
from metaseg_tf.analysis.regression import fit_regression, least_squares
from metaseg_tf.errors import InputError


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(1, 2, (60, 3))
    return X, X @ [1.0, 0.0, -2.0] + rng.normal(size=60)


def test_full_rank(rows):
    coef, intercept = least_squares(*rows)
    expected = LinearRegression().fit(*rows)
    np.testing.assert_allclose(coef, expected.coef_, atol=1e-10)
    assert intercept == pytest.approx(expected.intercept_, abs=1e-10)


def test_aliases_leave_the_fitted_values_alone_and_share(rows):
    X, target = rows
    coef, intercept = least_squares(X, target)
    aliased, same = least_squares(np.column_stack([X, X[:, 0], np.ones(60)]), target)
    np.testing.assert_allclose(aliased, [coef[0] / 2, *coef[1:], coef[0] / 2, 0], atol=1e-10)
    assert same == pytest.approx(intercept, abs=1e-10)


@pytest.mark.parametrize("noise", ["float32", "float16"])
def test_noisy_identities_as_in_linear_regression(noise):
    table = make_table(400, seed=2)
    names = [name for name in table if name.startswith("cprob")]
    design = build_design(table.assign(**table[names].astype(noise).astype("float64")))
    coef, intercept = least_squares(design.X, design.iou)
    expected = LinearRegression().fit(design.X, design.iou).predict(design.X)
    np.testing.assert_allclose(design.X @ coef + intercept, expected, atol=1e-9)


def test_halves_are_swapped(design):
    protocol = Protocol(runs=1)
    scores = fit_regression(design, "iou_adj", protocol).scores
    train = protocol.draw_splits(design)[0]
    model = LinearRegression().fit(design.X[train], design.iou_adj[train])
    for part, half in (("train", train), ("validation", ~train)):
        row = scores.query(f"model == 'all' and score == 'r2' and part == '{part}'")
        expected = model.score(design.X[half], design.iou_adj[half])
        assert row["value"].item() == pytest.approx(expected, abs=1e-10)


def test_a_constant_target_is_told(table):
    design = build_design(table.assign(iou=0.5))
    with pytest.raises(InputError, match="target that varies"):
        fit_regression(design, "iou")
