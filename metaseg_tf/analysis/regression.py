"""Meta regression: how large is a segment's IoU_adj or IoU? (section 3, Tables 2 and 3)"""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, partial

import numpy as np

from metaseg_tf.analysis.design import NOISE, Design
from metaseg_tf.analysis.protocol import PAPER_PROTOCOL, PARTS, Protocol, map_splits, tabulate
from metaseg_tf.analysis.survey import add_rows
from metaseg_tf.errors import InputError

__all__ = ["Regression", "Regressions", "fit_regressions"]

_MODELS = ("all", "entropy")
_TARGETS = ("iou_adj", "iou")
_SCORES = ("sigma", "r2")
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
        beyond = arrays["beyond"].reshape(splits, len(_MODELS), p)
        #: Models whose validation R2, on average over splits, is more than 0.1 below that of
        #: clipped predictions -> the columns that did most of it in the worst split by leaving the
        #: range that they have in the training half; none if only their combination is new.
        self.extrapolating = _name_extrapolating(scores, clipped, beyond, design.columns)
        self._design, self._protocol = design, protocol

    @cached_property
    def predicted(self) -> np.ndarray:
        """Predictions [n] from all columns by split 0's fit, not clipped (Figures 3 and 5).

        By statsmodels' OLS on the design's rows: those of ``coef`` to rounding, or near to them if
        the design is a sample.
        """
        # Loading statsmodels takes a second, which tables need not wait for.
        from statsmodels.regression.linear_model import OLS

        train = self._protocol.draw_splits(self._design)[0]
        X = self._protocol.features(self._design, train)
        # The directions that coef has: statsmodels knows no rank but that of float64.
        mean = X[train].mean(axis=0)
        _, sizes, axes = np.linalg.svd(X[train] - mean, full_matrices=False)
        directions = (X - mean) @ axes[sizes > NOISE * sizes[0]].T
        exog = np.column_stack([np.ones(len(X)), directions])
        return OLS(getattr(self._design, self.target)[train], exog[train]).fit().predict(exog)


class Regressions(dict[str, Regression]):
    """The regressions of ``iou_adj`` and ``iou``, made of the ``arrays`` that are kept."""

    def __init__(self, arrays: Mapping[str, np.ndarray], design: Design, protocol: Protocol):
        self.arrays = arrays
        for i, target in enumerate(_TARGETS):
            own = {name: values.reshape(len(_TARGETS), -1)[i] for name, values in arrays.items()}
            self[target] = Regression(own, design, target, protocol)


def fit_regressions(
    design: Design,
    protocol: Protocol = PAPER_PROTOCOL,
    blocks: Callable[[], Iterable[tuple[Design, np.ndarray]]] | None = None,
) -> Regressions:
    """Fit and score least squares on all columns and on E alone in every split, for both targets.

    If ``design`` is a sample, ``blocks`` gives all rows, twice: designs on one scale, and masks of
    the rows that train, bool [splits, n]. Raises InputError if a half is empty or holds one value
    of a target only.
    """
    # Classification validates where these masks are true; here those rows train.
    trains = protocol.draw_splits(design)
    fits = [_SplitFit(design.columns) for _ in trains]
    for see in (_SplitFit.gather, _SplitFit.judge):
        for block, masks in blocks() if blocks else [(design, trains)]:
            show = partial(_show, block, protocol, see)
            map_splits(lambda half, show=show: show(*half), zip(fits, masks, strict=True))
    found = [fit.arrays() for fit in fits]
    arrays = {name: np.stack([own[name] for own in found], axis=1) for name in found[0]}
    return Regressions(arrays, design, protocol)


def _show(block, protocol, see, fit, train):
    see(fit, protocol.features(block, train), _targets(block), train)


def _targets(design):
    return np.stack([getattr(design, target) for target in _TARGETS])


class _SplitFit:
    """Least squares of a split in two passes over blocks: features [n, p] and targets [2, n].

    ``train`` [n] are the rows that train; halves are numbered 0 for the others and 1 for those.
    """

    def __init__(self, columns: tuple[str, ...]):
        self._of_model = [np.arange(len(columns)), np.array([columns.index("E")])]
        k = 1 + len(columns) + len(_TARGETS)
        self._triangle = np.empty((0, k))
        self._n, self._sums = np.zeros(2), np.zeros((2, k))
        self._low, self._high = np.full((2, k), np.inf), np.full((2, k), -np.inf)
        self._spread = np.zeros((len(_TARGETS), 1, 2))
        self._squares = np.zeros((2, len(_TARGETS), len(_MODELS), 2))

    def gather(self, X: np.ndarray, true: np.ndarray, train: np.ndarray) -> None:
        """The first pass, after which the fits can be had."""
        for h, half in enumerate((~train, train)):
            rows = np.column_stack([np.ones(half.sum()), X[half], *true[:, half]])
            self._n[h] += len(rows)
            self._sums[h] += rows.sum(axis=0)
            self._low[h] = np.minimum(self._low[h], rows.min(axis=0, initial=np.inf))
            self._high[h] = np.maximum(self._high[h], rows.max(axis=0, initial=-np.inf))
        self._triangle = add_rows(self._triangle, rows)

    @cached_property
    def _fitted(self):
        """Coefficients [target, model, p] and intercepts [target, model]."""
        if not self._n.all():
            raise InputError(
                f"regression: expected segments in both halves, got {self._n.max():.0f} of "
                f"{self._n.sum():.0f} in one; extract more images"
            )
        if (self._low == self._high)[:, -len(_TARGETS) :].any():
            raise InputError(
                "regression: expected a target that varies, got one value in a half; extract more "
                "images"
            )
        level, rest = self._triangle[0], self._triangle[1:]
        coef = np.zeros((len(_TARGETS), len(_MODELS), len(level) - 1 - len(_TARGETS)))
        for m, used in enumerate(self._of_model):
            coef[:, m, used] = np.linalg.lstsq(rest[:, 1 + used], rest[:, -2:], rcond=NOISE)[0].T
        return coef, (level[-2:, None] - coef @ level[1:-2]) / level[0]

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Float64 [target, model, n]."""
        coef, intercept = self._fitted
        found = coef.reshape(-1, X.shape[1]) @ X.T
        return found.reshape(*coef.shape[:2], -1) + intercept[..., None]

    def judge(self, X: np.ndarray, true: np.ndarray, train: np.ndarray) -> None:
        """The second pass, after which the scores can be had."""
        predicted, true = self.predict(X), true[:, None]
        mean = self._sums[:, -2:, None] / self._n[:, None, None]
        for h, half in enumerate((~train, train)):
            self._spread[..., h] += ((true[..., half] - mean[h, :, None]) ** 2).sum(axis=-1)
            for i, guess in enumerate((predicted[..., half], predicted[..., half].clip(0, 1))):
                self._squares[i, ..., h] += ((guess - true[..., half]) ** 2).sum(axis=-1)

    def arrays(self) -> dict[str, np.ndarray]:
        """What `Regression` is made of, with the targets in front.

        ``beyond`` is how far a column that leaves its range moves a prediction at most.
        """
        coef, intercept = self._fitted
        scores = np.sqrt(self._squares / self._n), 1 - self._squares / self._spread
        # The half that trains comes first.
        plain, clipped = np.stack(scores, axis=-2)[..., ::-1]
        outside = np.maximum(self._high[0] - self._high[1], self._low[1] - self._low[0])[1:-2]
        fits = {"coef": coef[:, 0], "intercept": intercept[:, 0]}
        return fits | {"scores": plain, "clipped": clipped, "beyond": abs(coef) * outside.clip(0)}


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
    return tabulate(scores, target=(target,), model=_MODELS, score=_SCORES, part=PARTS)
