"""A hypothesis test that says in words what it tested and what it found."""

from dataclasses import asdict, dataclass

import pandas as pd

__all__ = ["LEVEL", "HypothesisTest", "tabulate_tests"]

#: Level of all verdicts. With tens of thousands of segments small effects are significant, which
#: is why every test also states the size of the effect.
LEVEL = 0.01


@dataclass(frozen=True)
class HypothesisTest:
    """Result of one test.

    Attributes
    ----------
    name : str
    null : str
        The hypothesis under test, as a sentence.
    statistic : float
    distribution : str
        Of the statistic under the hypothesis, such as ``chi2(29)``.
    pvalue : float
        In [0, 1].
    effect : str
        How large the departure is, in words and numbers.
    """

    name: str
    null: str
    statistic: float
    distribution: str
    pvalue: float
    effect: str

    @property
    def rejected(self) -> bool:
        """Whether the hypothesis is rejected at ``LEVEL``."""
        return self.pvalue < LEVEL

    def __str__(self) -> str:
        verdict = "rejected" if self.rejected else "not rejected"
        p = f"p = {self.pvalue:.2g}" if self.pvalue >= 1e-16 else "p < 1e-16"
        return (
            f"{self.name}: '{self.null}' is {verdict} ({self.distribution} = "
            f"{self.statistic:.4g}, {p}); {self.effect}."
        )


def tabulate_tests(tests: tuple[HypothesisTest, ...]) -> pd.DataFrame:
    """One row a test, with its attributes and ``rejected`` as columns."""
    return pd.DataFrame([asdict(test) | {"rejected": test.rejected} for test in tests])
