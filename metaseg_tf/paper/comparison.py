"""A measured number beside the printed one, and whether the two agree."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from metaseg_tf.paper.measured import Measured, Value
from metaseg_tf.paper.published import PublishedNumber

__all__ = ["FAILURES", "VERDICTS", "Comparison", "compare", "standard_error"]

#: From best to worst. "missing": the runs do not give the number.
VERDICTS = ("match", "near", "off", "missing")
#: The verdicts with which a reproduction has failed.
FAILURES = ("off", "missing")

# Twice a standard deviation: what chance alone exceeds once in twenty times.
_SIGMAS = 2
# Floats that stand for the same decimals may differ in the last bit.
_SLACK = 1e-9


@dataclass(frozen=True)
class Comparison:
    """One printed number and ours.

    Attributes
    ----------
    published : PublishedNumber
    value : Value or None
        Ours; None where the run does not give it.
    segments : float
        Segments with interior behind the printed number.
    """

    published: PublishedNumber
    value: Value | None
    segments: float

    @property
    def difference(self) -> float:
        """Ours minus printed; NaN where there is none of ours."""
        return math.nan if self.value is None else self.value.mean - self.published.value

    @property
    def tolerance(self) -> float:
        """Half of the last printed digit and twice the printed standard deviation."""
        number = self.published
        return 0.5 * 10**-number.decimals + _SIGMAS * (number.deviation or 0.0)

    @property
    def leeway(self) -> float:
        """How far another sample of images could have moved the number, beyond the tolerance."""
        return _SIGMAS * standard_error(self.published, self.segments)

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`: "match" within ``tolerance``, "near" within ``leeway`` beyond it."""
        if math.isnan(self.difference):
            return "missing"
        excess = abs(self.difference) - self.tolerance - _SLACK
        if excess <= 0:
            return "match"
        return "near" if excess <= self.leeway else "off"


def compare(
    printed: Iterable[PublishedNumber], measured: Mapping[str, Measured]
) -> list[Comparison]:
    """Each printed number beside that of the run with the same role.

    Parameters
    ----------
    printed : iterable of PublishedNumber
    measured : mapping
        Role of a run ("XC", "MN") -> its numbers. Numbers of other roles are passed over.
    """
    printed = [number for number in printed if number.network in measured]
    segments = {n.network: n.value for n in printed if n.quantity == "segments"}
    return [
        Comparison(
            number,
            measured[number.network].values.get(number.quantity),
            segments.get(number.network, math.inf),
        )
        for number in printed
    ]


def standard_error(number: PublishedNumber, segments: float) -> float:
    """Large-sample standard error of a printed number over that many independent segments.

    Segments of one image are alike, so that the true error is larger: this errs on the strict
    side. The mIoU is computed from pixels, for which there is no such formula; it gets 0.
    """
    value, kind = number.value, number.quantity.split("/")
    score = kind[2] if len(kind) > 2 else kind[0]
    return _ERRORS.get(score, _of_correlation)(value, segments)


def _of_correlation(value: float, n: float) -> float:
    return (1 - value**2) / math.sqrt(n)


def _of_count(value: float, _n: float) -> float:
    return math.sqrt(value)


# Scores are computed on one half of the segments, n / 2 rows. For the AUROC this is its upper
# bound over all distributions with as many of either outcome (Birnbaum and Klose, 1957).
_ERRORS: dict[str, Callable[[float, float], float]] = {
    "acc": lambda value, n: math.sqrt(value * (1 - value) / (n / 2)),
    "auroc": lambda value, n: math.sqrt(value * (1 - value) / (n / 4)),
    "sigma": lambda value, n: value / math.sqrt(n),
    "r2": lambda value, n: 2 * math.sqrt(max(value, 0)) * (1 - value) / math.sqrt(n / 2),
    "segments": _of_count,
    "false_positives": _of_count,
    "detected": _of_count,
    "undetected": _of_count,
    "miou": lambda _value, _n: 0.0,
}
