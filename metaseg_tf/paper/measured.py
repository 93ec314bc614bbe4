"""A run's own value of every quantity that the paper prints, under the names of `published`."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from metaseg_tf.analysis.evaluation import evaluate_run, load_segments, summarise
from metaseg_tf.analysis.protocol import PAPER_PROTOCOL
from metaseg_tf.errors import InputError
from metaseg_tf.paper.correlations import compute_correlations, count_segments
from metaseg_tf.runs.run import Run

__all__ = ["PARTS", "Measured", "Value", "collect"]


class Value(NamedTuple):
    """A number, and its population standard deviation over splits where it is a mean of them."""

    mean: float
    std: float | None = None


@dataclass(frozen=True)
class Measured:
    """The numbers of one run.

    Attributes
    ----------
    values : dict of str to Value
        By quantity as in ``PublishedNumber.quantity``. Beside those: "all_segments", and
        "clipped/..." for regressions whose predictions are clipped to [0, 1].
    missing : tuple of str
        Why some of them cannot be had from the run, each with a remedy.
    extrapolating : dict of (str, str) to tuple of str
        Target and model of the regressions that extrapolate -> columns, see `Regression`.
    """

    values: Mapping[str, Value] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    extrapolating: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)


def collect(
    run: Run, parts: Iterable[str] | None = None, *, engine: str = PAPER_PROTOCOL.engine
) -> Measured:
    """The numbers of a run, or those of some of the ``PARTS`` only.

    ``engine`` as in `metaseg_tf.analysis.evaluation.evaluate_run`.

    Raises
    ------
    DataFormatError
        If a file of the run is broken or holds no ground truth. What else keeps a part from being
        made is named in ``missing``.
    """
    values: dict[str, Value] = {}
    missing: list[str] = []
    for part in PARTS if parts is None else parts:
        try:
            values |= PARTS[part](run, engine)
        except InputError as error:
            missing.append(str(error))
    fitted = "iou_adj/all/r2/train" in values
    regressions = evaluate_run(run, engine=engine).regressions if fitted else {}
    extrapolating = {
        (target, model): columns
        for target, regression in regressions.items()
        for model, columns in regression.extrapolating.items()
    }
    return Measured(values, tuple(dict.fromkeys(missing)), extrapolating)


def _counts(run: Run, _engine: str) -> dict[str, Value]:
    counts = count_segments(load_segments(run))
    return {name: Value(count) for name, count in counts.items()}


def _correlations(run: Run, _engine: str) -> dict[str, Value]:
    table = load_segments(run)
    rho = compute_correlations(table).dropna()
    if rho.empty:
        raise InputError(
            f"{run.path}: expected IoU_adj to vary over segments with interior, got one value "
            "only; extract more images"
        )
    return {name: Value(value) for name, value in rho.items()}


def _miou(run: Run, _engine: str) -> dict[str, Value]:
    if not np.isfinite(run.manifest.results.get("miou", np.nan)):
        raise InputError(
            f"{run.path}: expected the mIoU of a finished run with ground truth, found none; run "
            "extract to its end, on images with labels"
        )
    return {"miou": Value(run.manifest.results["miou"])}


def _classification(run: Run, engine: str) -> dict[str, Value]:
    classification = evaluate_run(run, engine=engine).classification
    names = ("detected", "undetected")
    counts = {name: _over_splits(getattr(classification, name)) for name in names}
    return counts | _scores(classification.tidy())


def _regression(run: Run, engine: str) -> dict[str, Value]:
    regressions = evaluate_run(run, engine=engine).regressions.values()
    values: dict[str, Value] = {}
    for regression in regressions:
        clipped = _scores(regression.clipped)
        values |= _scores(regression.tidy())
        values |= {f"clipped/{name}": value for name, value in clipped.items()}
    return values


#: What is measured, and how. A part may fail where the others can be had.
PARTS: dict[str, Callable[[Run, str], dict[str, Value]]] = {
    "miou": _miou,
    "counts": _counts,
    "correlations": _correlations,
    "classification": _classification,
    "regression": _regression,
}


def _over_splits(values: np.ndarray) -> Value:
    return Value(float(values.mean()), float(values.std()))


def _scores(tidy: pd.DataFrame) -> dict[str, Value]:
    return {"/".join(key): Value(*row) for key, row in summarise(tidy).iterrows()}
