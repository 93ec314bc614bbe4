"""Meta classification: is IoU_adj > 0 for a segment? (section 3, Table 2, upper part)"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import NamedTuple

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
_PATH_FIELDS = fields(LassoPath)
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

    def coefficients(self, run: int = 0) -> pd.DataFrame:
        """Penalised coefficients of one run: a row a C, a column a feature (Figure 4, top)."""
        path = self.paths[run]
        return pd.DataFrame(path.coef, pd.Index(path.C, name="C"), list(self.columns))

    def arrays(self) -> dict[str, np.ndarray]:
        """All of it as arrays, for `from_arrays`."""
        path = {f.name: np.stack([getattr(p, f.name) for p in self.paths]) for f in _PATH_FIELDS}
        return path | {
            "refit_converged": path["refit_converged"].astype(np.uint8),
            "curves": self.curves["value"].to_numpy(),
            "baseline": self.baseline["value"].to_numpy(),
            "detected": self.detected,
            "undetected": self.undetected,
            "probability": self.probability,
        }

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, np.ndarray], design: Design, protocol: Protocol
    ) -> "Classification":
        """The classification of a design by a protocol, from what `arrays` gave.

        Raises
        ------
        ValueError, KeyError
            If the arrays are not those of this design and protocol.
        """
        splits, k, p = protocol.runs, len(protocol.C), len(design.columns)
        shapes = {"coef": (splits, k, p), "refit_coef": (splits, k, p)}
        path = [
            np.broadcast_to(arrays[f.name], shapes.get(f.name, (splits, k))) for f in _PATH_FIELDS
        ]
        if not np.array_equal(path[0], np.broadcast_to(protocol.C, (splits, k))):
            raise ValueError("another path")
        path[-1] = path[-1].astype(bool)
        paths = tuple(LassoPath(*(part[split] for part in path)) for split in range(splits))
        _warn_of_separation(paths)
        scores = (len(PARTS), len(_SCORES))
        return cls(
            design.columns,
            paths,
            _tidy(arrays["curves"].reshape(splits, 2, *scores, k), _PATH_MODELS, C=protocol.C),
            _tidy(arrays["baseline"].reshape(splits, 1, *scores), ("entropy",)),
            arrays["detected"].reshape(splits),
            arrays["undetected"].reshape(splits),
            arrays["probability"].reshape(len(design)),
        )

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
    curves = _tidy([run.scores for run in runs], _PATH_MODELS, C=protocol.C)
    best = protocol.C.index(best_c(curves))
    return Classification(
        design.columns,
        tuple(run.path for run in runs),
        curves,
        _tidy([run.baseline for run in runs], ("entropy",)),
        np.array([run.detected for run in runs]),
        np.array([run.undetected for run in runs]),
        expit(_log_odds(protocol.features(design, ~validation[0]), runs[0].path, best)),
    )


class _Run(NamedTuple):
    """One run: scores of the path [model, part, score, C] and of the baseline [1, part, score]."""

    path: LassoPath
    scores: np.ndarray
    baseline: np.ndarray
    detected: int
    undetected: int


def _fit_run(design, validation, protocol):
    X = protocol.features(design, ~validation)
    halves = [(X[half], design.y[half]) for half in (~validation, validation)]
    path = fit_path(*halves[0], protocol.C, engine=protocol.engine)
    models = (path.coef, path.intercept), (path.refit_coef, path.refit_intercept)
    scores = np.array([[_score(*half, *model) for half in halves] for model in models])
    best = int(scores[0, 1, 0].argmax())
    false_positive, predicted = ~design.y, _log_odds(X, path, best) > 0
    return _Run(
        path,
        scores,
        _score_baseline(halves, design.columns.index("E"), protocol.engine),
        int(np.sum(false_positive & ~predicted)),
        int(np.sum(false_positive & predicted)),
    )


def _score_baseline(halves, column, engine):
    halves = [(X[:, [column]], y) for X, y in halves]
    fit = fit_logistic(*halves[0], engine=engine)
    model = fit.coef[None], np.array([fit.intercept])
    return np.array([[_score(*half, *model)[:, 0] for half in halves]])


def _score(X, y, coef, intercept):
    """Scores [score, ...] of models with coefficients [..., p] and intercepts [...]."""
    # Many values of C select the same columns, so that their refits are one.
    models, which = np.unique(np.column_stack([intercept, coef]), axis=0, return_inverse=True)
    logits = models[:, 1:] @ X.T + models[:, :1]
    return np.stack([score(logits, y)[which] for score in _SCORES.values()])


def _log_odds(X, path, index):
    return X @ path.coef[index] + path.intercept[index]


def _tidy(scores, models, **more):
    levels = {"model": models, "part": PARTS, "score": tuple(_SCORES), **more}
    return tabulate(np.stack(scores), split=range(len(scores)), **levels)


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
