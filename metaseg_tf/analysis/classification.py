"""Meta classification: is IoU_adj > 0 for a segment? (section 3, Table 2, upper part)"""

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

from metaseg_tf.analysis.design import Design
from metaseg_tf.analysis.lasso import LassoPath, fit_logistic, fit_path
from metaseg_tf.analysis.protocol import PAPER_PROTOCOL, Protocol
from metaseg_tf.analysis.runs import PARTS, map_runs, tabulate
from metaseg_tf.analysis.scores import accuracy, auroc

__all__ = ["Classification", "fit_classification"]

_PATH_MODELS = ("penalized", "unpenalized")
_SCORES = {"acc": accuracy, "auroc": auroc}
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Classification:
    """Logistic fits of all runs and their scores.

    Attributes
    ----------
    columns : tuple of str, length p
        Names of the features.
    paths : tuple of LassoPath
        One a run.
    curves : DataFrame
        Columns split, model (penalized, unpenalized), part (train, validation), score (acc,
        auroc), C, value: Figure 4's lower panels for every run.
    baseline : DataFrame
        The same for the fit on E alone, without C.
    detected, undetected : int64 arrays [runs]
        False positives among all segments that each run's model with the best validation
        accuracy does and does not predict as such.
    probability : float64 array [n]
        Probability of IoU_adj > 0 of every segment by run 0's penalised fit at ``best_c``.
    """

    columns: tuple[str, ...]
    paths: tuple[LassoPath, ...]
    curves: pd.DataFrame
    baseline: pd.DataFrame
    detected: np.ndarray
    undetected: np.ndarray
    probability: np.ndarray

    @property
    def best_c(self) -> float:
        """The C of Table 2: the best mean validation accuracy over runs, the first where tied."""
        return best_c(self.curves)

    def best_c_of_run(self, run: int = 0) -> float:
        """The C with the best validation accuracy in one run: Figure 4's dashed line for run 0."""
        return best_c(self.curves[self.curves["split"] == run])

    def tidy(self) -> pd.DataFrame:
        """Rows of ``evaluation.csv``: the path models at ``best_c``, and the baseline."""
        chosen = self.curves[self.curves["C"] == self.best_c].drop(columns="C")
        rows = pd.concat([chosen, self.baseline], ignore_index=True).assign(target="iou_adj")
        return rows[["split", "target", "model", "score", "part", "value"]]


def best_c(curves: pd.DataFrame) -> float:
    """The C with the highest mean validation accuracy of the penalised fits in ``curves``."""
    wanted = (curves["model"] == "penalized") & (curves["part"] == "validation")
    accuracies = curves[wanted & (curves["score"] == "acc")].groupby("C")["value"].mean()
    return float(accuracies.idxmax())


@dataclass(frozen=True, eq=False)
class _Run:
    """One run: its path, scores [model, part, score, C] and [part, score], counts."""

    path: LassoPath
    scores: np.ndarray
    baseline: np.ndarray
    detected: int
    undetected: int


def fit_classification(design: Design, protocol: Protocol = PAPER_PROTOCOL) -> Classification:
    """Fit and score the l1 path, its refits and the entropy baseline in every run.

    Raises
    ------
    InputError
        If a half lacks one of the outcomes, or images are to be split and there is one only.
    """
    validation = protocol.draw_splits(design)
    runs = map_runs(lambda mask: _fit_run(design, mask, protocol), validation)
    _warn_of_separation([run.path for run in runs])
    curves = tabulate(
        np.stack([run.scores for run in runs]),
        split=range(len(runs)),
        model=_PATH_MODELS,
        part=PARTS,
        score=tuple(_SCORES),
        C=protocol.C,
    )
    baseline = tabulate(
        np.stack([run.baseline for run in runs]),
        split=range(len(runs)),
        model=("entropy",),
        part=PARTS,
        score=tuple(_SCORES),
    )
    best = protocol.C.index(best_c(curves))
    logit = _log_odds(protocol.features(design, ~validation[0]), runs[0].path, best)
    return Classification(
        design.columns,
        tuple(run.path for run in runs),
        curves,
        baseline,
        np.array([run.detected for run in runs]),
        np.array([run.undetected for run in runs]),
        expit(logit),
    )


def _warn_of_separation(paths):
    fits = ((path.C, path.refit_converged) for path in paths)
    stuck = [C[~converged].min() for C, converged in fits if not converged.all()]
    if stuck:
        _LOGGER.warning(
            "in %d of %d runs the active columns separate the outcomes, from C = %.3g on; the "
            "unpenalised coefficients there are large and arbitrary: extract more images",
            len(stuck),
            len(paths),
            min(stuck),
        )


def _fit_run(design, validation, protocol):
    X = protocol.features(design, ~validation)
    halves = (~validation, validation)
    path = fit_path(X[~validation], design.y[~validation], protocol.C, engine=protocol.engine)
    models = (path.coef, path.intercept), (path.refit_coef, path.refit_intercept)
    scores = np.array(
        [[_score(X[half], design.y[half], *model) for half in halves] for model in models]
    )
    best = int(scores[0, 1, 0].argmax())
    predicted = _log_odds(X, path, best) > 0
    return _Run(
        path,
        scores,
        _score_baseline(design, X, halves, protocol.engine),
        int(np.sum(~design.y & ~predicted)),
        int(np.sum(~design.y & predicted)),
    )


def _score_baseline(design, X, halves, engine):
    E = X[:, [design.columns.index("E")]]
    fit = fit_logistic(E[halves[0]], design.y[halves[0]], engine=engine)
    return np.array(
        [_score(E[half], design.y[half], fit.coef, np.float64(fit.intercept)) for half in halves]
    )[None]


def _score(X, y, coef, intercept):
    """Scores [score, ...] of models with coefficients [..., p] and intercepts [...]."""
    logits = coef @ X.T + intercept[..., None]
    return np.stack([score(logits, y) for score in _SCORES.values()])


def _log_odds(X, path, index):
    return X @ path.coef[index] + path.intercept[index]
