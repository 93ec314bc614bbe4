"""The logistic model of IoU_adj > 0 under diagnosis: what each metric group adds, calibration.

Calibrated: of the segments with a predicted probability of 70 %, 70 % have IoU_adj > 0.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.discrete.discrete_model import BinaryResultsWrapper, Logit
from statsmodels.stats.proportion import proportion_confint

from metaseg_tf.analysis.design import Design
from metaseg_tf.analysis.diagnostics.assumptions import HypothesisTest
from metaseg_tf.analysis.estimators import Logistic
from metaseg_tf.analysis.logistic import LogisticLoss, minimise_logistic
from metaseg_tf.analysis.protocol import reference_splits
from metaseg_tf.analysis.scores import auroc
from metaseg_tf.errors import InputError
from metaseg_tf.segments.columns import GROUPS, group_of

__all__ = ["Calibration", "LogitFit", "calibrate", "fit_logit", "reliability"]


@dataclass(frozen=True, eq=False)
class LogitFit:
    """Unpenalised logistic fit on a full-rank set of standardised columns."""

    columns: tuple[str, ...]
    results: BinaryResultsWrapper  #: The fit as statsmodels holds it, the intercept first.
    #: Likelihood-ratio tests: what is lost without the entropy columns, and so on.
    group_tests: tuple[HypothesisTest, ...]


def fit_logit(design: Design, columns: tuple[str, ...]) -> LogitFit:
    """Fit IoU_adj > 0 on the given columns and test each metric group.

    Raises InputError if one outcome is missing or the columns separate them: there is no fit then.
    """
    X = design.X[:, [design.columns.index(name) for name in columns]]
    loss = LogisticLoss(X, design.y)
    full, converged = minimise_logistic(loss, np.arange(len(columns)), loss.null)
    if not converged:
        raise InputError(
            f"logit: expected outcomes that the metrics do not separate, got {len(design)} "
            f"segments that {len(columns)} columns separate; extract more images"
        )
    model = Logit(design.y.astype(float), np.column_stack([np.ones(len(X)), X]))
    model.data.xnames, model.data.ynames = ["const", *map(design.say, columns)], "iou_adj > 0"
    results = model.fit(start_params=np.array([full.b, *full.w]), method="newton", disp=0)
    present = {group_of(name) for name in columns}
    tests = tuple(_test_group(g, columns, loss, full, design.y) for g in GROUPS if g in present)
    return LogitFit(columns, results, tests)


def _test_group(group, columns, loss, full, y):
    """Likelihood-ratio test of the fit without one group of columns against the full fit."""
    inside = np.array([group_of(name) == group for name in columns])
    start = loss.at(np.where(inside, 0.0, full.w), full.b)
    point, _ = minimise_logistic(loss, np.flatnonzero(~inside), start)
    statistic, df = 2 * len(y) * (point.loss - full.loss), int(inside.sum())
    without, whole = (auroc(fit.w @ loss.XT + fit.b, y) for fit in (point, full))
    return HypothesisTest(
        f"LR {group}",
        f"the {df} {GROUPS[group].word} columns add nothing to the others",
        float(statistic),
        f"chi2({df})",
        float(stats.chi2.sf(statistic, df)),
        f"without them the AUROC goes from {whole:.2%} to {without:.2%}",
    )


@dataclass(frozen=True, eq=False)
class Calibration:
    """Calibration of the unpenalised logistic fit on segments that it was not fitted to."""

    table: pd.DataFrame  #: See `reliability`.
    brier: float  #: Mean squared error of the probabilities.
    brier_prior: float  #: That of the mean outcome for everyone.
    error: float  #: Expected calibration error: mean distance of observed from predicted share.
    test: HypothesisTest  #: Hosmer and Lemeshow's.

    def __str__(self) -> str:
        return (
            f"Brier score {self.brier:.4f} (always the mean outcome: {self.brier_prior:.4f}), "
            f"expected calibration error {self.error:.2%}"
        )


def calibrate(design: Design, columns: tuple[str, ...], *, engine: str = "lars") -> Calibration:
    """Fit on the training half of split 0, and compare shares on its validation half.

    ``engine`` as in `metaseg_tf.analysis.lasso.fit_path`.
    """
    X = design.X[:, [design.columns.index(name) for name in columns]]
    held_out = reference_splits(len(design), 1)[0]
    fit = Logistic(engine=engine).fit(X[~held_out], design.y[~held_out])
    probability = fit.predict_proba(X[held_out])[:, 1]
    y = design.y[held_out]
    table = reliability(probability, y)
    distance = (table["observed"] - table["predicted"]).abs()
    return Calibration(
        table,
        float(np.mean((probability - y) ** 2)),
        float(y.var()),
        float(np.average(distance, weights=table["n"])),
        _hosmer_lemeshow(table),
    )


def reliability(probability: np.ndarray, y: np.ndarray, bins: int = 10) -> pd.DataFrame:
    """Predicted and observed shares in groups of equally many segments, one row per group.

    ``probability`` [n] is that of ``y`` (bool [n]). Fewer groups than ``bins`` are returned if
    there are fewer segments. The columns are ``n``, ``predicted`` (mean probability), ``observed``
    (share of true), ``low`` and ``high`` (95 % Wilson interval of the observed share).
    """
    order = np.argsort(probability, kind="stable")
    groups = [part for part in np.array_split(order, bins) if len(part)]
    n = np.array([len(part) for part in groups])
    hits = np.array([np.count_nonzero(y[part]) for part in groups])
    predicted = np.array([probability[part].mean() for part in groups])
    low, high = proportion_confint(hits, n, method="wilson")
    shares = {"predicted": predicted, "observed": hits / n, "low": low, "high": high}
    return pd.DataFrame({"n": n} | shares)


def _hosmer_lemeshow(table):
    variance = table["predicted"] * (1 - table["predicted"]) / table["n"]
    misses = (table["observed"] - table["predicted"]) ** 2
    # Groups of certain predictions have no variance; they count only if they are wrong.
    statistic = float((misses / variance.clip(lower=1e-12)).sum())
    df = len(table)  # Held-out segments cost no degree of freedom for the fitted coefficients.
    worst = float(np.sqrt(misses.max()))
    return HypothesisTest(
        "Hosmer-Lemeshow",
        "the predicted probabilities are the true ones",
        statistic,
        f"chi2({df})",
        float(stats.chi2.sf(statistic, df)),
        f"in the worst of {df} groups observed and predicted share differ by {worst:.1%}",
    )
