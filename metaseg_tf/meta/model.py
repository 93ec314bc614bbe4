"""A fitted meta classifier and meta regressor, applied to segments without ground truth."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from metaseg_tf.analysis.base import Classifier, Regressor
from metaseg_tf.data.classes import ClassTable
from metaseg_tf.errors import InputError, SettingsMismatchError
from metaseg_tf.runs.run import compare_settings
from metaseg_tf.segments import columns

__all__ = ["Intervals", "MetaModel", "Promise", "SegmentFit", "Spread", "tabulate_verdicts"]

#: Verdicts on each segment, in this order.
SCORE_COLUMNS = (
    "iou_adj_predicted", "iou_adj_linear", "false_positive_probability", "iou_adj_low",
    "iou_adj_high",
)  # fmt: skip
#: The verdict of a model that keeps a promise.
TRUSTED = "trusted"
#: Of which of an image's segments a promise bounds which share, by its kind.
PROMISES = {
    "false-positives": ("false positives", "trusted"),
    "missed-trust": ("segments with IoU_adj > 0", "not trusted"),
}
#: Smallest areas of the sizes that intervals are set for, in pixels.
SIZES = (1, 100, 1000, 10_000)

#: What the features of each class are explained as, all classes together.
_TOGETHER = {"cprob": "class", "predicted": "class", "ndist": "neighbours"}
#: Quantiles of the spread nearer to 0 than this are not stretched from there.
_LEAST_REACH = 1e-3
_NOT_OF_THE_NETWORK = (
    "source", "split", "city", "limit", "void", "labeller", "masks", "metrics",
    "logits", "channels_first", "keys", "reduce_zero_label",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Spread:
    """How far predictions of IoU_adj are off on held-out images, by what was predicted."""

    predicted: np.ndarray  #: Rising, float64 [k]; between these ``sigma`` is interpolated.
    sigma: np.ndarray  #: Root mean squared error where about this was predicted, float64 [k].
    low: float  #: 2.5 % and 97.5 % quantiles of errors as multiples of sigma.
    high: float

    def interval(
        self, predicted: np.ndarray, stretch: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ends in [0, 1] of the 95 % interval of each prediction [n], or stretched by [n]."""
        sigma = np.interp(predicted, self.predicted, self.sigma)
        reaches = (self.low, self.high)
        if stretch is not None:
            sigma, reaches = stretch * sigma, self._reaches()
        low, high = (predicted + reach * sigma for reach in reaches)
        return low.clip(0, 1), high.clip(0, 1)

    def measure_stretch(self, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
        """The least stretch with which each interval holds the true IoU_adj, float64 [n]."""
        ratio = (true - predicted) / np.interp(predicted, self.predicted, self.sigma)
        return np.maximum(*(ratio / reach for reach in self._reaches()))

    def _reaches(self) -> tuple[float, float]:
        """Low and high on either side of 0, so that stretching them reaches all."""
        return min(self.low, -_LEAST_REACH), max(self.high, _LEAST_REACH)


@dataclass(frozen=True, eq=False)
class SegmentFit:
    """The estimators for one kind of segments, whose p features are standardised for them."""

    mean: np.ndarray  #: Subtracted from each feature, float64 [p].
    scale: np.ndarray  #: What the rest is divided by, float64 [p].
    classifier: Classifier  #: Of IoU_adj > 0, that is, of segments that are no false positives.
    regressor: Regressor  #: Of IoU_adj, not clipped.
    spread: Spread | None = None  #: None leaves verdicts without intervals.


@dataclass(frozen=True)
class Promise:
    """Segments whose probability of a false positive is below ``threshold`` are trusted."""

    kind: str  #: Key of ``PROMISES``.
    alpha: float  #: The share that is allowed, in (0, 1).
    images: int  #: Number of images that the threshold was set on.
    threshold: float  #: In [0, 1]; or just above, if all segments may be trusted.

    @property
    def sentence(self) -> str:
        """Exactly what is promised."""
        segments, verdict = PROMISES[self.kind]
        return (
            f"of a new image's {segments}, the share that is {verdict} is expected to be at most "
            f"{self.alpha:.4g} (0 if it has none): on average over such images and over draws of "
            f"the {self.images} images it was set on, if the new ones are drawn like them"
        )


@dataclass(frozen=True)
class Intervals:
    """How much wider than its spread tells the interval of IoU_adj is, by a segment's size."""

    level: float  #: Share of an image's segments of each size that they are to hold, in (0, 1).
    images: tuple[int, ...]  #: Number of images with segments of each of the ``SIZES``.
    stretch: tuple[float, ...]  #: Factors; 1e99 if the images are too few.

    @property
    def sentence(self) -> str:
        """Exactly what is promised."""
        return (
            "of a new image's segments of one size, the share whose IoU_adj is in its interval is "
            f"expected to be at least {self.level:.4g}: on average over such images and over draws "
            f"of the {max(self.images)} images it was set on, if the new ones are drawn like them"
        )

    @staticmethod
    def place(area: np.ndarray) -> np.ndarray:
        """Position in ``SIZES`` of each segment, int64 [n], by its area."""
        return np.searchsorted(SIZES, area, side="right") - 1


@dataclass(frozen=True, eq=False)
class MetaModel:
    """Estimators fitted on segments with ground truth, for segments without.

    Convention ("reference" or "paper") and connectivity (8 or 4) say how these must be measured.
    """

    columns: tuple[str, ...]  #: The p features in the order in which the estimators take them.
    interior: SegmentFit  #: For segments with interior, of which the paper's fits are made.
    no_interior: SegmentFit | None  #: For those without; None leaves them without verdicts.
    convention: str = "reference"
    connectivity: int = 8
    #: The data that it was fitted on and its scores on images held out; plain JSON values.
    provenance: dict[str, Any] = field(default_factory=dict)
    classes: ClassTable | None = None  #: Names of the classes, where the run has some.
    promise: Promise | None = None  #: Which segments it trusts, and what that is worth.
    intervals: Intervals | None = None  #: Which intervals replace those of 95 %.
    #: The images that these were set on, as `metaseg_tf.meta.images.summarise_images` gives them.
    reference: pd.DataFrame | None = None

    @property
    def n_classes(self) -> int:
        """Number of classes of the network that the model judges."""
        return sum(name.startswith("cprob") for name in self.columns)

    @property
    def metrics(self) -> str:
        """The groups that its features are of, as `metaseg_tf.segment_metrics` takes them."""
        return columns.spell_metrics({columns.group_of(name) for name in self.columns})

    def score(self, table: pd.DataFrame) -> pd.DataFrame:
        """Verdicts on the segments of a table, with or without ground truth.

        Returns
        -------
        DataFrame, with the index of ``table``
            ``iou_adj_predicted`` in [0, 1]; ``iou_adj_linear``, the same not clipped, as the
            paper scores it; ``false_positive_probability`` in [0, 1], of IoU_adj = 0;
            ``iou_adj_low`` and ``iou_adj_high``, the ends in [0, 1] of a 95 % interval of IoU_adj,
            or of the model's ``intervals``. With a ``promise`` also ``trusted``, bool.

        Raises
        ------
        SettingsMismatchError
            If the table is of another number of classes.
        InputError
            If it lacks a column, or a value is NaN, infinite or too large.
        """
        scores = pd.DataFrame(np.nan, table.index, list(SCORE_COLUMNS))
        for fit, rows, X in self._kinds(table):
            with np.errstate(over="ignore", invalid="ignore"):
                linear, log_odds = fit.regressor.predict(X), fit.classifier.decision_function(X)
            if not (np.isfinite(linear) & np.isfinite(log_odds)).all():
                raise InputError(
                    "segment table: expected numbers that the meta model can judge, got too large "
                    "ones; extract these images again, or fit the model again"
                )
            stretch = None
            if self.intervals:
                size = Intervals.place(table["S"].to_numpy()[rows])
                stretch = np.array(self.intervals.stretch)[size]
            scores.loc[rows] = tabulate_verdicts(linear, log_odds, fit.spread, stretch)
        if self.promise:
            scores[TRUSTED] = scores[SCORE_COLUMNS[2]] < self.promise.threshold
        return scores

    def explain(self, table: pd.DataFrame) -> pd.DataFrame:
        """What each metric adds to the verdicts on the segments of a table.

        Returns
        -------
        DataFrame, with the index of ``table``
            Two levels of columns: ``iou_adj_linear`` and ``false_positive_log_odds``, unless the
            estimator has no exact explanation, and below them ``base`` (the mean verdict over the
            fit), each metric, ``class`` for all class probabilities and the predicted class, and
            ``neighbours`` for the classes next to it. Below one verdict each row adds up to it; NaN
            where there is none. These are exact Shapley values: of linear estimators for
            independent features, of trees path-dependent ones.

        Raises as `score`.
        """
        kinds = {name: columns.class_of(name) for name in self.columns}
        words = [_TOGETHER[kind[0]] if kind else name for name, kind in kinds.items()]
        entries = list(dict.fromkeys(words))
        # The matrix of ones that sums the columns of each entry.
        ones = np.equal.outer(words, entries).astype(float)
        found: dict[str, pd.DataFrame] = {}
        for fit, rows, X in self._kinds(table):
            for verdict, sign, estimator in (
                ("iou_adj_linear", 1, fit.regressor),
                ("false_positive_log_odds", -1, fit.classifier),
            ):
                if (parts := estimator.explain(X)) is not None:
                    values = np.column_stack([np.full(len(X), parts[0]), parts[1] @ ones])
                    found.setdefault(verdict, pd.DataFrame(np.nan, table.index, ["base", *entries]))
                    found[verdict].loc[rows] = sign * values
        return pd.concat(found, axis=1) if found else pd.DataFrame(index=table.index)

    def check_classes(self, n_classes: int) -> None:
        """Raise a SettingsMismatchError unless the model is for ``n_classes`` classes."""
        if n_classes != self.n_classes:
            raise SettingsMismatchError(
                f"meta model: expected {self.n_classes} classes, as the model was fitted with, got "
                f"{n_classes}; fit a model on a run of this network"
            )

    def check_settings(self, settings: dict[str, Any]) -> None:
        """Raise a SettingsMismatchError if a run names other settings than the model needs."""
        own = {"convention": self.convention, "connectivity": self.connectivity}
        differing = [
            f"{key} {ours!r} in the model, {theirs!r} in the run"
            for key, ours, theirs in compare_settings(own, settings)
        ]
        if differing:
            raise SettingsMismatchError(
                f"meta model: expected a run measured as the model's ({'; '.join(differing)}); "
                "extract again with the same settings, or fit on this run"
            )

    def other_settings(self, settings: dict[str, Any]) -> list[str]:
        """Settings of the network that the model was fitted without, one phrase each.

        Its verdicts on such a network may be as good, but its scores do not tell.
        """
        compared = compare_settings(self.provenance.get("settings", {}), settings)
        return [
            f"{key} {fitted!r:.40} when fitted, {now!r:.40} now"
            for key, fitted, now in compared
            if key not in _NOT_OF_THE_NETWORK
        ]

    def split(self, table: pd.DataFrame) -> list[tuple[SegmentFit, np.ndarray]]:
        """The fits, and the rows of a table that each is for, bool [n]."""
        inside = table["S_in"].to_numpy() > 0
        pairs = (self.interior, inside), (self.no_interior, ~inside)
        return [(fit, rows) for fit, rows in pairs if fit is not None]

    def _kinds(self, table: pd.DataFrame) -> Iterator[tuple[SegmentFit, np.ndarray, np.ndarray]]:
        """`split` with the standardised features [rows, p] of each."""
        self.check_classes(columns.count_classes(table))
        further = {*map(columns.group_of, self.columns)} & {*columns.FURTHER_GROUPS}
        if lacking := further.difference(columns.groups_in(table)):
            raise InputError(
                f"segment table: expected the metrics {self.metrics}, on which the meta model was "
                f"fitted, got a table without {' and '.join(sorted(lacking))}; extract these "
                "images with the same --metrics, or fit a model on metrics that they have"
            )
        measured = {name for name in self.columns if columns.group_of(name) != "prediction"}
        if missing := {"S_in", "class_id", *measured}.difference(table.columns):
            raise InputError(
                f"segment table: expected columns {', '.join(sorted(missing))}, got a table "
                "without them; pass what segment_metrics or load_run gives"
            )
        values = columns.feature_values(table, self.columns)
        if not np.isfinite(values).all():
            raise InputError(
                "segment table: expected finite numbers, got NaN or infinite ones; "
                "extract these images again"
            )
        for fit, rows in self.split(table):
            with np.errstate(over="ignore", invalid="ignore"):
                yield fit, rows, (values[rows] - fit.mean) / fit.scale


def tabulate_verdicts(
    predicted: np.ndarray,
    log_odds: np.ndarray,
    spread: Spread | None,
    stretch: np.ndarray | None = None,
) -> np.ndarray:
    """`SCORE_COLUMNS`, float64 [n, 5], from predictions and log-odds of IoU_adj > 0."""
    ends = spread.interval(predicted, stretch) if spread else (np.full(len(predicted), np.nan),) * 2
    return np.stack([predicted.clip(0, 1), predicted, expit(-log_odds), *ends], axis=1)
