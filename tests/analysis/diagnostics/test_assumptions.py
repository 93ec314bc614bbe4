"""The tests of the linear model: against statsmodels, and on data made to pass and to fail."""

from dataclasses import replace

import numpy as np
import pytest
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.diagnostic import het_breuschpagan, het_white

from metaseg_tf.analysis.diagnostics import linear as assumptions
from metaseg_tf.analysis.diagnostics.clusters import correct_tests
from metaseg_tf.analysis.diagnostics.linear import LinearFit
from metaseg_tf.errors import InputError

TESTS = {
    assumptions.breusch_pagan: "variance",
    assumptions.white: "variance",
    assumptions.jarque_bera_test: "normality",
    assumptions.reset: "form",
}


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
    return fit_columns(X, target)


def fit_columns(X, target, n_images=60):
    results = OLS(target, np.column_stack([np.ones(len(X)), X])).fit()
    image = np.arange(len(X)) % n_images
    return LinearFit(tuple("abc"[: X.shape[1]]), results, image, None)


def test_every_test_is_made():
    assert set(TESTS) == set(assumptions.TESTS)


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.__name__)
def test_a_sound_model_passes_and_a_flaw_is_found(test):
    sound, flawed = test(make_fit()), test(make_fit(TESTS[test]))
    assert not sound.rejected
    assert "is not rejected" in str(sound)
    assert flawed.rejected
    assert "is rejected" in str(flawed)
    by_images = test is assumptions.reset
    assert flawed.unit == ("images" if by_images else "segments")
    assert ("segments taken for independent" in str(flawed)) != by_images


@pytest.mark.parametrize("block", [7, 4096])
@pytest.mark.parametrize(
    ("test", "twin", "df"),
    [(assumptions.white, het_white, 9), (assumptions.breusch_pagan, het_breuschpagan, 3)],
)
def test_variances_are_tested_as_by_statsmodels(monkeypatch, block, test, twin, df):
    monkeypatch.setattr(assumptions, "_BLOCK", block)
    fit = make_fit("variance")
    lm, pvalue, *_ = twin(fit.results.resid, fit.results.model.exog)
    result = test(fit)
    assert result.statistic == pytest.approx(lm, rel=1e-8)
    assert result.pvalue == pytest.approx(pvalue, rel=1e-6)
    assert result.distribution == f"chi2({df})"


def test_white_does_not_count_dependent_products():
    model = make_fit().results.model
    # Products of sign, b: sign * sign is constant.
    flat = fit_columns(np.column_stack([np.sign(model.exog[:, 1]), model.exog[:, 2]]), model.endog)
    assert assumptions.white(flat).distribution == "chi2(4)"


def test_white_needs_more_segments_than_products():
    with pytest.raises(InputError, match="White's test: expected more than"):
        assumptions.white(make_fit(n=8))


def test_reset_gain_is_the_share_of_residual_variance():
    fit = make_fit("form")
    model, fitted = fit.results.model, fit.results.fittedvalues
    powers = np.column_stack([model.exog, fitted**2, fitted**3])
    gain = 1 - OLS(model.endog, powers).fit().ssr / fit.results.ssr
    assert f"explain {gain:.1%} of" in assumptions.reset(fit).effect


def test_reset_counts_images():
    fit = make_fit("form")
    assert assumptions.reset(fit).distribution == "score by signs of 60 images"
    with pytest.raises(InputError, match="expected at least 8 images, got 4"):
        assumptions.reset(replace(fit, image=fit.image % 4))


def test_holm_counts_the_tests():
    made = assumptions.jarque_bera_test(make_fit())
    tests = [replace(made, pvalue=p) for p in (0.04, 0.01, 0.03)]
    corrected = correct_tests([*tests[:2], None, tests[2]])
    assert [test.p_holm for test in corrected] == pytest.approx([0.06, 0.03, 0.06])
    assert [test.rejected for test in tests] == [True, True, True]
    assert [test.rejected for test in corrected] == [False, True, False]
    assert "p = 0.04, Holm 0.06" in str(corrected[0])
    assert correct_tests([]) == ()
