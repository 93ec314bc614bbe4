"""Tests that say in words what they found: do the assumptions of least squares hold?

``tests.json`` has the words, with braces for what a fit adds: by name the unit, the hypothesis, the
effect, and what follows if the hypothesis is rejected.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy import stats
from statsmodels.stats.stattools import jarque_bera

from metaseg_tf.analysis.diagnostics.clusters import holm, joint_test
from metaseg_tf.analysis.diagnostics.linear import LinearFit
from metaseg_tf.errors import InputError

__all__ = [
    "LEVEL", "TESTS", "HypothesisTest", "breusch_pagan", "correct_tests", "describe_test",
    "jarque_bera_test", "reset", "white",
]  # fmt: skip

#: Level of all verdicts, for the tests of a section together. Of tens of thousands of segments
#: small effects are significant, so every test also states the size of the effect.
LEVEL = 0.05
#: Rows whose products are formed at a time in White's test.
_BLOCK = 4096
#: Products that White's test takes.
_MOST_PRODUCTS = 2000
_WORDS = json.loads(Path(__file__).with_name("tests.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class HypothesisTest:
    """Result of one test."""

    name: str
    unit: str  #: What is taken for independent: "images", or "segments", which are not.
    null: str  #: The hypothesis under test, as a sentence.
    effect: str  #: How large the departure is, in words and numbers.
    if_rejected: str  #: What follows then.
    statistic: float
    distribution: str  #: Of the statistic under the hypothesis, such as ``chi2(29)``.
    pvalue: float
    p_holm: float = np.nan  #: The p-value after `correct_tests`.

    @property
    def rejected(self) -> bool:
        """True if the hypothesis is rejected at ``LEVEL``, after a correction if there was one."""
        return (self.pvalue if np.isnan(self.p_holm) else self.p_holm) < LEVEL

    def __str__(self) -> str:
        verdict = "rejected" if self.rejected else "not rejected"
        p = f"p = {self.pvalue:.2g}" if self.pvalue >= 1e-16 else "p < 1e-16"
        p += f", Holm {self.p_holm:.2g}" if self.p_holm > self.pvalue >= 1e-16 else ""
        p += ", segments taken for independent" if self.unit == "segments" else ""
        return (
            f"{self.name}: '{self.null}' is {verdict} ({self.distribution} = "
            f"{self.statistic:.4g}, {p}); {self.effect}."
        )


def describe_test(
    name: str, statistic: float, distribution: str, pvalue: float, *numbers: float, **words: str
) -> HypothesisTest:
    """A result in the words of ``tests.json``: numbers go into its effect, words anywhere."""
    texts = [text.format(*numbers, **words) for text in (name, *_WORDS[name])]
    return HypothesisTest(*texts, float(statistic), distribution, float(pvalue))


def correct_tests(tests: Iterable[HypothesisTest | None]) -> tuple[HypothesisTest, ...]:
    """Tests of one section that could be made, with Holm's correction for their number."""
    tests = [test for test in tests if test]
    pairs = zip(tests, holm([test.pvalue for test in tests]), strict=True)
    return tuple(replace(test, p_holm=float(pvalue)) for test, pvalue in pairs)


def breusch_pagan(fit: LinearFit) -> HypothesisTest:
    """Does the size of the residuals follow the columns? (Breusch and Pagan, Koenker's form)"""
    return _test_variance("Breusch-Pagan", fit, *np.empty((2, 0), int))


def white(fit: LinearFit) -> HypothesisTest:
    """Does the size of the residuals follow the columns, their squares and products? (White)

    Raises InputError if there are no more segments than products, which would explain anything, or
    if forming these would take minutes and gigabytes, as with 50 classes.
    """
    products = len(fit.columns) * (len(fit.columns) + 3) // 2
    if products > _MOST_PRODUCTS:
        raise InputError(
            f"White's test: expected at most {_MOST_PRODUCTS} columns, squares and products, got "
            f"{products} for {len(fit.columns)} columns; read Breusch-Pagan's, on the columns alone"
        )
    return _test_variance("White", fit, *np.triu_indices(len(fit.columns)))


def jarque_bera_test(fit: LinearFit) -> HypothesisTest:
    """Do skewness and kurtosis of the residuals look normal? (Jarque and Bera)"""
    statistic, pvalue, *shape = jarque_bera(fit.results.resid)
    return describe_test("Jarque-Bera", statistic, "chi2(2)", pvalue, *shape)


def reset(fit: LinearFit) -> HypothesisTest:
    """Do squares and cubes of the fitted value improve the fit? (Ramsey's RESET, by images)"""
    results, fitted = fit.results, fit.results.fittedvalues
    powers = np.column_stack([results.model.exog, fitted**2, fitted**3])
    tested = np.arange(powers.shape[1]) > len(fit.columns)
    variance = np.full(len(powers), results.mse_resid)
    about = joint_test(powers, tested, results.resid, variance, fit.image)
    # The statistic is what the powers take away from the sum of squares, in units of the variance.
    return describe_test("RESET", *about, about[0] / results.df_resid)


#: Of the linear model, in reading order.
TESTS = breusch_pagan, white, jarque_bera_test, reset


def _test_variance(name, fit, first, second):
    """Lagrange multiplier test of the squared residuals on columns and products of pairs of them.

    Their Gram matrix is summed over blocks of rows; dependent ones are no degrees of freedom.
    """
    X, target, gram = fit.results.model.exog[:, 1:], fit.results.resid**2, 0.0
    n = len(target)
    for start in range(0, n, _BLOCK):
        rows = slice(start, start + _BLOCK)
        products = X[rows][:, first] * X[rows][:, second]
        block = np.column_stack([np.ones(len(products)), X[rows], products, target[rows]])
        gram = gram + block.T @ block
    scatter = gram[1:, 1:] - np.outer(gram[1:, 0], gram[0, 1:]) / gram[0, 0]
    spread = np.sqrt(np.maximum(np.diag(scatter), np.finfo(float).tiny))
    correlation = scatter / np.outer(spread, spread)
    values, vectors = np.linalg.eigh(correlation[:-1, :-1])
    used = values > 1e-10 * values.max()
    explained = np.sum((vectors[:, used].T @ correlation[:-1, -1]) ** 2 / values[used])
    df = int(used.sum())
    if df + 1 >= n:
        raise InputError(
            f"{name}'s test: expected more than {df + 1} segments for {len(fit.columns)} columns, "
            f"got {n}; extract more images"
        )
    about = n * explained, f"chi2({df})", stats.chi2.sf(n * explained, df)
    return describe_test(name, *about, explained)
