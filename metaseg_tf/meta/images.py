"""Whole images without ground truth: how good they are, and whether they are like others."""

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from metaseg_tf.meta.model import SCORE_COLUMNS

__all__ = ["compare_images", "name_summaries", "rate_images", "summarise_images"]

#: Columns of `rate_images`.
SUMMARIES = (
    "segments", "expected_quality", "expected_false_positives", "mean_entropy", "mean_difference",
)  # fmt: skip
#: p-values, over all and of single images, that raise an alarm: 4 % of false ones together, so that
#: 1000 draws show no more than 5 %.
LEVELS = (0.03, 0.01)
_PERMUTATIONS = 999
#: Spread on its own that each summary is given, as a multiple of what it has. Many summaries of few
#: images are correlated by chance, which would hide a shift.
_RIDGE = 3.0


def rate_images(table: pd.DataFrame) -> pd.DataFrame:
    """What the verdicts on its segments say of each image, the worst image first.

    Parameters
    ----------
    table : DataFrame
        Judged segments, with ``image``, ``S``, ``E``, ``D`` and the columns of `MetaModel.score`.

    Returns
    -------
    DataFrame
        In rising order of quality. ``image``; ``segments``, their number; ``expected_quality`` in
        [0, 1], sum S_k * predicted IoU_adj_k / sum S_k; ``expected_false_positives``, the sum of
        probabilities; ``mean_entropy`` and ``mean_difference`` in [0, 1], of E and D over pixels.
    """
    area, (predicted, _, false_positive, *_) = table["S"], SCORE_COLUMNS
    parts = table[[predicted, "E", "D"]].mul(area, axis=0)
    parts = parts.assign(S=area, n=1, false=table[false_positive])
    sums = parts.groupby(table["image"].to_numpy(object)).sum()
    means = sums[[predicted, "E", "D"]].div(sums["S"], axis=0)
    values = (sums["n"], means[predicted], sums["false"], means["E"], means["D"])
    rated = pd.DataFrame(dict(zip(SUMMARIES, values, strict=True))).rename_axis("image")
    return rated.sort_values("expected_quality", kind="stable").reset_index()


def name_summaries(n_classes: int) -> list[str]:
    """Columns of `summarise_images` by which images are compared."""
    return [*SUMMARIES, *(f"segments_{i}" for i in range(n_classes))]


def summarise_images(table: pd.DataFrame, n_classes: int) -> pd.DataFrame:
    """The table of `rate_images`, and how many segments of each class an image has."""
    counts = pd.crosstab(table["image"].to_numpy(object), table["class_id"], rownames=["image"])
    counts = counts.reindex(columns=range(n_classes), fill_value=0).add_prefix("segments_")
    return rate_images(table).merge(counts, on="image")


def compare_images(
    images: pd.DataFrame, reference: pd.DataFrame
) -> tuple[tuple[float, float], np.ndarray]:
    """P-values of images drawn like others, over all and of single ones, and the unlike, bool [m].

    Both tables are of `summarise_images`. Over all, it is a permutation test of Hotelling's T2,
    regularised, between the ranks of all summaries. An image is unlike the n others if it is
    further from the middle of all of them and itself (largest distance of the ``SUMMARIES`` from
    the median over the median distance) than any of them: which has a probability of 1/(n+1), if
    alike. Of k such images p is the probability that the furthest k of all images are new ones.
    """
    columns = reference.columns.drop("image")
    new, others = (part[columns].to_numpy(np.float64) for part in (images, reference))
    both, m, n = np.concatenate([new, others]), len(new), len(others)
    if not m or not n:
        return (1.0, 1.0), np.zeros(m, bool)
    ranks = rankdata(both, axis=0) - (m + n + 1) / 2
    spread = np.linalg.inv(ranks.T @ ranks + _RIDGE * np.diag((ranks**2).sum(axis=0) + 1e-9))
    # Which images are the new ones: as it is, and by chance.
    is_new = np.tile(np.arange(m + n) < m, (1 + _PERMUTATIONS, 1))
    np.random.default_rng(0).permuted(is_new[1:], axis=1, out=is_new[1:])
    sums = is_new @ ranks
    squares = np.einsum("ij,jk,ik->i", sums, spread, sums, optimize=True)
    p = np.mean(squares >= squares[0] * (1 - 1e-9))

    def is_unlike(image: np.ndarray) -> bool:
        together = np.vstack([image, others])[:, columns.isin(SUMMARIES)]
        distance = np.abs(together - np.median(together, axis=0))
        distance /= np.maximum(np.median(distance, axis=0), 1e-9)
        distance = distance.max(axis=1)
        return bool(distance[0] > distance[1:].max())

    unlike = np.array([is_unlike(image) for image in new])
    furthest = np.arange(unlike.sum())
    return (float(p), float(np.prod((m - furthest) / (m + n - furthest)))), unlike
