"""Every printed number compared with ours: does a pair of runs reproduce the paper?

The mIoU and the two counts of segments are a network's fingerprint. It decides how far the other
numbers may differ: docs/decisions/0056-the-fingerprint-decides.md.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import entr

from metaseg_tf.analysis.evaluation import evaluate, load_segments, summarise
from metaseg_tf.analysis.protocol import PAPER_PROTOCOL, PARTS, Protocol
from metaseg_tf.errors import InputError, number_of
from metaseg_tf.networks.checkpoints import find
from metaseg_tf.paper.layout import NOT_AVAILABLE, PrintedTable
from metaseg_tf.paper.measured import Measured, Value, collect
from metaseg_tf.paper.published import (
    CATALOGUE_NAMES,
    FALSE_POSITIVES,
    IMAGES,
    MIOU,
    PUBLISHED,
    SEGMENTS,
    PublishedNumber,
    Quantity,
)
from metaseg_tf.runs.run import Run, compare_settings
from metaseg_tf.segments.columns import class_columns, count_classes

__all__ = [
    "FAILURES", "FINGERPRINT", "FINGERPRINTS", "PAPER_SETTINGS", "VERDICTS", "Comparison",
    "Verification", "compare", "explain", "find_faults", "format_number", "verify",
]  # fmt: skip

#: From best to worst. "missing": the runs do not give the number.
VERDICTS = ("match", "near", "off", "missing")
#: The verdicts with which a reproduction has failed.
FAILURES = ("off", "missing")
#: The numbers that show if segments, and so the halves into which they are split, are the same.
FINGERPRINT = (MIOU, SEGMENTS, FALSE_POSITIVES)
#: "equal" to the printed one, "near" to it, as another version of TensorFlow moves a few pixels and
#: with them a few segments, or any "other".
FINGERPRINTS = ("equal", "near", "other")

# What the authors' solver moves in place of ours; of counts, as a share of the segments.
_SOLVER = {"acc": 1e-3, "auroc": 7e-4, "detected": 1e-3, "undetected": 1e-3}
# What another version of TensorFlow moves at most: a share of the segments, and the mIoU.
_MOVED, _MOVED_MIOU = 1e-3, 1e-5
# Two standard errors: chance alone exceeds them once in twenty times.
_SIGMAS = 2
# Metrics are exact to 1e-6, and means of probabilities stored with three digits to 1e-2.
_SLACK, _ROUGH = 1e-6, 1e-2

_WORDS = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
#: By fingerprint, what is to be expected of the other numbers; by setting, what another value does.
_EXPECTED, _EFFECTS = _WORDS["expected"], _WORDS["effects"]
#: The scores that the abstract quotes.
_HEADLINES = {
    ("table 2", f"iou_adj/{score}/validation")
    for score in ("penalized/acc", "penalized/auroc", "all/sigma", "all/r2")
}

#: Role -> what lies behind the printed numbers: images, classes, and settings of the run.
PAPER_SETTINGS = {
    role: {"images": IMAGES, "classes": 19, "convention": "reference", "connectivity": 8}
    | {"void": 255, "split": "val", **asdict(find(name).settings)}
    for name, role in CATALOGUE_NAMES.items()
}


@dataclass(frozen=True)
class Comparison:
    """One printed number and ours."""

    published: PublishedNumber
    value: Value | None  #: Ours; None if the run does not give it.
    segments: float  #: Segments with interior behind the printed number.
    fingerprint: str = "equal"  #: Of the run, one of `FINGERPRINTS`.

    @property
    def difference(self) -> float:
        """Ours minus printed; NaN if there is none of ours."""
        return math.nan if self.value is None else self.value.mean - self.published.value

    @property
    def tolerance(self) -> float:
        """Half of the last printed digit, and what another solver of logistic fits changes."""
        score = self.published.quantity.score
        solver = _SOLVER.get(score, 0.0) * (self.segments if "detected" in score else 1.0)
        return 0.5 * 10**-self.published.decimals + solver + _SLACK

    @property
    def leeway(self) -> float:
        """Distance beyond the tolerance that is near: what other halves and segments change."""
        number, quantity = self.published, self.published.quantity
        if self.fingerprint == "equal":
            return 0.0
        if quantity in FINGERPRINT:
            return _MOVED_MIOU if quantity == MIOU else _MOVED * self.segments
        if quantity.score == "rho":
            return _SIGMAS * (1 - number.value**2) * math.sqrt(2 * _MOVED / self.segments)
        # Standard deviation over splits: as printed, its last digit rounded up, or else ours.
        if number.deviation is None:
            return _SIGMAS * ((self.value and self.value.std) or 0.0)
        return _SIGMAS * (number.deviation + 0.5 * 10**-number.decimals)

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`: "match" within ``tolerance``, "near" within ``leeway`` beyond it.

        If the fingerprint is equal, the deviation of what no choice of C precedes must match, too.
        """
        if math.isnan(self.difference):
            return "missing"
        apart, number, own = [self.difference], self.published, self.value.std
        fixed = number.quantity.model in ("all", "entropy")
        if self.fingerprint == "equal" and fixed and None not in (number.deviation, own):
            apart.append(own - number.deviation)
        excess = max(map(abs, apart)) - self.tolerance
        return "match" if excess <= 0 else "near" if excess <= self.leeway else "off"


def compare(
    printed: Iterable[PublishedNumber], measured: Mapping[str, Measured]
) -> list[Comparison]:
    """Each printed number of the roles ("XC", "MN") that are measured, with that of its run."""
    compared, printed = [], tuple(printed)
    for role, own in measured.items():
        numbers = [number for number in printed if number.network == role]
        segments = next((n.value for n in numbers if n.quantity == SEGMENTS), math.inf)
        found = [Comparison(n, own.values.get(n.quantity), segments) for n in numbers]
        for fingerprint in FINGERPRINTS:
            found = [replace(c, fingerprint=fingerprint) for c in found]
            if all(c.verdict not in FAILURES for c in found if c.published.quantity in FINGERPRINT):
                break
        compared += found
    return sorted(compared, key=lambda c: printed.index(c.published))


@dataclass(frozen=True)
class Verification:
    """The result of `verify`."""

    comparisons: tuple[Comparison, ...]  #: In print's order, the fingerprint (mIoU, counts) first.
    hints: tuple[str, ...]  #: Possible explanations of the misses.
    kind: str = "printed"  #: Numbers "printed" in the paper, or "golden" ones of our own.
    faults: tuple[str, ...] = ()  #: What `find_faults` found in the runs.

    @property
    def passed(self) -> bool:
        """True if no number is off or missing, and the runs have no faults."""
        return not self.faults and not {c.verdict for c in self.comparisons} & {*FAILURES}

    @property
    def fingerprints(self) -> dict[str, str]:
        """Role -> one of `FINGERPRINTS`."""
        return {c.published.network: c.fingerprint for c in self.comparisons}

    def foreword(self) -> list[str]:
        """What to expect of each run, by its fingerprint, and the faults."""
        rows = [_row(c) for c in self.comparisons if c.published.quantity in FINGERPRINT]
        lines = []
        for role, found in self.fingerprints.items():
            apart = [f"{row[2]} {row[4]} instead of {row[3]}" for row in rows if row[1] == role]
            lines.append(f"{role}: {_EXPECTED[found].format(', '.join(apart))}")
        return [*lines, *self.faults]

    def summary(self) -> str:
        """One line: how many numbers got which verdict."""
        found = Counter(comparison.verdict for comparison in self.comparisons)
        counts = ", ".join(f"{found[verdict]} {verdict}" for verdict in VERDICTS)
        return f"{len(self.comparisons)} {self.kind} numbers: {counts}"

    def table(self, *, headlines: bool = False, differences: bool = True) -> PrintedTable:
        """One row per number; with ``headlines``, of section 3 and what the abstract quotes."""
        rows = [_row(c) for c in self.comparisons]
        header = ("place", "network", "quantity", self.kind, "ours", "difference", "verdict")
        if headlines:
            rows = [row for row in rows if "section" in row[0] or row[:3:2] in _HEADLINES]
        if not differences:  # which the width of a terminal has no room for
            header, *rows = ((*row[:5], row[-1]) for row in (header, *rows))
        return PrintedTable("verify", f"{self.summary()}.", header, tuple(rows))

    def to_json(self) -> dict[str, Any]:
        """Plain data: passed, fingerprint, faults, hints, and numbers at full precision."""
        numbers = []
        for c in self.comparisons:
            mean, deviation = c.value or (None, None)
            ours = {"ours": mean, "ours_deviation": deviation, "verdict": c.verdict}
            numbers.append(c.published.to_json() | ours)
        found = {"fingerprint": self.fingerprints, "faults": self.faults, "hints": self.hints}
        return {"passed": self.passed, **found, "numbers": numbers}


def verify(
    runs: Mapping[str, Run],
    printed: Iterable[PublishedNumber] = PUBLISHED,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> Verification:
    """Compare runs with printed numbers.

    Parameters
    ----------
    runs : mapping
        Role in print -> run: "XC" and "MN", or one of them for its numbers alone.
    printed : iterable of PublishedNumber
    settings : mapping, optional
        Role -> settings behind these numbers, by which misses are explained; see `PAPER_SETTINGS`.

    Raises
    ------
    InputError
        If there is no run, or no printed number has its role.
    DataFormatError
        If a run's file is broken or has no ground truth.
    """
    printed = tuple(printed)
    roles = sorted({number.network for number in printed})
    if not runs or not {*runs} <= {*roles}:
        given = ", ".join(runs) or "none"
        said = f"verify: expected runs for {' or '.join(roles)}, got {given}"
        raise InputError(f"{said}; name at least one of them")
    kind = "printed" if printed == PUBLISHED else "golden"
    settings = settings or (PAPER_SETTINGS if kind == "printed" else {})
    measured = {role: collect(run) for role, run in runs.items()}
    comparisons, faults, hints = tuple(compare(printed, measured)), [], []
    for role, run in runs.items():
        off = [c for c in comparisons if c.published.network == role and c.verdict == "off"]
        causes = explain(off, run, settings.get(role, {})) if off else ()
        hints += (f"{role}: {text}" for text in (*measured[role].missing, *causes))
        faults += (f"{role}: {text}" for text in find_faults(load_segments(run)))
    return Verification(comparisons, tuple(hints), kind, tuple(faults))


def find_faults(table: pd.DataFrame) -> list[str]:
    """What no right segment table holds, although it may leave every printed number as it is.

    Features are standardised before they are used, which hides their scale.
    """
    probs = table[class_columns(count_classes(table))].to_numpy(float)
    # Entropy is concave: the mean over pixels is at most that of the mean probabilities.
    bound = entr(probs.clip(0)).sum(axis=1) / math.log(probs.shape[1])
    beyond = int((table["E"].to_numpy() > bound + _ROUGH).sum())
    fault = (
        f"E is above the entropy of the mean probabilities in {beyond} of {len(table)} segments: "
        "divide by the logarithm of the number of classes, as in eq. (2)"
    )
    return [fault] if beyond else []


def explain(off: Sequence[Comparison], run: Run, expected: Mapping[str, Any]) -> Iterator[str]:
    """Likely causes of numbers of a run that are off; ``expected`` are of `PAPER_SETTINGS`."""
    manifest = run.manifest
    settings = {"images": manifest.results.get("images"), "classes": manifest.n_classes}
    settings |= manifest.settings
    for name, own, printed in compare_settings(settings, expected):
        if name in _EFFECTS:
            yield f"{name}: {own!r:.80}, in print {printed!r}; {_EFFECTS[name]}"
    if manifest.failed:
        yield f"{number_of(len(manifest.failed), 'image')} could not be measured"
    unknown = [name for name in _EFFECTS if name in expected and name not in settings]
    if unknown:
        yield f"the run does not record {', '.join(unknown)}: check how its softmax was made"
    if off[0].fingerprint == "equal":
        yield from _try_mistakes(off, run)
    else:
        sides = {"S": "sum", "bottom": "max", "right": "max"}
        images = load_segments(run).groupby("image").agg(sides)
        if (images["S"] == images["bottom"] * images["right"]).all():
            yield "void is not masked: the segments cover every pixel of every image"
    quantities = {c.published.quantity for c in off}
    if MIOU in quantities:
        yield "the mIoU differs, so the network's output does: compare flip, scales, output stride"
    elif quantities & {*FINGERPRINT}:
        yield "the mIoU agrees and the counts do not: compare convention, connectivity and labels"
    else:
        yield "the fingerprint agrees, so the cause lies after the segments: IoU or analysis"


class _Exchanged(Protocol):
    """The published protocol with the halves of every split exchanged."""

    def draw_splits(self, design) -> np.ndarray:
        return ~super().draw_splits(design)


def _try_mistakes(off: Sequence[Comparison], run: Run) -> Iterator[str]:
    """The mistakes whose reversal makes all numbers match that are off."""
    # Counts of detected false positives go with the scores.
    off = [c for c in off if c.published.quantity.part or c.published.quantity.model]
    if not any(c.published.quantity.part for c in off):
        return
    n, names = PAPER_PROTOCOL.n_splits, dict(zip(PARTS, reversed(PARTS), strict=True))
    own = collect(run).values
    exchanged = summarise(evaluate(load_segments(run), _Exchanged(**vars(PAPER_PROTOCOL))).tidy())
    reversals = {
        "standard deviations are divided by n - 1 instead of n (ddof 1)": {
            key: Value(v.mean, v.std and v.std * math.sqrt(1 - 1 / n)) for key, v in own.items()
        },
        "scores of training are named validation, and the reverse": {
            key._replace(part=names.get(key.part, "")): value for key, value in own.items()
        },
        "the halves are exchanged: the one that should validate trains": {
            Quantity(*key): Value(*row) for key, row in exchanged.iterrows()
        },
    }
    for words, values in reversals.items():
        if all(replace(c, value=values.get(c.published.quantity)).verdict == "match" for c in off):
            yield f"{words}: without this, all scores would match"


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
    number = comparison.published
    printed, ours = (
        "±".join(format_number(x, number) for x in pair if x is not None) or NOT_AVAILABLE
        for pair in ((number.value, number.deviation), comparison.value or ())
    )
    place, apart = (number.place, number.network, str(number.quantity)), NOT_AVAILABLE
    if comparison.value:
        apart = format_number(comparison.difference, number, more=1, sign="+")
    return (*place, printed, ours, apart, comparison.verdict)
