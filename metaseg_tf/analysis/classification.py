"""Meta classification: is IoU_adj > 0 for a segment? (section 3, Table 2, upper part)"""

import logging
from collections.abc import Mapping
from dataclasses import fields

import numpy as np
import pandas as pd
from scipy.linalg.blas import dgemm
from scipy.special import expit

from metaseg_tf.analysis.design import Design
from metaseg_tf.analysis.lasso import LassoPath, fit_path, make_solver
from metaseg_tf.analysis.protocol import PAPER_PROTOCOL, PARTS, Protocol, map_splits, tabulate
from metaseg_tf.analysis.scores import accuracy, auroc

__all__ = ["Classification", "fit_classification"]

_PATH_MODELS = ("penalized", "unpenalized")
_SCORES = {"acc": accuracy, "auroc": auroc}
_LOGGER = logging.getLogger(__name__)


class Classification:
    """Logistic fits of all splits and their scores, made of the ``arrays`` that are kept.

    Raises ValueError or KeyError if these are of another design or protocol.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], design: Design, protocol: Protocol):
        splits, k, p = protocol.n_splits, len(protocol.C), len(design.columns)
        shapes = {"coef": (splits, k, p), "refit_coef": (splits, k, p)}
        path = [arrays[f.name].reshape(shapes.get(f.name, (splits, k))) for f in fields(LassoPath)]
        if not np.array_equal(path[0], np.broadcast_to(protocol.C, (splits, k))):
            raise ValueError("another path")
        path[-1] = path[-1].astype(bool)
        self.arrays = arrays
        self.columns = design.columns  #: Names of the p features.
        #: One per split.
        self.paths = tuple(LassoPath(*(part[split] for part in path)) for split in range(splits))
        _warn_of_separation(self.paths)
        scores = (len(PARTS), len(_SCORES))
        curves = arrays["scores"].reshape(splits, 2, *scores, k)
        #: Columns split, model (penalized, unpenalized), part (train, validation), score (acc,
        #: auroc), C, value: Figure 4's lower panels for every split.
        self.curves = _tidy(curves, _PATH_MODELS, C=protocol.C)
        #: The same for the fit on E alone, without C.
        self.baseline = _tidy(arrays["baseline"].reshape(splits, 1, *scores), ("entropy",))
        #: False positives among all segments that each split's model with the best validation
        #: accuracy does, and does not, predict as such.
        self.detected = arrays["detected"].reshape(splits)
        self.undetected = arrays["undetected"].reshape(splits)
        X = protocol.features(design, ~protocol.draw_splits(design)[0])
        #: Probability of IoU_adj > 0 of all n segments by split 0's penalised fit at ``best_c``.
        self.probability = expit(self.paths[0].log_odds(X, protocol.C.index(self.best_c)))

    @property
    def best_c(self) -> float:
        """The C of Table 2: the best mean validation accuracy over splits, the first if tied."""
        return best_c(self.curves)

    def best_c_of_split(self, split: int = 0) -> float:
        """The C with the best validation accuracy in one split: for 0, Figure 4's dashed line."""
        return best_c(self.curves[self.curves["split"] == split])

    def coefficients(self, split: int = 0) -> pd.DataFrame:
        """Penalised coefficients of one split: one row per C, one column per feature (Figure 4)."""
        path = self.paths[split]
        return pd.DataFrame(path.coef, pd.Index(path.C, name="C"), list(self.columns))

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
    """Fit and score the l1 path, its refits and the entropy baseline in every split.

    Raises InputError if a half lacks one of the outcomes, or the only image is to be split.
    """
    validation = protocol.draw_splits(design)
    found = map_splits(lambda mask: _fit_split(design, mask, protocol), validation)
    arrays = {name: np.stack([own[name] for own in found]) for name in found[0]}
    return Classification(arrays, design, protocol)


def _fit_split(design, validation, protocol):
    """Path, scores [model, part, score, C] and [1, part, score], and counts of one split."""
    X = protocol.features(design, ~validation)
    halves = [(X[half], design.y[half]) for half in (~validation, validation)]
    path = fit_path(*halves[0], protocol.C, engine=protocol.engine)
    models = (path.coef, path.intercept), (path.refit_coef, path.refit_intercept)
    scores = np.array([[_score_path(*half, *model) for half in halves] for model in models])
    E = [design.columns.index("E")]
    solver = make_solver(halves[0][0][:, E], halves[0][1], protocol.engine)
    baseline = solver.unpenalised(np.array([True]))
    best = int(scores[0, 1, 0].argmax())
    false_positive, predicted = ~design.y, path.log_odds(X, best) > 0
    return vars(path) | {
        "refit_converged": path.refit_converged.astype(np.uint8),
        "scores": scores,
        "baseline": np.array(
            [[_score(X[:, E] @ baseline.coef + baseline.intercept, y) for X, y in halves]]
        ),
        "detected": np.sum(false_positive & ~predicted),
        "undetected": np.sum(false_positive & predicted),
    }


def _score_path(X, y, coef, intercept):
    """Scores [score, C] of models with coefficients [C, p] and intercepts [C]."""
    # Many values of C select the same columns, so that their refits are one.
    models, which = np.unique(np.column_stack([intercept, coef]), axis=0, return_inverse=True)
    # Not by numpy, whose BLAS of 2023 leaves newer processors half idle.
    logits = dgemm(1.0, X.T, models[:, 1:].T, trans_a=True).T
    logits += models[:, :1]
    return _score(logits, y)[:, which]


def _score(logits, y):
    """Scores [score, ...] of log-odds [..., n]."""
    return np.stack([score(logits, y) for score in _SCORES.values()])


def _tidy(scores, models, **more):
    return tabulate(scores, model=models, part=PARTS, score=tuple(_SCORES), **more)


def _warn_of_separation(paths):
    fits = ((path.C, path.refit_converged) for path in paths)
    stuck = [C[~converged].min() for C, converged in fits if not converged.all()]
    if stuck:
        _LOGGER.warning(
            "in %d of %d splits the metrics tell false positives from other segments without a "
            "mistake if the penalty is weak (C from %.3g on): unpenalised coefficients are large "
            "and arbitrary there; extract more images",
            *(len(stuck), len(paths), min(stuck)),
        )
