"""Tests that say in words what they found: do the assumptions of least squares hold?"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.diagnostic import het_breuschpagan
from statsmodels.stats.stattools import jarque_bera, omni_normtest

from metaseg_tf.analysis.diagnostics.clusters import holm, joint_test
from metaseg_tf.analysis.diagnostics.linear import LinearFit
from metaseg_tf.errors import InputError

__all__ = [
    "LEVEL", "HypothesisTest", "breusch_pagan", "correct_tests", "jarque_bera_test", "omnibus",
    "reset", "tabulate_tests", "white",
]  # fmt: skip

#: Level of all verdicts, for the tests of a section together. With tens of thousands of segments
#: small effects are significant, which is why every test also states the size of the effect.
LEVEL = 0.05
#: Rows whose products are formed at a time in White's test.
_BLOCK = 4096
#: Products that White's test takes.
_MOST_PRODUCTS = 2000


@dataclass(frozen=True)
class HypothesisTest:
    """Result of one test."""

    name: str
    null: str  #: The hypothesis under test, as a sentence.
    statistic: float
    distribution: str  #: Of the statistic under the hypothesis, such as ``chi2(29)``.
    pvalue: float
    effect: str  #: How large the departure is, in words and numbers.
    p_holm: float = np.nan  #: The p-value after `correct_tests`.

    @property
    def rejected(self) -> bool:
        """True if the hypothesis is rejected at ``LEVEL``, after a correction if there was one."""
        return (self.pvalue if np.isnan(self.p_holm) else self.p_holm) < LEVEL

    def __str__(self) -> str:
        verdict = "rejected" if self.rejected else "not rejected"
        p = f"p = {self.pvalue:.2g}" if self.pvalue >= 1e-16 else "p < 1e-16"
        p += f", Holm {self.p_holm:.2g}" if self.p_holm > self.pvalue >= 1e-16 else ""
        return (
            f"{self.name}: '{self.null}' is {verdict} ({self.distribution} = "
            f"{self.statistic:.4g}, {p}); {self.effect}."
        )


def correct_tests(tests: Sequence[HypothesisTest]) -> tuple[HypothesisTest, ...]:
    """Tests of one section, with Holm's correction for their number."""
    pairs = zip(tests, holm([test.pvalue for test in tests]), strict=True)
    return tuple(replace(test, p_holm=float(pvalue)) for test, pvalue in pairs)


def tabulate_tests(tests: tuple[HypothesisTest, ...]) -> pd.DataFrame:
    """One row per test, with its attributes and ``rejected`` as columns."""
    return pd.DataFrame([asdict(test) | {"rejected": test.rejected} for test in tests])


def breusch_pagan(fit: LinearFit) -> HypothesisTest:
    """Does the size of the residuals follow the columns? (Breusch and Pagan, Koenker's form)"""
    lm, pvalue, *_ = het_breuschpagan(fit.residuals, fit.results.model.exog)
    return HypothesisTest(
        "Breusch-Pagan",
        "the variance of the residuals does not depend on the metrics",
        float(lm),
        f"chi2({len(fit.columns)})",
        float(pvalue),
        f"the metrics explain {lm / len(fit.target):.1%} of the squared residuals",
    )


def white(fit: LinearFit) -> HypothesisTest:
    """Does the size of the residuals follow the columns, their squares and products? (White)

    Some 30 columns make some 500 products. Their Gram matrix is summed over blocks of rows, so
    that they are never all in memory; dependent products are not counted as degrees of freedom.
    Raises InputError if there are no more segments than products, which would explain anything, or
    so many products that they take minutes and gigabytes, as with 50 classes.
    """
    products = len(fit.columns) * (len(fit.columns) + 3) // 2
    if products > _MOST_PRODUCTS:
        raise InputError(
            f"White's test: expected at most {_MOST_PRODUCTS} columns, squares and products, got "
            f"{products} for {len(fit.columns)} columns; read Breusch-Pagan's, on the columns alone"
        )
    explained, df = _explain_by_products(fit.X, fit.residuals**2)
    n = len(fit.target)
    if df + 1 >= n:
        raise InputError(
            f"White's test: expected more than {df + 1} segments for {len(fit.columns)} columns, "
            f"got {n}; extract more images"
        )
    return HypothesisTest(
        "White",
        "the variance of the residuals depends on no metric, square or product of metrics",
        n * explained,
        f"chi2({df})",
        float(stats.chi2.sf(n * explained, df)),
        f"the metrics and their products explain {explained:.1%} of the squared residuals",
    )


def jarque_bera_test(fit: LinearFit) -> HypothesisTest:
    """Do skewness and kurtosis of the residuals look normal? (Jarque and Bera)"""
    statistic, pvalue, skewness, kurtosis = jarque_bera(fit.residuals)
    return HypothesisTest(
        "Jarque-Bera",
        "the residuals have the skewness and kurtosis of a normal distribution",
        float(statistic),
        "chi2(2)",
        float(pvalue),
        f"skewness {skewness:.2f} (normal: 0), kurtosis {kurtosis:.2f} (normal: 3)",
    )


def omnibus(fit: LinearFit) -> HypothesisTest:
    """The same question by the omnibus test of D'Agostino and Pearson."""
    statistic, pvalue = omni_normtest(fit.residuals)
    beyond = np.mean(np.abs(fit.residuals) > 3 * np.sqrt(fit.results.mse_resid))
    return HypothesisTest(
        "Omnibus",
        "the residuals are normally distributed",
        float(statistic),
        "chi2(2)",
        float(pvalue),
        f"{beyond:.2%} of the residuals lie beyond 3 sigma (normal: 0.27%)",
    )


def reset(fit: LinearFit) -> HypothesisTest:
    """Do squares and cubes of the fitted value improve the fit? (Ramsey's RESET, by images)"""
    powers = np.column_stack([fit.results.model.exog, fit.fitted**2, fit.fitted**3])
    tested = np.arange(powers.shape[1]) > len(fit.columns)
    variance = np.full(len(powers), fit.results.mse_resid)
    about = joint_test(powers, tested, fit.residuals, variance, fit.image)
    # The statistic is what the powers take away from the sum of squares, in units of the variance.
    gain = about[0] / fit.results.df_resid
    return HypothesisTest(
        "RESET",
        "the target is a linear function of the metrics",
        *about,
        f"square and cube of the fitted value explain {gain:.1%} of the residual variance",
    )


def _explain_by_products(X, target):
    """R2 of the target on the columns, their squares and products, and the rank of these."""
    first, second = np.triu_indices(X.shape[1])
    gram = 0.0
    for start in range(0, len(X), _BLOCK):
        rows = slice(start, start + _BLOCK)
        block = np.column_stack(
            [np.ones(len(X[rows])), X[rows], X[rows][:, first] * X[rows][:, second], target[rows]]
        )
        gram = gram + block.T @ block
    scatter = gram[1:, 1:] - np.outer(gram[1:, 0], gram[0, 1:]) / gram[0, 0]
    spread = np.sqrt(np.maximum(np.diag(scatter), np.finfo(float).tiny))
    correlation = scatter / np.outer(spread, spread)
    values, vectors = np.linalg.eigh(correlation[:-1, :-1])
    used = values > 1e-10 * values.max()
    loadings = vectors[:, used].T @ correlation[:-1, -1]
    return float(np.sum(loadings**2 / values[used])), int(used.sum())
