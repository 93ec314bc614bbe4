"""The tests of the linear model: against statsmodels, and on data made to pass and to fail."""

from dataclasses import replace

import numpy as np
import pytest
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.diagnostic import het_white

from metaseg_tf.analysis.diagnostics import assumptions
from metaseg_tf.analysis.diagnostics.linear import LinearFit
from metaseg_tf.errors import InputError

TESTS = {
    "variance": (assumptions.breusch_pagan, assumptions.white),
    "normality": (assumptions.jarque_bera_test, assumptions.omnibus),
    "form": (assumptions.reset,),
}
EVERY = tuple(test for tests in TESTS.values() for test in tests)


def make_fit(flaw=None, n=800, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    X -= X.mean(axis=0)
    noise = rng.normal(size=n)
    if flaw == "variance":
        noise *= np.exp(0.7 * X[:, 0])
    if flaw == "normality":
        noise = rng.exponential(size=n)
    target = X @ [1.0, -0.5, 0.2] + noise
    if flaw == "form":
        target += 0.3 * X[:, 0] ** 2
    return fit_columns(("a", "b", "c"), X, target)


def fit_columns(names, X, target, n_images=60):
    results = OLS(target, np.column_stack([np.ones(len(X)), X])).fit()
    image = np.arange(len(X)) % n_images
    return LinearFit(names, X, target, results, np.linalg.inv(X.T @ X), image, None)


@pytest.mark.parametrize("test", EVERY, ids=lambda test: test.__name__)
def test_a_sound_model_passes(test):
    result = test(make_fit())
    assert not result.rejected
    assert "is not rejected" in str(result)


@pytest.mark.parametrize("flaw", TESTS)
def test_a_flaw_is_found_by_its_tests(flaw):
    for test in TESTS[flaw]:
        result = test(make_fit(flaw))
        assert result.rejected
        assert "is rejected" in str(result)


@pytest.mark.parametrize("block", [7, 4096])
def test_white_is_statsmodels(monkeypatch, block):
    monkeypatch.setattr(assumptions, "_BLOCK", block)
    fit = make_fit("variance")
    lm, pvalue, *_ = het_white(fit.residuals, fit.results.model.exog)
    result = assumptions.white(fit)
    assert result.statistic == pytest.approx(lm, rel=1e-8)
    assert result.pvalue == pytest.approx(pvalue, rel=1e-6)
    assert result.distribution == "chi2(9)"


def test_white_does_not_count_dependent_products():
    fit = make_fit()
    sign = np.sign(fit.X[:, [0]])
    X = np.column_stack([sign, fit.X[:, 1]])
    flat = fit_columns(("sign", "b"), X, fit.target)
    # Products of sign, b: sign * sign is constant.
    assert assumptions.white(flat).distribution == "chi2(4)"


def test_white_needs_more_segments_than_products():
    with pytest.raises(InputError, match="White's test: expected more than"):
        assumptions.white(make_fit(n=8))


def test_reset_gain_is_the_share_of_residual_variance():
    fit = make_fit("form")
    powers = np.column_stack([fit.results.model.exog, fit.fitted**2, fit.fitted**3])
    gain = 1 - OLS(fit.target, powers).fit().ssr / fit.results.ssr
    assert f"explain {gain:.1%} of" in assumptions.reset(fit).effect


def test_reset_counts_images():
    fit = make_fit("form")
    assert assumptions.reset(fit).distribution == "score by signs of 60 images"
    with pytest.raises(InputError, match="expected at least 8 images, got 4"):
        assumptions.reset(fit_columns(fit.columns, fit.X, fit.target, n_images=4))


def test_holm_counts_the_tests():
    tests = [replace(assumptions.omnibus(make_fit()), pvalue=p) for p in (0.04, 0.01, 0.03)]
    corrected = assumptions.correct_tests(tests)
    assert [test.p_holm for test in corrected] == pytest.approx([0.06, 0.03, 0.06])
    assert [test.rejected for test in tests] == [True, True, True]
    assert [test.rejected for test in corrected] == [False, True, False]
    assert "p = 0.04, Holm 0.06" in str(corrected[0])
    assert assumptions.correct_tests([]) == ()


def test_table_of_tests():
    frame = assumptions.tabulate_tests(tuple(test(make_fit("form")) for test in EVERY))
    assert len(frame) == 5
    assert frame.set_index("name").loc["RESET", "rejected"]
