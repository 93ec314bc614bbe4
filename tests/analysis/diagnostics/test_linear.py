"""Aliased columns named and dropped, and the linear fit's frames against statsmodels' own."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.outliers_influence import variance_inflation_factor
from tables import make_table

from metaseg_tf.analysis.design import build_design
from metaseg_tf.analysis.diagnostics.linear import (
    find_aliases,
    fit_linear,
)
from metaseg_tf.analysis.estimators import LeastSquares
from metaseg_tf.errors import InputError
from metaseg_tf.segments.columns import METRIC_COLUMNS, class_columns

COLUMNS = ("D_in", "E", "S_bd", "cprob1", "cprob2")


@pytest.fixture(scope="module")
def fit(design):
    return fit_linear(design, COLUMNS)


def test_points_are_those_of_statsmodels(fit):
    influence = fit.results.get_influence()
    points = fit.points
    np.testing.assert_allclose(points["leverage"], influence.hat_matrix_diag, atol=1e-10)
    np.testing.assert_allclose(
        points["standardized"], influence.resid_studentized_internal, atol=1e-8
    )
    np.testing.assert_allclose(points["cook"], influence.cooks_distance[0], atol=1e-10)
    np.testing.assert_allclose(points["fitted"] + points["residual"], fit.results.model.endog)
    order = np.argsort(points["quantile"])
    assert np.all(np.diff(points["standardized"].to_numpy()[order]) >= 0)


@pytest.mark.parametrize("target", ["iou_adj", "iou"])
def test_the_fit_is_that_of_the_protocol_on_the_same_rows(design, target):
    ours = fit_linear(design, find_aliases(design).kept, target)
    expected = LeastSquares().fit(design.X, ours.results.model.endog).predict(design.X)
    np.testing.assert_allclose(ours.results.fittedvalues, expected, atol=1e-9)


@pytest.mark.parametrize("column", COLUMNS)
def test_partial_regression_takes_out_the_other_columns(fit, column):
    model, j = fit.results.model, 1 + COLUMNS.index(column)
    others = np.delete(model.exog, j, axis=1)
    frame = fit.partial_regression(column)
    np.testing.assert_allclose(frame["x"], OLS(model.exog[:, j], others).fit().resid, atol=1e-8)
    np.testing.assert_allclose(frame["y"], OLS(model.endog, others).fit().resid, atol=1e-8)
    slope = frame["x"] @ frame["y"] / (frame["x"] @ frame["x"])
    assert slope == pytest.approx(fit.results.params[j], abs=1e-10)


def test_errors_under_any_variances_are_those_of_statsmodels(fit):
    frame, expected = fit.coefficients, fit.results.get_robustcov_results("HC3")
    np.testing.assert_allclose(frame["se_hc3"], expected.bse, rtol=1e-10)
    np.testing.assert_allclose(frame["p_hc3"], expected.pvalues, rtol=1e-8)
    np.testing.assert_allclose(frame["p_plain"], fit.results.pvalues, rtol=1e-8)
    assert list(frame.index) == ["const", *COLUMNS]


def test_a_column_of_one_segment_makes_no_number_infinite(design):
    X = design.X.copy()
    X[:, 0] = np.where(np.arange(len(X)) == 7, len(X) - 1, -1)
    fit = fit_linear(replace(design, X=X), ("D_in", design.columns[0]))
    assert fit.points["leverage"][7] == pytest.approx(1)
    assert fit.points["cook"][7] < 0.1
    assert np.isfinite(fit.points).all(axis=None)
    assert np.isfinite(fit.coefficients["se_hc3"]).all()


def test_intervals_and_p_values_are_those_of_t(fit):
    frame = fit.coefficients
    for j, row in enumerate(frame.itertuples()):
        t = stats.t(row.df_cluster, row.coef, row.se_cluster)
        assert (row.low, row.high) == pytest.approx(t.interval(0.95))
        assert row.p_cluster == pytest.approx(2 * min(t.cdf(0), t.sf(0)))
        assert row.p_holm >= row.p_cluster or j == 0
    assert np.isnan(frame.loc["const", "p_holm"])


def test_too_few_images_leave_coefficients_open(design):
    # 8 images, of which the probability of a class varies in one.
    one = design.image == design.image[0]
    X = np.where(one[:, np.newaxis] | (np.arange(design.X.shape[1]) < 5), design.X, 0)
    design = replace(design, X=X, image=np.where(one, "one", design.image))
    frame = fit_linear(design, ("D", "cprob1")).coefficients
    assert np.isnan(frame.loc["cprob1", ["low", "high", "p_cluster", "p_holm"]].tolist()).all()
    assert frame.loc["D", "df_cluster"] > 4
    frame = fit_linear(replace(design, image=np.full(len(design), "one")), ("D",)).coefficients
    assert frame[["se_cluster", "df_cluster", "low", "p_cluster", "p_holm"]].isna().all(axis=None)
    assert frame["se_hc3"].notna().all()


def test_influential_segments_come_with_their_place(table, design, fit):
    worst = fit.influential(design, table)
    first = table.iloc[design.rows[fit.points["cook"].argmax()]]
    assert len(worst) == 20
    assert worst["cook"].is_monotonic_decreasing
    for name in ("image", "segment", "top", "left", "bottom", "right"):
        assert worst.loc[0, name] == first[name]


def test_too_few_segments():
    with pytest.raises(InputError, match=r"more than 6 segments .* got 5"):
        fit_linear(build_design(make_table(5, empty_interior=0)), COLUMNS)


@pytest.fixture(scope="module")
def aliases(design):
    return find_aliases(design)


def evaluate_equation(equation, table):
    name, formula = equation.split(" = ")
    return table[name], table.eval(formula)


def test_five_identities(aliases):
    assert len(aliases.kept) == 29
    assert len(aliases.kept) == 29
    assert len(aliases.equations) == 5
    groups = sorted(name[:1] for name in aliases.equations)
    assert groups == ["D", "E", "S", "S", "c"]


def test_equations_hold_in_the_units_of_the_table(table, design, aliases):
    for equation in aliases.equations.values():
        left, right = evaluate_equation(equation, table.iloc[design.rows])
        np.testing.assert_allclose(left, right, atol=1e-8)


def test_equations_name_nothing_superfluous(aliases):
    words = {name: set(eq.split()) for name, eq in aliases.equations.items()}
    (size,) = (name for name in words if name in {"S", "S_in", "S_bd"})
    assert words[size] & set(METRIC_COLUMNS) == {"S", "S_in", "S_bd"}
    (share,) = (name for name in words if name.startswith("cprob"))
    assert aliases.equations[share].startswith(f"{share} = 1 - cprob")
    assert str(aliases).count("dropped:") == 5


def test_float32_noise_is_no_information(table):
    noisy = table.astype(dict.fromkeys((*METRIC_COLUMNS[:10], *class_columns(19)), "float32"))
    aliases = find_aliases(build_design(noisy))
    assert len(aliases.kept) == 29
    assert aliases.condition < 1e3


def test_constant_columns_are_named_with_their_value(table):
    aliases = find_aliases(build_design(table.assign(cprob4=0.25)))
    assert aliases.equations["cprob4"] == "cprob4 = 0.25"


def test_condition_number_is_of_the_kept_columns(design, aliases):
    X = design.X[:, [design.columns.index(name) for name in aliases.kept]]
    assert aliases.condition == pytest.approx(np.linalg.cond(X), rel=1e-6)


def test_variance_inflation_is_statsmodels(design, aliases):
    X = design.X[:, [design.columns.index(name) for name in aliases.kept]]
    frame = fit_linear(design, aliases.kept).vif.set_index("column")["vif"]
    assert frame.is_monotonic_decreasing
    for name in ("E_in", "cprob0", "S_bd"):
        expected = variance_inflation_factor(X, aliases.kept.index(name))
        if name in frame:
            assert frame[name] == pytest.approx(expected, rel=1e-6)
