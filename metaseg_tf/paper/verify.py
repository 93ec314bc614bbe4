"""Every printed number beside ours: does a pair of runs reproduce the paper?"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from metaseg_tf.errors import InputError
from metaseg_tf.paper.comparison import FAILURES, VERDICTS, Comparison, compare
from metaseg_tf.paper.hints import explain
from metaseg_tf.paper.layout import NOT_AVAILABLE, PrintedTable
from metaseg_tf.paper.measured import collect
from metaseg_tf.paper.published import PUBLISHED, PublishedNumber
from metaseg_tf.runs.run import Run

__all__ = ["Verification", "format_number", "verify"]

_PLACE, _FOUND = ("place", "network", "quantity"), ("±", "ours", "difference", "verdict")

_HEADLINES = {
    ("table 2", f"iou_adj/{model}/validation")
    for model in ("penalized/acc", "penalized/auroc", "all/sigma", "all/r2")
}


@dataclass(frozen=True)
class Verification:
    """What `verify` found.

    Attributes
    ----------
    comparisons : tuple of Comparison
        In the order of print, the fingerprint (mIoU, counts) first.
    hints : tuple of str
        What may explain the misses.
    kind : str
        What the numbers are compared with: "printed" in the paper, or "golden" ones of our own.
    """

    comparisons: tuple[Comparison, ...]
    hints: tuple[str, ...]
    kind: str = "printed"

    @property
    def passed(self) -> bool:
        """Whether no number is off or missing."""
        return not any(comparison.verdict in FAILURES for comparison in self.comparisons)

    def summary(self) -> str:
        """One line: how many numbers got which verdict."""
        found = Counter(comparison.verdict for comparison in self.comparisons)
        counts = ", ".join(f"{found[verdict]} {verdict}" for verdict in VERDICTS)
        return f"{len(self.comparisons)} {self.kind} numbers: {counts}"

    def table(self) -> PrintedTable:
        """One row a number."""
        return self._lay_out(self.comparisons)

    def headlines(self) -> PrintedTable:
        """The fingerprint, the counts, and the validation scores that the abstract quotes."""
        keys = ((c, c.published.place, c.published.quantity) for c in self.comparisons)
        chosen = [c for c, *key in keys if key[0] == "section 3" or tuple(key) in _HEADLINES]
        return self._lay_out(chosen)

    def _lay_out(self, comparisons: Iterable[Comparison]) -> PrintedTable:
        rows = tuple(_row(comparison) for comparison in comparisons)
        header = (*_PLACE, self.kind, *_FOUND)
        return PrintedTable("verify", f"{self.summary()}.", header, rows)

    def to_json(self) -> dict[str, Any]:
        """Plain data: passed, hints, and numbers at full precision."""
        numbers = [
            {
                **vars(comparison.published),
                "ours": comparison.value and comparison.value.mean,
                "ours_deviation": comparison.value and comparison.value.std,
                "verdict": comparison.verdict,
            }
            for comparison in self.comparisons
        ]
        return {"passed": self.passed, "hints": list(self.hints), "numbers": numbers}


def verify(runs: Mapping[str, Run], printed: Iterable[PublishedNumber] = PUBLISHED) -> Verification:
    """Compare runs with printed numbers.

    Parameters
    ----------
    runs : mapping
        Role in print -> run: "XC" and "MN", or one of them for its numbers alone.
    printed : iterable of PublishedNumber
        The paper's by default; only for these a miss can be explained by the run's settings.

    Raises
    ------
    InputError
        If there is no run, or print knows no such role.
    DataFormatError
        If a run's file is broken or has no ground truth.
    """
    printed = tuple(printed)
    roles = {number.network for number in printed}
    if not runs or not runs.keys() <= roles:
        raise InputError(
            f"verify: expected runs for {' or '.join(sorted(roles))}, got "
            f"{', '.join(runs) or 'none'}; name at least one of them"
        )
    measured = {role: collect(run) for role, run in runs.items()}
    comparisons = tuple(compare(printed, measured))
    reasons = [f"{role}: {text}" for role, own in measured.items() for text in own.missing]
    manifests = {role: run.manifest for role, run in runs.items()}
    if printed != PUBLISHED:
        return Verification(comparisons, tuple(reasons), "golden")
    return Verification(comparisons, (*reasons, *explain(comparisons, manifests)))


def format_number(value: float, number: PublishedNumber, *, more: int = 0, sign: str = "") -> str:
    """A value with the printed number of decimals, or some more, as it is printed.

    >>> format_number(0.81913, PublishedNumber("table 2", "XC", "iou_adj/penalized/acc/train",
    ...     0.8188, 4))
    '81.91%'
    """
    if number.as_per_cent:
        return f"{value:{sign}.{number.decimals - 2 + more}%}"
    return f"{value:{sign}.{number.decimals + more}f}"


def _row(comparison: Comparison) -> tuple[str, ...]:
    number, value = comparison.published, comparison.value
    deviation = number.deviation
    ours = (NOT_AVAILABLE,) * 2
    if value is not None:
        ours = (
            format_number(value.mean, number),
            format_number(comparison.difference, number, more=1, sign="+"),
        )
    return (
        number.place,
        number.network,
        number.quantity,
        format_number(number.value, number),
        "" if deviation is None else format_number(deviation, number),
        *ours,
        comparison.verdict,
    )
