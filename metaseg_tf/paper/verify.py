"""Every printed number compared with ours: does a pair of runs reproduce the paper?"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from metaseg_tf.errors import InputError
from metaseg_tf.networks.checkpoints import find
from metaseg_tf.paper.layout import NOT_AVAILABLE, PrintedTable
from metaseg_tf.paper.measured import Measured, Value, collect
from metaseg_tf.paper.published import CATALOGUE_NAMES, IMAGES, PUBLISHED, PublishedNumber
from metaseg_tf.paper.quantities import FALSE_POSITIVES, MIOU, SEGMENTS, Quantity
from metaseg_tf.runs.run import Manifest, Run, compare_settings

__all__ = [
    "FAILURES",
    "VERDICTS",
    "Comparison",
    "Verification",
    "compare",
    "explain",
    "format_number",
    "standard_error",
    "verify",
]

#: From best to worst. "missing": the runs do not give the number.
VERDICTS = ("match", "near", "off", "missing")
#: The verdicts with which a reproduction has failed.
FAILURES = ("off", "missing")

# Two standard deviations: chance alone exceeds them once in twenty times.
_SIGMAS = 2
# Floats of the same decimals may differ in the last bit.
_SLACK = 1e-9

_PLACE, _FOUND = ("place", "network", "quantity"), ("±", "ours", "difference", "verdict")
#: The scores that the abstract quotes.
_HEADLINES = {
    Quantity("iou_adj", "penalized", "acc", "validation"),
    Quantity("iou_adj", "penalized", "auroc", "validation"),
    Quantity("iou_adj", "all", "sigma", "validation"),
    Quantity("iou_adj", "all", "r2", "validation"),
}

_CLASSES = 19
# How the printed numbers were measured, besides the settings of the networks in the catalogue.
_MEASURED_WITH = {"convention": "reference", "connectivity": 8, "split": "val"}
# The effect of another value of a setting.
_EFFECTS = {
    "convention": "interior and IoU of the text move correlations and regressions",
    "connectivity": "segments that touch only at a corner are separated",
    "split": "the paper's images are those of the validation split",
    "output_stride": "it changes the mIoU and all after it",
    "scales": "they change the mIoU and all after it",
    "flip": "the paper does not name it, see docs/decisions/0010-flip.md",
}


@dataclass(frozen=True)
class Comparison:
    """One printed number and ours."""

    published: PublishedNumber
    #: Ours; None if the run does not give it.
    value: Value | None
    #: Segments with interior behind the printed number.
    segments: float

    @property
    def difference(self) -> float:
        """Ours minus printed; NaN if there is none of ours."""
        return math.nan if self.value is None else self.value.mean - self.published.value

    @property
    def tolerance(self) -> float:
        """Half of the last printed digit plus twice the printed standard deviation."""
        number = self.published
        return 0.5 * 10**-number.decimals + _SIGMAS * (number.deviation or 0.0)

    @property
    def leeway(self) -> float:
        """Distance by which other images could have moved the number, beyond the tolerance."""
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
    """Each printed number with that of the run that has the same role ("XC" or "MN").

    Printed numbers of roles that are not measured are left out.
    """
    printed = [number for number in printed if number.network in measured]
    segments = {n.network: n.value for n in printed if n.quantity == SEGMENTS}
    return [
        Comparison(n, measured[n.network].values.get(n.quantity), segments.get(n.network, math.inf))
        for n in printed
    ]


def standard_error(number: PublishedNumber, segments: float) -> float:
    """Large-sample standard error of a printed number over that many independent segments.

    Segments of one image are alike, so that the true error is larger: this errs on the strict
    side. The mIoU is computed from pixels, for which there is no such formula; it gets 0.
    """
    value, n = number.value, segments
    # Scores are computed on one half of the segments, n / 2 rows. For the AUROC this is its upper
    # bound over all distributions with as many of either outcome (Birnbaum and Klose, 1957).
    match number.quantity.score:
        case "rho":
            return (1 - value**2) / math.sqrt(n)
        case "acc":
            return math.sqrt(value * (1 - value) / (n / 2))
        case "auroc":
            return math.sqrt(value * (1 - value) / (n / 4))
        case "sigma":
            return value / math.sqrt(n)
        case "r2":
            return 2 * math.sqrt(max(value, 0)) * (1 - value) / math.sqrt(n / 2)
        case "miou":
            return 0.0
    return math.sqrt(value)  # a count


@dataclass(frozen=True)
class Verification:
    """The result of `verify`."""

    #: In the order of print, the fingerprint (mIoU, counts) first.
    comparisons: tuple[Comparison, ...]
    #: Possible explanations of the misses.
    hints: tuple[str, ...]
    #: Numbers of the comparison: "printed" in the paper, or "golden" ones of our own.
    kind: str = "printed"

    @property
    def passed(self) -> bool:
        """True if no number is off or missing."""
        return not any(comparison.verdict in FAILURES for comparison in self.comparisons)

    def summary(self) -> str:
        """One line: how many numbers got which verdict."""
        found = Counter(comparison.verdict for comparison in self.comparisons)
        counts = ", ".join(f"{found[verdict]} {verdict}" for verdict in VERDICTS)
        return f"{len(self.comparisons)} {self.kind} numbers: {counts}"

    def table(self) -> PrintedTable:
        """One row per number."""
        return self._lay_out(self.comparisons)

    def headlines(self) -> PrintedTable:
        """The fingerprint, the counts, and the validation scores that the abstract quotes."""
        return self._lay_out(
            c
            for c in self.comparisons
            if c.published.place == "section 3"
            or (c.published.place == "table 2" and c.published.quantity in _HEADLINES)
        )

    def _lay_out(self, comparisons: Iterable[Comparison]) -> PrintedTable:
        rows = tuple(_row(comparison) for comparison in comparisons)
        header = (*_PLACE, self.kind, *_FOUND)
        return PrintedTable("verify", f"{self.summary()}.", header, rows)

    def to_json(self) -> dict[str, Any]:
        """Plain data: passed, hints, and numbers at full precision."""
        numbers = []
        for comparison in self.comparisons:
            mean, deviation = comparison.value or (None, None)
            ours = {"ours": mean, "ours_deviation": deviation, "verdict": comparison.verdict}
            numbers.append(comparison.published.to_json() | ours)
        return {"passed": self.passed, "hints": list(self.hints), "numbers": numbers}


def verify(runs: Mapping[str, Run], printed: Iterable[PublishedNumber] = PUBLISHED) -> Verification:
    """Compare runs with printed numbers.

    Parameters
    ----------
    runs : mapping
        Role in print -> run: "XC" and "MN", or one of them for its numbers alone.
    printed : iterable of PublishedNumber
        The paper's by default; only a miss of these can be explained by the run's settings.

    Raises
    ------
    InputError
        If there is no run, or no printed number has its role.
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


def explain(comparisons: Sequence[Comparison], manifests: Mapping[str, Manifest]) -> list[str]:
    """Lines that name what differs for each run that misses a number, the likeliest cause first.

    Manifests are by the role of their run ("XC", "MN").
    """
    lines = []
    for role, manifest in manifests.items():
        verdicts = {
            c.published.quantity: c.verdict for c in comparisons if c.published.network == role
        }
        if set(verdicts.values()) - {"match"}:
            lines += (f"{role}: {line}" for line in _explain_run(verdicts, role, manifest))
    return lines


def _explain_run(verdicts: Mapping[Quantity, str], role: str, manifest: Manifest) -> Iterator[str]:
    images, settings = manifest.results.get("images", 0), manifest.settings
    if images != IMAGES:
        yield f"{images} images were measured, the paper's numbers are of {IMAGES}"
    if manifest.failed:
        yield f"{len(manifest.failed)} images could not be measured and are missing"
    if manifest.n_classes != _CLASSES:
        yield f"{manifest.n_classes} classes, the paper's networks have {_CLASSES}"
    network = next(name for name, known in CATALOGUE_NAMES.items() if known == role)
    expected = _MEASURED_WITH | asdict(find(network).settings)
    for name, own, printed in compare_settings(settings, expected):
        if name in _EFFECTS:
            yield f"{name} is {own!r:.80}, in print {printed!r}: {_EFFECTS[name]}"
    unknown = [name for name in _EFFECTS if name not in settings and name not in _MEASURED_WITH]
    if unknown:
        yield f"the run does not record {', '.join(unknown)}: check how its softmax was made"
    if verdicts.get(MIOU, "match") != "match":
        yield "the mIoU differs, so the network's output does: compare flip, scales, output stride"
    elif any(verdicts.get(key, "match") != "match" for key in (SEGMENTS, FALSE_POSITIVES)):
        yield "the mIoU agrees and the counts do not: compare convention, connectivity and labels"
    else:
        yield "the fingerprint agrees, so the cause lies after the segments: IoU or analysis"


def format_number(value: float, number: PublishedNumber, *, more: int = 0, sign: str = "") -> str:
    """A value with the printed number of decimals, or some more, as it is printed.

    >>> from metaseg_tf.paper.published import find_published
    >>> accuracy = find_published("table 2", "XC", "iou_adj/penalized/acc/train")
    >>> format_number(0.81913, accuracy)
    '81.91%'
    """
    if number.as_per_cent:
        return f"{value:{sign}.{number.decimals - 2 + more}%}"
    return f"{value:{sign}.{number.decimals + more}f}"


def _row(comparison: Comparison) -> tuple[str, ...]:
    number, value = comparison.published, comparison.value
    printed = format_number(number.value, number)
    deviation = "" if number.deviation is None else format_number(number.deviation, number)
    ours = difference = NOT_AVAILABLE
    if value is not None:
        ours = format_number(value.mean, number)
        difference = format_number(comparison.difference, number, more=1, sign="+")
    place = (number.place, number.network, str(number.quantity))
    return (*place, printed, deviation, ours, difference, comparison.verdict)
