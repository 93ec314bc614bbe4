"""The logistic model of IoU_adj > 0 under diagnosis, and what each metric group adds to it."""

from dataclasses import dataclass

import numpy as np
from scipy import stats
from statsmodels.discrete.discrete_model import BinaryResultsWrapper, Logit

from metaseg_tf.analysis.design import Design
from metaseg_tf.analysis.diagnostics.hypothesis import HypothesisTest
from metaseg_tf.analysis.logistic import LogisticLoss, minimise_logistic
from metaseg_tf.analysis.scores import auroc
from metaseg_tf.errors import InputError

__all__ = ["GROUPS", "LogitFit", "fit_logit", "group_of"]

#: Metric groups by the first letters of their columns.
GROUPS = {"E": "entropy", "D": "probability difference", "S": "size", "cprob": "class"}


@dataclass(frozen=True, eq=False)
class LogitFit:
    """Unpenalised logistic fit on a full-rank set of standardised columns.

    Attributes
    ----------
    columns : tuple of str
    results : BinaryResultsWrapper
        The fit as statsmodels holds it, with the intercept ``const`` first.
    group_tests : tuple of HypothesisTest
        Likelihood-ratio tests: what is lost without the entropy columns, and so on.
    """

    columns: tuple[str, ...]
    results: BinaryResultsWrapper
    group_tests: tuple[HypothesisTest, ...]


def group_of(column: str) -> str:
    """Key in ``GROUPS`` of a column of the design."""
    return next(key for key in GROUPS if column.startswith(key))


def fit_logit(design: Design, columns: tuple[str, ...]) -> LogitFit:
    """Fit IoU_adj > 0 on the given columns and test each metric group.

    Raises
    ------
    InputError
        If one outcome is missing or the columns separate the outcomes, so that there is no fit.
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
    model.data.xnames, model.data.ynames = ["const", *columns], "iou_adj > 0"
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
        f"the {df} {GROUPS[group]} columns add nothing to the others",
        float(statistic),
        f"chi2({df})",
        float(stats.chi2.sf(statistic, df)),
        f"without them the AUROC falls from {whole:.2%} to {without:.2%}",
    )
