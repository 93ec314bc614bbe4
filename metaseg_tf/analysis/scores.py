"""The four scores of Table 2, each for many predictions [..., n] of targets [n] at once."""

import itertools

import numpy as np
import pandas as pd

from metaseg_tf.errors import InputError, ShapeError, number_of

__all__ = ["FEW", "accuracy", "auroc", "group_by_size", "r2", "score_groups", "sigma"]

#: With fewer rows of either outcome a score says more about chance than about the model.
FEW = 10
#: Smallest areas of the groups by size, in pixels.
_SIZES = (1, 100, 1000, 10_000, 100_000)


def accuracy(logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Share of rows, [...] in [0, 1], whose outcome y (bool) positive log-odds predict."""
    y = _check_rows(logits, y, bool)
    return np.mean((np.asarray(logits) > 0) == y, axis=-1)


def auroc(logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Area under the ROC curve: how often a positive outranks a negative, ties counting half.

    Any score that rises with the chance of ``True`` will do for the logits; a constant one has an
    area of 0.5. Raises InputError if one outcome is missing, which leaves the area undefined.
    """
    y = _check_rows(logits, y, bool)
    if y.all() or not y.any():
        raise InputError(
            f"auroc: expected both outcomes (IoU_adj = 0 and > 0), got {int(y.sum())} of "
            f"{len(y)} rows with IoU_adj > 0; extract more images"
        )
    logits = np.asarray(logits)
    # Looking the fewer up among the others takes half the time that the other way would.
    fewer, others = sorted((y, ~y), key=np.count_nonzero)
    sought, ranked = (np.sort(logits.reshape(-1, len(y))[:, rows]) for rows in (fewer, others))
    won = np.array(list(map(_count_outranked, sought, ranked))).reshape(logits.shape[:-1])
    pairs = 2 * sought.shape[1] * ranked.shape[1]
    return (won if fewer is y else pairs - won) / pairs


def sigma(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Root mean squared error, in units of the target."""
    true = _check_rows(predicted, true, float)
    return np.sqrt(np.mean((predicted - true) ** 2, axis=-1))


def r2(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Coefficient of determination: 1 - MSE / variance of ``true``; InputError if that is 0."""
    true = _check_rows(predicted, true, float)
    variance = np.var(true)
    if variance == 0:
        raise InputError(
            f"r2: expected a target that varies, got {number_of(len(true), 'row')} of one value; "
            "extract more images"
        )
    return 1 - sigma(predicted, true) ** 2 / variance


def group_by_size(area: np.ndarray) -> dict[str, np.ndarray]:
    """Rows, bool [n], of each group of similar areas in pixels, by its name."""
    groups = {}
    for low, high in itertools.pairwise((*_SIZES, np.inf)):
        upper = f"to {high - 1:.0f}" if high < np.inf else "and more"
        groups[f"{low} {upper} pixels"] = (area >= low) & (area < high)
    return groups


def score_groups(
    probability: np.ndarray, y: np.ndarray, group: np.ndarray, held_out: np.ndarray
) -> pd.DataFrame:
    """AUROC and calibration (in the large) of probabilities within each group of rows.

    ``probability``, float64 [splits, n] in [0, 1], is that of ``y`` (bool [n]) by the model of each
    split, which was not fitted to the rows ``held_out`` (bool [splits, n]); ``group`` is int [n].

    By group, these are ``n``, of which ``positive``, and the means over splits of ``auroc``,
    ``predicted`` and ``observed`` in [0, 1] and ``gap``, predicted minus observed; their population
    standard deviations as ``auroc_std`` and so on, NaN for one split. All are NaN with fewer than 2
    `FEW` rows, and the AUROC with fewer than `FEW` of either outcome.
    """
    rows = pd.DataFrame({"group": group, "observed": y})
    splits = []
    for predicted, held in zip(probability, held_out, strict=True):
        groups = rows.assign(predicted=predicted)[held].groupby("group")
        areas = {
            name: auroc(own["predicted"], own["observed"])
            for name, own in groups
            if own["observed"].nunique() == 2
        }
        splits.append(groups.mean().assign(auroc=pd.Series(areas, dtype=float)))
    scores = pd.concat(splits).assign(gap=lambda found: found["predicted"] - found["observed"])
    over = scores.groupby(level="group")
    spread = over.std(ddof=0 if len(splits) > 1 else 1)
    scores = over.mean().join(spread.add_suffix("_std"))
    counts = rows.groupby("group")["observed"].agg(n="size", positive="sum")
    scores = scores.reindex(counts.index).where(counts["n"] >= 2 * FEW)
    clear = np.minimum(counts["positive"], counts["n"] - counts["positive"]) >= FEW
    areas = ["auroc", "auroc_std"]
    return counts.join(scores.assign(**scores[areas].where(clear)))


def _count_outranked(sought, ranked):
    """Twice the number of pairs in which a value sought is larger than a ranked one, ties once."""
    below = up_to = np.searchsorted(ranked, sought)
    if np.any(ranked.take(below, mode="clip") == sought):
        up_to = np.searchsorted(ranked, sought, side="right")
    return below.sum() + up_to.sum()


def _check_rows(predicted, true, dtype):
    true = np.asarray(true, dtype)
    if true.ndim != 1 or np.shape(predicted)[-1:] != true.shape or not len(true):
        raise ShapeError(
            f"scores: expected predictions [..., n] for targets [n], n >= 1, got "
            f"{list(np.shape(predicted))} for {list(true.shape)}; pass one model per row"
        )
    return true
