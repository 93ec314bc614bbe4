"""A run's own value of every quantity that the paper prints."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from metaseg_tf.analysis.evaluation import evaluate_run, summarise, survey_run
from metaseg_tf.analysis.protocol import PAPER_PROTOCOL
from metaseg_tf.analysis.survey import Survey, survey
from metaseg_tf.errors import InputError
from metaseg_tf.paper.published import ALL_SEGMENTS, FALSE_POSITIVES, MIOU, SEGMENTS, Quantity
from metaseg_tf.runs.run import Run
from metaseg_tf.segments.columns import METRIC_COLUMNS, name_feature

__all__ = ["KINDS", "Measured", "Value", "collect", "compute_correlations"]


class Value(NamedTuple):
    """A number, and its population standard deviation over splits if it is a mean of them."""

    mean: float
    std: float | None = None


@dataclass(frozen=True)
class Measured:
    """The numbers of one run."""

    #: Printed quantities, ``ALL_SEGMENTS``, and the regressions' scores with clipped predictions.
    values: Mapping[Quantity, Value] = field(default_factory=dict)
    missing: tuple[str, ...] = ()  #: Why some cannot be had from the run, each with a remedy.
    sample: str = ""  #: Which segments the logistic fits are of, in words, if not of all.
    #: Target and model of the regressions that extrapolate -> columns in words, see `Regression`.
    extrapolating: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)


def collect(
    run: Run, kinds: Iterable[str] | None = None, *, engine: str = PAPER_PROTOCOL.engine
) -> Measured:
    """The numbers of a run, or only those of some of the ``KINDS``; ``engine`` as `evaluate_run`.

    Raises DataFormatError if a file of the run is broken or holds no ground truth. Other reasons
    why numbers cannot be computed are listed in ``missing``.
    """
    values: dict[Quantity, Value] = {}
    missing: list[str] = []
    for kind in KINDS if kinds is None else kinds:
        try:
            values |= KINDS[kind](run, engine)
        except InputError as error:
            missing.append(str(error))
    fitted = Quantity("iou_adj", "all", "r2", "train") in values
    regressions = evaluate_run(run, engine=engine).regressions if fitted else {}
    extrapolating = {
        (target, model): tuple(name_feature(name, run.classes) for name in columns)
        for target, regression in regressions.items()
        for model, columns in regression.extrapolating.items()
    }
    sample = evaluate_run(run, engine=engine).sample if fitted else ""
    return Measured(values, tuple(dict.fromkeys(missing)), sample, extrapolating)


def compute_correlations(table: pd.DataFrame) -> pd.Series:
    """Pearson correlation of each metric with IoU_adj over segments with interior (table 1).

    By metric, in [-1, 1]; NaN if the metric or IoU_adj is constant. Raises InputError if the table
    has no ground truth, fewer than two segments with interior, or NaN in them.
    """
    return _correlate(survey([table], (*METRIC_COLUMNS, "iou_adj")))


def _correlate(found: Survey) -> pd.Series:
    if found.counts[1] < 2:
        raise InputError(
            f"table 1: expected at least 2 segments with interior, got {found.counts[1]}; extract "
            "more images"
        )
    return found.correlations[list(METRIC_COLUMNS)]


def _counts(run: Run, _engine: str) -> dict[Quantity, Value]:
    quantities = (ALL_SEGMENTS, SEGMENTS, FALSE_POSITIVES)
    return dict(zip(quantities, map(Value, survey_run(run).counts), strict=True))


def _correlations(run: Run, _engine: str) -> dict[Quantity, Value]:
    rho = _correlate(survey_run(run)).dropna()
    if rho.empty:
        raise InputError(
            f"{run.path}: expected IoU_adj to vary over segments with interior, got one value "
            "only; extract more images"
        )
    return {Quantity.correlation(metric): Value(value) for metric, value in rho.items()}


def _miou(run: Run, _engine: str) -> dict[Quantity, Value]:
    miou = run.manifest.results.get("miou", np.nan)
    if not np.isfinite(miou):
        raise InputError(
            f"{run.path}: expected the mIoU of a finished run with ground truth, found none; run "
            "extract to its end, on images with labels"
        )
    return {MIOU: Value(miou)}


def _classification(run: Run, engine: str) -> dict[Quantity, Value]:
    classification = evaluate_run(run, engine=engine).classification
    values = _scores(classification.tidy())
    for score in ("detected", "undetected"):
        counts = getattr(classification, score)
        values[Quantity(score=score)] = Value(float(counts.mean()), float(counts.std()))
    return values


def _regression(run: Run, engine: str) -> dict[Quantity, Value]:
    values: dict[Quantity, Value] = {}
    for regression in evaluate_run(run, engine=engine).regressions.values():
        values |= _scores(regression.scores) | _scores(regression.clipped, clipped=True)
    return values


def _scores(tidy: pd.DataFrame, *, clipped: bool = False) -> dict[Quantity, Value]:
    return {Quantity(*key, clipped): Value(*row) for key, row in summarise(tidy).iterrows()}


#: Kinds of numbers, and how each is measured. One may fail although the others do not.
KINDS: dict[str, Callable[[Run, str], dict[Quantity, Value]]] = {
    "miou": _miou,
    "counts": _counts,
    "correlations": _correlations,
    "classification": _classification,
    "regression": _regression,
}
