"""Whole images without ground truth: how good they are, and whether they are like others."""

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from metaseg_tf.meta.model import SCORE_COLUMNS

__all__ = ["LEVEL", "SUMMARIES", "compare_images", "rate_images"]

#: Columns of `rate_images` by which images are compared.
SUMMARIES = (
    "segments", "expected_quality", "expected_false_positives", "mean_entropy", "mean_difference",
)  # fmt: skip
#: Probability of a false alarm if images are alike.
LEVEL = 0.05
_PERMUTATIONS = 999
#: Share of its own spread that each summary counts as spreading on its own.
_RIDGE = 0.05


def rate_images(table: pd.DataFrame) -> pd.DataFrame:
    """What the verdicts on its segments say of each image, the worst image first.

    Parameters
    ----------
    table : DataFrame
        Judged segments, with ``image``, ``S``, ``E``, ``D`` and the columns of `MetaModel.score`.

    Returns
    -------
    DataFrame
        ``image``; ``segments``, their number; ``expected_quality`` in [0, 1], the predicted
        IoU_adj of each segment weighted by its pixels: sum S_k * predicted IoU_adj_k / sum S_k;
        ``expected_false_positives``, the sum of probabilities; ``mean_entropy`` and
        ``mean_difference`` in [0, 1], means of E and D over pixels. In rising order of quality.
    """
    area, (predicted, _, false_positive, *_) = table["S"], SCORE_COLUMNS
    parts = table[[predicted, "E", "D"]].mul(area, axis=0)
    parts = parts.assign(S=area, n=1, false=table[false_positive])
    sums = parts.groupby(table["image"].to_numpy(object)).sum()
    means = sums[[predicted, "E", "D"]].div(sums["S"], axis=0)
    values = (sums["n"], means[predicted], sums["false"], means["E"], means["D"])
    rated = pd.DataFrame(dict(zip(SUMMARIES, values, strict=True))).rename_axis("image")
    return rated.sort_values("expected_quality", kind="stable").reset_index()


def compare_images(images: pd.DataFrame, reference: pd.DataFrame) -> tuple[float, np.ndarray]:
    """Whether images may be drawn like others, over all and one by one.

    Over all, it is a permutation test of Hotelling's T2 between the ranks of the ``SUMMARIES``: if
    all images are drawn alike, p is at most `LEVEL` with at most that probability. An image is
    unlike the others if it is further from the middle of all of them and itself (largest distance
    from the median over the median distance) than any of them: which has a probability of 1/(n+1),
    if alike, for n others.

    Parameters
    ----------
    images, reference : DataFrame
        As `rate_images` gives them.

    Returns
    -------
    float, bool array [images]
        The p-value, and which images are unlike all others.
    """
    new, others = (part[list(SUMMARIES)].to_numpy(np.float64) for part in (images, reference))
    both, m, n = np.concatenate([new, others]), len(new), len(others)
    if not m or not n:
        return 1.0, np.zeros(m, bool)
    ranks = rankdata(both, axis=0) - (m + n + 1) / 2
    spread = np.linalg.inv(ranks.T @ ranks + _RIDGE * np.diag((ranks**2).sum(axis=0) + 1e-9))
    # Which images are the new ones: as it is, and by chance.
    is_new = np.tile(np.arange(m + n) < m, (1 + _PERMUTATIONS, 1))
    np.random.default_rng(0).permuted(is_new[1:], axis=1, out=is_new[1:])
    sums = is_new @ ranks
    squares = np.einsum("ij,jk,ik->i", sums, spread, sums, optimize=True)
    p = np.mean(squares >= squares[0] * (1 - 1e-9))

    def is_unlike(image: np.ndarray) -> bool:
        together = np.vstack([image, others])
        distance = np.abs(together - np.median(together, axis=0))
        distance /= np.maximum(np.median(distance, axis=0), 1e-9)
        distance = distance.max(axis=1)
        return bool(distance[0] > distance[1:].max())

    return float(p), np.array([is_unlike(image) for image in new])
