"""Meta regression: how large is a segment's IoU_adj or IoU? (section 3, Tables 2 and 3)"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from metaseg_tf.analysis.design import NOISE, Design, check_choice
from metaseg_tf.analysis.protocol import PAPER_PROTOCOL, Protocol
from metaseg_tf.analysis.runs import PARTS, map_runs, tabulate
from metaseg_tf.analysis.scores import r2, sigma
from metaseg_tf.errors import InputError
from metaseg_tf.segments.columns import IOU_COLUMNS

__all__ = ["Regression", "fit_regression", "least_squares"]

_MODELS = ("all", "entropy")
_SCORES = {"sigma": sigma, "r2": r2}
#: A validation R2 is called ruined if clipping predictions to [0, 1] raises it by more than this.
_RUINED = 0.1


@dataclass(frozen=True, eq=False)
class Regression:
    """Least squares fits of all runs and their scores.

    Attributes
    ----------
    target : {"iou_adj", "iou"}
    scores : DataFrame
        Columns split, target, model (all, entropy), score (sigma, r2), part (train, validation),
        value. Classification's validation half trains here, as in the authors' code.
    clipped : DataFrame
        The same for predictions clipped to [0, 1].
    coef, intercept : float64 arrays [runs, p], [runs]
        Of the fits on all columns; of all solutions that aliases allow, the shortest.
    predicted : float64 array [n]
        Run 0's prediction for every segment from all columns, not clipped (Figures 3 and 5).
    extrapolating : mapping of str to tuple of str
        Models whose validation R2, on average over runs, is more than 0.1 below that of clipped
        predictions -> the columns that did most of it in the worst run by leaving the range that
        they have in the training half; none if only their combination is new.
    """

    target: str
    scores: pd.DataFrame
    clipped: pd.DataFrame
    coef: np.ndarray
    intercept: np.ndarray
    predicted: np.ndarray
    extrapolating: Mapping[str, tuple[str, ...]]

    def arrays(self) -> dict[str, np.ndarray]:
        """All of it as arrays, for `from_arrays`."""
        return {
            "scores": self.scores["value"].to_numpy(),
            "clipped": self.clipped["value"].to_numpy(),
            "coef": self.coef,
            "intercept": self.intercept,
            "predicted": self.predicted,
            # A JSON text as bytes: names of columns are text, which arrays of numbers are not.
            "extrapolating": np.frombuffer(json.dumps(dict(self.extrapolating)).encode(), np.uint8),
        }

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, np.ndarray], design: Design, target: str, protocol: Protocol
    ) -> "Regression":
        """The regression of a design's target by a protocol, from what `arrays` gave.

        Raises
        ------
        ValueError, KeyError, AttributeError
            If the arrays are not those of this design and protocol.
        """
        shape = (protocol.runs, len(_MODELS), len(_SCORES), len(PARTS))
        return cls(
            target,
            *(_tidy(arrays[name].reshape(shape), target) for name in ("scores", "clipped")),
            arrays["coef"].reshape(protocol.runs, len(design.columns)),
            arrays["intercept"].reshape(protocol.runs),
            arrays["predicted"].reshape(len(design)),
            {
                model: tuple(design.columns[design.columns.index(name)] for name in names)
                for model, names in json.loads(arrays["extrapolating"].tobytes()).items()
            },
        )

    def tidy(self) -> pd.DataFrame:
        """Rows of ``evaluation.csv``."""
        return self.scores


def fit_regression(
    design: Design, target: str = "iou_adj", protocol: Protocol = PAPER_PROTOCOL
) -> Regression:
    """Fit and score least squares on all columns and on E alone in every run.

    Raises
    ------
    InputError
        If a half is empty or holds one value of the target only.
    """
    check_choice("target", target, IOU_COLUMNS)
    true = getattr(design, target)
    # Classification validates where this mask is true; here those rows train.
    trains = protocol.draw_splits(design)
    runs = map_runs(lambda train: _fit_run(design, true, train, protocol), trains)
    return Regression(
        target,
        _tidy([run.scores for run in runs], target),
        _tidy([run.clipped for run in runs], target),
        np.stack([run.coef for run in runs]),
        np.array([run.intercept for run in runs]),
        runs[0].predicted,
        _name_extrapolating(runs, design.columns),
    )


def least_squares(X: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, float]:
    """Shortest least squares coefficients [p] and the intercept, whatever the rank of X [n, p].

    Directions in which the centred rows have a singular value below 1e-6 of the largest are the
    rounding of float32 and count as aliased, as in scikit-learn's LinearRegression since 1.9
    (docs/decisions/0044-least-squares-on-few-images.md). Only the fitted values are to be read; for
    coefficients see ``metaseg_tf.analysis.diagnostics``.
    """
    mean, level = X.mean(axis=0), target.mean()
    coef, *_ = np.linalg.lstsq(X - mean, target - level, rcond=NOISE)
    return coef, float(level - mean @ coef)


class _Run(NamedTuple):
    """One run: the fit on all columns, and scores [model, score, part].

    ``beyond`` [model, p] is how far a column that leaves its range moves a prediction at most.
    """

    coef: np.ndarray
    intercept: float
    predicted: np.ndarray
    scores: np.ndarray
    clipped: np.ndarray
    beyond: np.ndarray


def _fit_run(design, true, train, protocol):
    _check_halves(train)
    X = protocol.features(design, train)
    E = design.columns.index("E")
    coef = np.zeros((len(_MODELS), X.shape[1]))
    coef[0], intercept = least_squares(X[train], true[train])
    coef[1, [E]], level = least_squares(X[train][:, [E]], true[train])
    predicted = coef @ X.T + [[intercept], [level]]
    scores, clipped = (_score(p, true, train) for p in (predicted, predicted.clip(0, 1)))
    seen, new = X[train], X[~train]
    outside = np.maximum(new.max(axis=0) - seen.max(axis=0), seen.min(axis=0) - new.min(axis=0))
    beyond = np.abs(coef) * outside.clip(0)
    return _Run(coef[0], intercept, predicted[0], scores, clipped, beyond)


def _name_extrapolating(runs, columns):
    r2s = np.array([run.scores[:, 1, 1] for run in runs])
    clipped = np.array([run.clipped[:, 1, 1] for run in runs])
    found = {}
    for m in np.flatnonzero((clipped - r2s).mean(axis=0) > _RUINED):
        beyond = runs[r2s[:, m].argmin()].beyond[m]
        most = beyond.argsort()[::-1][:3]
        found[_MODELS[m]] = tuple(columns[j] for j in most if 2 * beyond[j] > beyond.max())
    return found


def _score(predicted, true, train):
    return np.stack(
        [
            [score(predicted[:, half], true[half]) for half in (train, ~train)]
            for score in _SCORES.values()
        ]
    ).transpose(2, 0, 1)


def _tidy(scores, target):
    levels = {"model": _MODELS, "score": tuple(_SCORES), "part": PARTS}
    return tabulate(np.stack(scores), split=range(len(scores)), target=(target,), **levels)


def _check_halves(train):
    if train.all() or not train.any():
        raise InputError(
            f"regression: expected segments in both halves, got {int(train.sum())} of "
            f"{len(train)} in one; extract more images"
        )
