"""Meta regression: how large is a segment's IoU_adj or IoU? (section 3, Tables 2 and 3)"""

from collections.abc import Mapping

import numpy as np

from metaseg_tf.analysis.design import NOISE, Design
from metaseg_tf.analysis.protocol import PAPER_PROTOCOL, PARTS, Protocol, stack_splits, tabulate
from metaseg_tf.analysis.scores import r2, sigma
from metaseg_tf.errors import InputError, check_choice
from metaseg_tf.segments.columns import IOU_COLUMNS

__all__ = ["Regression", "fit_regression"]

_MODELS = ("all", "entropy")
_SCORES = {"sigma": sigma, "r2": r2}
#: A validation R2 is called ruined if clipping predictions to [0, 1] raises it by more than this.
_RUINED = 0.1


class Regression:
    """Least squares fits of all splits and their scores, made of the ``arrays`` that are kept.

    Raises ValueError or KeyError if these are of another design or protocol.
    """

    def __init__(
        self, arrays: Mapping[str, np.ndarray], design: Design, target: str, protocol: Protocol
    ):
        splits, p = protocol.n_splits, len(design.columns)
        shape = (splits, len(_MODELS), len(_SCORES), len(PARTS))
        scores, clipped = (arrays[name].reshape(shape) for name in ("scores", "clipped"))
        self.arrays, self.target = arrays, target
        #: Columns split, target, model (all, entropy), score (sigma, r2), part (train, validation),
        #: value: rows of ``evaluation.csv``.
        self.scores = _tidy(scores, target)
        #: The same for predictions clipped to [0, 1].
        self.clipped = _tidy(clipped, target)
        #: Of the fits on all columns, [splits, p]; of all that aliases allow, the shortest.
        self.coef = arrays["coef"].reshape(splits, p)
        self.intercept = arrays["intercept"].reshape(splits)
        #: Split 0's predictions [n] from all columns, not clipped (Figures 3 and 5), by
        #: statsmodels' OLS: those of ``coef`` and ``intercept`` to rounding.
        self.predicted = arrays["predicted"].reshape(len(design))
        beyond = arrays["beyond"].reshape(splits, len(_MODELS), p)
        #: Models whose validation R2, on average over splits, is more than 0.1 below that of
        #: clipped predictions -> the columns that did most of it in the worst split by leaving the
        #: range that they have in the training half; none if only their combination is new.
        self.extrapolating = _name_extrapolating(scores, clipped, beyond, design.columns)


def fit_regression(
    design: Design, target: str = "iou_adj", protocol: Protocol = PAPER_PROTOCOL
) -> Regression:
    """Fit and score least squares on all columns and on E alone in every split.

    Raises InputError if a half is empty or holds one value of the target only.
    """
    check_choice("target", target, IOU_COLUMNS)
    true = getattr(design, target)
    # Classification validates where this mask is true; here those rows train.
    trains = protocol.draw_splits(design)
    arrays = stack_splits(lambda train: _fit_split(design, true, train, protocol), trains)
    arrays["predicted"] = _predict_by_ols(protocol.features(design, trains[0]), true, trains[0])
    return Regression(arrays, design, target, protocol)


def _fit_split(design, true, train, protocol):
    """The fit on all columns and scores [model, score, part] of one split.

    ``beyond`` [model, p] is how far a column that leaves its range moves a prediction at most.
    """
    # Loading scikit-learn takes a second, which fits that are kept need not wait for.
    from metaseg_tf.analysis.estimators import LeastSquares

    if train.all() or not train.any():
        raise InputError(
            f"regression: expected segments in both halves, got {int(train.sum())} of "
            f"{len(train)} in one; extract more images"
        )
    X = protocol.features(design, train)
    E = [design.columns.index("E")]
    seen, new = X[train], X[~train]
    fit = LeastSquares().fit(seen, true[train])
    baseline = LeastSquares().fit(seen[:, E], true[train])
    predicted = np.stack([fit.predict(X), baseline.predict(X[:, E])])
    outside = np.maximum(new.max(axis=0) - seen.max(axis=0), seen.min(axis=0) - new.min(axis=0))
    beyond = np.abs([fit.coef_, np.zeros(X.shape[1])])
    beyond[1, E] = np.abs(baseline.coef_)
    halves = (train, ~train)
    scores, clipped = (
        np.moveaxis([[s(p[:, h], true[h]) for h in halves] for s in _SCORES.values()], 2, 0)
        for p in (predicted, predicted.clip(0, 1))
    )
    fitted = {"coef": fit.coef_, "intercept": fit.intercept_, "beyond": beyond * outside.clip(0)}
    return fitted | {"scores": scores, "clipped": clipped}


def _predict_by_ols(X, true, train):
    """Predictions [n] of statsmodels' least squares on the rows of a bool array ``train`` [n]."""
    from statsmodels.regression.linear_model import OLS

    # The directions that LeastSquares uses: statsmodels knows no rank but that of float64.
    mean = X[train].mean(axis=0)
    _, sizes, axes = np.linalg.svd(X[train] - mean, full_matrices=False)
    directions = (X - mean) @ axes[sizes > NOISE * sizes[0]].T
    exog = np.column_stack([np.ones(len(X)), directions])
    return OLS(true[train], exog[train]).fit().predict(exog)


def _name_extrapolating(scores, clipped, beyond, columns):
    """Columns by model as `Regression.extrapolating` has them."""
    r2s = scores[:, :, 1, 1]
    found = {}
    for m in np.flatnonzero((clipped[:, :, 1, 1] - r2s).mean(axis=0) > _RUINED):
        moved = beyond[r2s[:, m].argmin(), m]
        most = moved.argsort()[::-1][:3]
        found[_MODELS[m]] = tuple(columns[j] for j in most if 2 * moved[j] > moved.max())
    return found


def _tidy(scores, target):
    return tabulate(scores, target=(target,), model=_MODELS, score=tuple(_SCORES), part=PARTS)
