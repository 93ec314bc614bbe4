"""Tests that say in words what they found: do the assumptions of least squares hold?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy import stats
from statsmodels.stats.stattools import jarque_bera

from metaseg_tf.analysis.diagnostics.clusters import holm, joint_test
from metaseg_tf.analysis.diagnostics.linear import LinearFit
from metaseg_tf.errors import InputError

__all__ = [
    "LEVEL", "TESTS", "HypothesisTest", "Words", "breusch_pagan", "correct_tests", "describe_test",
    "jarque_bera_test", "reset", "white",
]  # fmt: skip

#: Level of all verdicts, for the tests of a section together. With tens of thousands of segments
#: small effects are significant, which is why every test also states the size of the effect.
LEVEL = 0.05
#: Rows whose products are formed at a time in White's test.
_BLOCK = 4096
#: Products that White's test takes.
_MOST_PRODUCTS = 2000


class Words(NamedTuple):
    """A test in words, with braces for what is found or tested."""

    name: str
    unit: str  #: What is taken for independent: "images" or "segments".
    null: str  #: The hypothesis under test.
    effect: str  #: How large the departure is.
    if_rejected: str = ""  #: What follows.


_UNEQUAL = "Plain standard errors and p-values are not valid: read those by images."
_ADDS_NOTHING = "nothing is added to the other columns by {columns}"
TESTS = {
    words.name: words
    for words in (
        Words(
            "Breusch-Pagan",
            "segments",
            "the variance of the residuals depends on no metric",
            "the metrics explain {:.1%} of the squared residuals",
            _UNEQUAL,
        ),
        Words(
            "White",
            "segments",
            "the variance of the residuals depends on no metric, square or product of metrics",
            "the metrics and their products explain {:.1%} of the squared residuals",
            _UNEQUAL,
        ),
        Words(
            "Jarque-Bera",
            "segments",
            "the residuals have the skewness and kurtosis of a normal distribution",
            "skewness {:.2f} (normal: 0), kurtosis {:.2f} (normal: 3)",
            "Intervals that take residuals for normal are off; coefficients are not affected.",
        ),
        Words(
            "RESET",
            "images",
            "the target is a linear function of the metrics",
            "square and cube of the fitted value explain {:.1%} of the residual variance",
            "A straight line misses some curvature, as for any target that is bound to [0, 1]: "
            "coefficients are average slopes.",
        ),
        Words(
            "LR {group}",
            "segments",
            _ADDS_NOTHING,
            "without them the mean logistic loss goes from {:.4f} to {:.4f}",
        ),
        Words(
            "{group} by images",
            "images",
            _ADDS_NOTHING,
            "without them the AUROC on these segments goes from {:.2%} to {:.2%}",
        ),
        Words(
            "Hosmer-Lemeshow",
            "images",
            "the predicted probabilities are the true ones",
            "in the worst of {} groups observed and predicted share differ by {:.1%}",
            "Probabilities rank segments; as frequencies they are good to about the error given "
            "under Calibration.",
        ),
    )
}


@dataclass(frozen=True)
class HypothesisTest:
    """Result of one test; ``name`` to ``if_rejected`` as in `Words`."""

    name: str
    unit: str
    null: str
    effect: str
    if_rejected: str
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
        return (
            f"{self.name}: '{self.null}' is {verdict} ({self.distribution} = "
            f"{self.statistic:.4g}, {p}; {self.unit} independent); {self.effect}."
        )
