"""A fitted meta classifier and meta regressor, applied to segments without ground truth."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit

from metaseg_tf.analysis.base import Classifier, Regressor
from metaseg_tf.data.classes import ClassTable
from metaseg_tf.errors import InputError, SettingsMismatchError
from metaseg_tf.runs.run import compare_settings
from metaseg_tf.segments.columns import count_classes, group_of

__all__ = ["SCORE_COLUMNS", "MetaModel", "Verdict"]

#: Verdicts on each segment, in this order.
SCORE_COLUMNS = ("iou_adj_predicted", "iou_adj_linear", "false_positive_probability")

_OF_DUMPS = ("logits", "channels_first", "keys", "reduce_zero_label")
_NOT_OF_THE_NETWORK = ("source", "split", "city", "limit", "void", "labeller", "masks", *_OF_DUMPS)


class Verdict(NamedTuple):
    """One verdict for a whole group of segments."""

    iou_adj: float
    false_positive_probability: float


@dataclass(frozen=True, eq=False)
class MetaModel:
    """Two estimators fitted on segments with ground truth, for segments without.

    Attributes
    ----------
    columns : tuple of str, length p
        Features in the order in which the estimators take them.
    mean, scale : float64 arrays [p]
        Subtracted from each feature, and what the rest is divided by.
    classifier : Classifier
        Of IoU_adj > 0, that is, of segments that are not false positives, from standardised
        features; see `metaseg_tf.analysis.base`.
    regressor : Regressor
        Of IoU_adj, not clipped, from the same features.
    without_interior : Verdict
        For segments without interior, which section 3 leaves out of all fits: the mean over such
        segments where the model was fitted.
    convention : {"reference", "paper"}
    connectivity : {8, 4}
        How segments must be measured to be judged.
    provenance : dict
        The data that it was fitted on and its scores on images held out; plain JSON values.
    classes : ClassTable or None
        Names of the classes, if the run that it was fitted on has some.
    """

    columns: tuple[str, ...]
    mean: np.ndarray
    scale: np.ndarray
    classifier: Classifier
    regressor: Regressor
    without_interior: Verdict
    convention: str = "reference"
    connectivity: int = 8
    provenance: dict[str, Any] = field(default_factory=dict)
    classes: ClassTable | None = None

    @property
    def n_classes(self) -> int:
        """Number of classes of the network that the model judges."""
        return sum(name.startswith("cprob") for name in self.columns)

    def score(self, table: pd.DataFrame) -> pd.DataFrame:
        """Verdicts on the segments of a table, with or without ground truth.

        Returns
        -------
        DataFrame, with the index of ``table``
            ``iou_adj_predicted`` in [0, 1]; ``iou_adj_linear``, the same not clipped, as the
            paper scores it; ``false_positive_probability`` in [0, 1], of IoU_adj = 0.

        Raises
        ------
        SettingsMismatchError
            If the table is of another number of classes.
        InputError
            If it lacks a column, or a value is NaN, infinite or too large.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            X = self._standardised(table)
            quality, log_odds = self.regressor.predict(X), self.classifier.decision_function(X)
        if not (np.isfinite(quality) & np.isfinite(log_odds)).all():
            raise InputError(
                "segment table: expected numbers that the meta model can judge, got too large "
                "ones; extract these images again, or fit the model again"
            )
        inside = table["S_in"].to_numpy() > 0
        linear = np.where(inside, quality, self.without_interior.iou_adj)
        false = np.where(inside, expit(-log_odds), self.without_interior.false_positive_probability)
        values = (linear.clip(0.0, 1.0), linear, false)
        return pd.DataFrame(dict(zip(SCORE_COLUMNS, values, strict=True)), index=table.index)

    def explain(self, table: pd.DataFrame) -> pd.DataFrame:
        """What each metric adds to the verdicts on the segments of a table.

        Returns
        -------
        DataFrame, with the index of ``table``
            Two levels of columns: ``iou_adj_linear`` and ``false_positive_log_odds``, unless the
            estimator has no exact explanation, and below them ``base`` (of linear estimators the
            verdict on a segment whose metrics are all average), each metric, and ``class`` for
            all class probabilities together. Below one verdict each row adds up to it; NaN for
            segments without interior, whose verdict is a constant.

        Raises as `score`.
        """
        X, inside, found = self._standardised(table), table["S_in"].to_numpy() > 0, {}
        of_class = np.array([group_of(name) == "class" for name in self.columns])
        metrics = np.array(self.columns)[~of_class]
        for verdict, sign, estimator in (
            ("iou_adj_linear", 1, self.regressor),
            ("false_positive_log_odds", -1, self.classifier),
        ):
            if (parts := estimator.explain(X)) is not None:
                frame = pd.DataFrame(sign * parts[1][:, ~of_class], table.index, metrics)
                frame.insert(0, "base", sign * parts[0])
                frame["class"] = sign * parts[1][:, of_class].sum(axis=1)
                found[verdict] = frame[inside].reindex(table.index)
        return pd.concat(found, axis=1) if found else pd.DataFrame(index=table.index)

    def check_classes(self, n_classes: int) -> None:
        """Raise a SettingsMismatchError unless the model is for ``n_classes`` classes."""
        if n_classes != self.n_classes:
            raise SettingsMismatchError(
                f"meta model: expected {self.n_classes} classes, as the model was fitted with, got "
                f"{n_classes}; fit a model on a run of this network"
            )

    def check_settings(self, settings: dict[str, Any]) -> None:
        """Raise a SettingsMismatchError unless a run's segments were measured as the model needs.

        Settings that the run does not name are not compared.
        """
        own = {"convention": self.convention, "connectivity": self.connectivity}
        differing = [
            f"{key} {value!r} in the model, {settings[key]!r} in the run"
            for key, value in own.items()
            if settings.get(key, value) != value
        ]
        if differing:
            raise SettingsMismatchError(
                f"meta model: expected a run measured as the model's ({'; '.join(differing)}); "
                "extract again with the same settings, or fit on this run"
            )

    def other_settings(self, settings: dict[str, Any]) -> list[str]:
        """Settings of the network that the model was not fitted with, one phrase each.

        A model may well judge a network set up otherwise, but its scores are no longer those to
        expect. Settings that one side does not know are not compared.
        """
        own = self.provenance.get("settings", {})
        return [
            f"{key} {fitted!r:.40} when fitted, {now!r:.40} now"
            for key, fitted, now in compare_settings(own, settings)
            if key not in _NOT_OF_THE_NETWORK
        ]

    def _standardised(self, table: pd.DataFrame) -> np.ndarray:
        self.check_classes(count_classes(table))
        missing = [name for name in self.columns if name not in table.columns]
        if missing:
            raise InputError(
                f"segment table: expected columns {', '.join(missing)}, got a table without them; "
                "pass what segment_metrics or load_run gives"
            )
        values = table[list(self.columns)].to_numpy(np.float64)
        if not np.isfinite(values).all():
            raise InputError(
                "segment table: expected finite numbers, got NaN or infinite ones; "
                "extract these images again"
            )
        return (values - self.mean) / self.scale
