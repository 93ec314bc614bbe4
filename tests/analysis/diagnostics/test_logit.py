"""The logistic model against statsmodels from its own start, and groups left out one by one."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.discrete.discrete_model import Logit

from metaseg_tf.analysis.design import build_design
from metaseg_tf.analysis.diagnostics.logit import fit_logit, group_of
from metaseg_tf.errors import InputError

COLUMNS = ("D", "D_in", "E", "E_bd", "S_bd", "cprob1", "cprob2")


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
    assert [test.name for test in fit.group_tests] == ["LR E", "LR D", "LR S", "LR cprob"]
    full = fit_plainly(design, COLUMNS).llf
    for test, group in zip(fit.group_tests, ("E", "D", "S", "cprob"), strict=True):
        rest = [name for name in COLUMNS if group_of(name) != group]
        statistic = 2 * (full - fit_plainly(design, rest).llf)
        df = len(COLUMNS) - len(rest)
        assert test.statistic == pytest.approx(statistic, abs=1e-6)
        assert test.pvalue == pytest.approx(stats.chi2.sf(statistic, df), rel=1e-5)
        assert test.distribution == f"chi2({df})"


def test_absent_groups_are_not_tested(design):
    assert [test.name for test in fit_logit(design, ("S_in", "S_bd")).group_tests] == ["LR S"]


def test_separable_outcomes_are_told(table):
    design = build_design(table.assign(E=(table["iou_adj"] > 0).astype(float)))
    with pytest.raises(InputError, match=r"do not separate.*extract more images"):
        fit_logit(design, ("E", "S"))
