"""Scores of verdicts on segments, with intervals by bootstrap over images.

The segments of an image are alike, so images are drawn, not segments: each draw takes as many as
there are, with replacement, and a segment counts as often as its image was drawn.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from metaseg_tf.errors import InputError

__all__ = ["BINS", "DRAWS", "SCORES", "Scorer", "draw_images", "expand_percentiles"]

DRAWS = 1000
_LEVEL = 0.95
#: Bins of equally many segments, of the calibration error.
BINS = 15
#: Fewer images say nothing about how far others are off.
_LEAST_IMAGES = 3
#: Scores in the order of `Scorer.compute`, with their names in print; docs/statistics.md has the
#: definitions. The ECE by chance is what a calibrated model of the same probabilities would show.
SCORES = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "accuracy": "accuracy",
    "cost": "mean cost",
    "ece": "calibration error (ECE)",
    "ece_chance": "ECE by chance, if calibrated",
    "brier": "Brier score",
    "aurc": "AURC",
    "augrc": "AUGRC",
    "r2": "R²",
    "r2_clipped": "R², clipped to [0, 1]",
    "sigma": "σ",
    "sigma_clipped": "σ, clipped to [0, 1]",
}
_ECE, _CHANCE = map(list(SCORES).index, ("ece", "ece_chance"))
#: Draws times segments that are ranked at a time, which fit into the processor's cache.
_BLOCK = 1 << 15
#: An interval needs a score in at least this share of the draws.
_KNOWN = 0.9


class _Ranking(NamedTuple):
    """Rows from the highest value to the lowest: their order, images, and ends of equal values."""

    order: np.ndarray
    image: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, image: np.ndarray) -> "_Ranking":
        order = np.argsort(-values, kind="stable")
        last = np.diff(values[order], append=np.nan) != 0
        return cls(order, image[order], np.append(0, 1 + np.flatnonzero(last)))

    def cumulate(self, counts: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Rows, and sum of their ``values``, down to the end of each run of equal values.

        Float64 [2, draws, 1 + runs] for ``counts`` [draws, m]; the first are 0.
        """
        weights = counts.take(self.image, axis=1)
        sums = np.zeros((2, len(weights), 1 + len(values)))
        np.cumsum(weights, axis=1, out=sums[0, :, 1:])
        np.cumsum(np.multiply(weights, values, out=weights), axis=1, out=sums[1, :, 1:])
        return sums if len(self.ends) > len(values) else sums.take(self.ends, axis=2)


class Scorer:
    """Verdicts on n segments and what they should have been, to be scored for many draws of images.

    These are the ``probability`` of a false positive, float64 [n] in [0, 1], and the ``predicted``
    IoU_adj, float64 [n], not clipped; the true one is in [0, 1]. ``image``, int [n] from 0, numbers
    the images, of which some of the ``n_images`` may have no segment here. ``cost`` is that of
    rejecting a segment that is no false positive, and of keeping one: of a probability of at least
    ``threshold`` segments are rejected, which is the cheaper choice if probabilities are right.
    """

    def __init__(self, probability, predicted, iou_adj, image, n_images, cost=(1.0, 1.0)):
        self.threshold = cost[0] / sum(cost)
        false, clipped = iou_adj == 0, np.clip(predicted, 0, 1)
        rejected = probability >= self.threshold
        self._by_probability = _Ranking.of(probability, image)
        self._by_prediction = _Ranking.of(clipped, image)
        self._false = false[self._by_probability.order].astype(np.float64)
        self._loss = 1 - iou_adj[self._by_prediction.order]
        columns = (
            np.ones(len(image)),
            rejected == false,
            cost[0] * (rejected & ~false) + cost[1] * (false & ~rejected),
            (probability - false) ** 2,
            iou_adj,
            iou_adj**2,
            (predicted - iou_adj) ** 2,
            (clipped - iou_adj) ** 2,
        )
        # What is a sum over segments is a sum over images.
        self._sums = np.stack([np.bincount(image, x, n_images) for x in columns], axis=1)
        bins = np.empty(len(image), np.intp)
        bins[self._by_probability.order] = BINS * np.arange(len(image)) // max(len(image), 1)
        cells, variances = image * BINS + bins, probability * (1 - probability)
        binned = [
            np.bincount(cells, x, n_images * BINS).reshape(n_images, BINS)
            for x in (columns[0], probability, false, variances)
        ]
        # Segments, their probabilities, false positives, and variances of these: [4, images, bins].
        self._binned = np.stack(binned)
        self._gaps = self._binned[2] - self._binned[1]

    def compute(self, counts: np.ndarray) -> np.ndarray:
        """Scores float64 [draws, len(SCORES)] if images count as often as ``counts`` [draws, m].

        NaN where a draw lacks an outcome, or IoU_adj does not vary.
        """
        counts = counts.astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            n, *sums = (counts @ self._sums).T
            right, cost, brier, mean, square, error, clipped = (total / n for total in sums)
            blocks = np.array_split(counts, len(counts) * len(self._loss) // _BLOCK + 1)
            auroc, auprc, aurc, augrc = np.concatenate([self._rank(b) for b in blocks]).T
            ece = np.abs(counts @ self._gaps).sum(axis=1) / n
            # A bin sums many outcomes, so its gap is about normal: this is its mean absolute value.
            chance = np.sqrt(2 / np.pi * (counts @ self._binned[3])).sum(axis=1) / n
            variance = square - mean**2
            variance[variance < 1e-12] = np.nan
            r2, r2_clipped = 1 - error / variance, 1 - clipped / variance
            sigma, sigma_clipped = np.sqrt(error), np.sqrt(clipped)
        found = [auroc, auprc, right, cost, ece, chance, brier, aurc, augrc, r2, r2_clipped]
        return np.stack([*found, sigma, sigma_clipped], axis=1)

    def _rank(self, counts: np.ndarray) -> np.ndarray:
        """AUROC, AUPRC, AURC and AUGRC, float64 [draws, 4]."""
        called, true = self._by_probability.cumulate(counts, self._false)
        kept, lost = self._by_prediction.cumulate(counts, self._loss)
        others, positive, n = called - true, true[:, -1], kept[:, -1]

        def average(weight, total, of):
            return np.einsum("ij,ij->i", np.diff(weight), total[:, 1:] / np.maximum(of[:, 1:], 1))

        def integrate(x, y):
            return np.einsum("ij,ij->i", np.diff(x), y[:, 1:] + y[:, :-1]) / 2

        # Positives times the share of others that are above them; equal values count half.
        auroc = 1 - integrate(true, others) / (positive * others[:, -1])
        auprc = average(true, true, called) / positive
        aurc, augrc = average(kept, lost, kept) / n, integrate(kept, lost) / n**2
        return np.stack([auroc, auprc, aurc, augrc], axis=1)

    def intervals(self, drawn: np.ndarray) -> np.ndarray:
        """Ends [2, len(SCORES)] of 95 % intervals from the scores `compute` gave of many draws.

        They are `expand_percentiles`, but for the calibration error, which is the larger the fewer
        segments there are: Student's t by the jackknife over images, around the error less this
        bias. NaN where one image has all segments, and for the error by chance.
        """
        n = np.count_nonzero(self._sums[:, 0])
        ends = expand_percentiles(drawn, n)
        ends[:, _CHANCE] = np.nan
        if np.isnan(ends[0, _ECE]):
            return ends
        total, segments = self._gaps.sum(axis=0), self._sums[:, 0]
        without = np.abs(total - self._gaps).sum(axis=1) / np.maximum(segments.sum() - segments, 1)
        without = without[segments > 0]
        error = np.sqrt((n - 1) / n * np.sum((without - without.mean()) ** 2))
        t = stats.t.ppf((1 + _LEVEL) / 2, n - 1)
        centre = 2 * np.abs(total).sum() / segments.sum() - np.nanmean(drawn[:, _ECE])
        ends[:, _ECE] = np.clip([centre - t * error, centre + t * error], 0, 1)
        return ends

    def reliability(self, counts: np.ndarray) -> pd.DataFrame:
        """Predicted and observed share of false positives in bins of equally many segments.

        Columns ``segments``, ``predicted``, ``observed``, and ``low`` and ``high``, the ends of a
        95 % interval of the observed share from the draws ``counts`` [draws, m].
        """
        n, predicted, false, _ = self._binned.sum(axis=1)
        with np.errstate(invalid="ignore"):
            drawn = (counts @ self._binned[2]) / (counts @ self._binned[0])
            shares = {"predicted": predicted / n, "observed": false / n}
        low, high = expand_percentiles(drawn, np.count_nonzero(self._sums[:, 0]))
        frame = pd.DataFrame({"segments": n.astype(int)} | shares | {"low": low, "high": high})
        return frame[n > 0].reset_index(drop=True)

    def risk_coverage(self, points: int = 500) -> pd.DataFrame:
        """Mean 1 - IoU_adj of the segments with the highest predictions, by their share.

        Columns ``coverage`` in (0, 1], ``risk``, and ``ideal``, the risk of an order by the truth.
        """
        n = len(self._loss)
        at = np.unique(np.linspace(1, n, min(points, n)).round().astype(int))
        means = (np.cumsum(loss)[at - 1] / at for loss in (self._loss, np.sort(self._loss)))
        return pd.DataFrame(dict(zip(("coverage", "risk", "ideal"), (at / n, *means), strict=True)))


def draw_images(n_images: int, draws: int = DRAWS, *, seed: int = 0) -> np.ndarray:
    """How often each image is drawn, int64 [draws, n_images]."""
    if n_images < 2:
        raise InputError(
            f"intervals: expected at least 2 images, got {n_images}; extract more images"
        )
    rng = np.random.default_rng(seed)
    return rng.multinomial(n_images, np.full(n_images, 1 / n_images), size=draws)


def expand_percentiles(drawn: np.ndarray, n_images: int) -> np.ndarray:
    """Ends [2, k] of 95 % intervals from bootstrap draws [draws, k] over n images.

    Few images scatter less than their population: percentiles are as far out as Student's t and
    n - 1 ask for (expanded percentiles; Hesterberg, 2015). NaN for fewer than three
    images, or where a tenth of the draws has no score.
    """
    ends = np.full((2, drawn.shape[1]), np.nan)
    known = np.isfinite(drawn).mean(axis=0) >= _KNOWN if len(drawn) else np.zeros(0, bool)
    if n_images >= _LEAST_IMAGES and known.any():
        t = stats.t.ppf((1 + _LEVEL) / 2, n_images - 1)
        share = stats.norm.cdf(t * np.sqrt(n_images / (n_images - 1)) * np.array([-1, 1]))
        ends[:, known] = np.nanquantile(drawn[:, known], share, axis=0)
    return ends
