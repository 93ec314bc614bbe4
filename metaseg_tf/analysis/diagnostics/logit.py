"""The logistic model of IoU_adj > 0 under diagnosis: what each metric group adds, calibration.

Calibrated: of the segments with a predicted probability of 70 %, 70 % have IoU_adj > 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.discrete.discrete_model import BinaryResultsWrapper, Logit
from statsmodels.stats.proportion import proportion_confint

from metaseg_tf.analysis.design import Design
from metaseg_tf.analysis.diagnostics import clusters
from metaseg_tf.analysis.diagnostics.clusters import HypothesisTest, describe_test
from metaseg_tf.analysis.estimators import Logistic
from metaseg_tf.analysis.logistic import LogisticLoss, Point, minimise_logistic
from metaseg_tf.analysis.protocol import image_splits
from metaseg_tf.analysis.scores import auroc
from metaseg_tf.errors import InputError, number_of
from metaseg_tf.segments.columns import GROUPS, group_of

__all__ = ["Calibration", "LogitFit", "calibrate", "design_effect", "fit_logit", "reliability"]


@dataclass(frozen=True, eq=False)
class LogitFit:
    """Unpenalised logistic fit on a full-rank set of standardised columns."""

    columns: tuple[str, ...]
    results: BinaryResultsWrapper  #: The fit as statsmodels holds it, the intercept first.
    image: np.ndarray  #: Number of each segment's image, int64 [n], from 0.
    without: Mapping[str, Point]  #: The fit without one group of columns, by group.

    def ratio_test(self, group: str) -> HypothesisTest:
        """Likelihood-ratio test of a group, as if all segments were independent."""
        words, inside = self._words(group)
        full, less = -self.results.llf / self.results.nobs, self.without[group].loss
        statistic, q = 2 * self.results.nobs * (less - full), inside.sum()
        about = statistic, f"chi2({q})", stats.chi2.sf(statistic, q)
        return describe_test("LR {group}", *about, full, less, **words)

    def image_test(self, group: str) -> HypothesisTest:
        """The same hypothesis by images; InputError if these are too few."""
        (words, inside), point = self._words(group), self.without[group]
        y, variance = self.results.model.endog > 0, point.miss * (1 - point.miss)
        residuals, odds = np.where(y, 1, -1) * (point.miss, point.margin)
        exog, tested = self.results.model.exog, np.append(False, inside)
        about = clusters.joint_test(exog, tested, residuals, variance, self.image)
        areas = (auroc(values, y) for values in (self.results.fittedvalues, odds))
        return describe_test("{group} by images", *about, *areas, **words)

    def _words(self, group):
        inside = np.array([group_of(name) == group for name in self.columns])
        columns = number_of(int(inside.sum()), f"{GROUPS[group].word} column")
        return {"group": group, "columns": columns}, inside


def fit_logit(design: Design, columns: tuple[str, ...]) -> LogitFit:
    """Fit IoU_adj > 0 on the given columns, and on those without each metric group.

    Raises InputError if one outcome is missing or the columns separate them: there is no fit then.
    """
    X = design.take(columns)
    group = np.array([group_of(name) for name in columns])
    loss, image = LogisticLoss(X, design.y), pd.factorize(design.image)[0]
    points = {}
    for name in ("", *(name for name in GROUPS if name in group)):
        used = np.flatnonzero(group != name)
        points[name], converged = minimise_logistic(loss, used, loss.null)
        if not converged:
            raise InputError(
                f"logit: expected outcomes that the metrics do not separate, got {len(design)} "
                f"segments that {len(used)} columns separate; extract more images"
            )
    full = points.pop("")
    model = Logit(design.y.astype(float), np.column_stack([np.ones(len(X)), X]))
    model.data.xnames, model.data.ynames = ["const", *map(design.say, columns)], "iou_adj > 0"
    start = np.array([full.b, *full.w])
    by_image = {"cov_type": "cluster", "cov_kwds": {"groups": image}} if image.any() else {}
    results = model.fit(start_params=start, method="newton", disp=0, **by_image)
    return LogitFit(columns, results, image, points)


@dataclass(frozen=True, eq=False)
class Calibration:
    """Probabilities [n] against outcomes of images that they were not fitted to."""

    probability: np.ndarray  #: Of y, float64 [n] in [0, 1].
    y: np.ndarray  #: IoU_adj > 0, bool [n].
    image: np.ndarray  #: Number of each segment's image, int64 [n], from 0.

    @cached_property
    def table(self) -> pd.DataFrame:
        """See `reliability`."""
        return reliability(self.probability, self.y, self.image)

    @property
    def brier(self) -> float:
        """Mean squared error of the probabilities; that of the mean outcome is y's variance."""
        return float(np.mean((self.probability - self.y) ** 2))

    def errors(self) -> tuple[float, float]:
        """Expected calibration error, and about the one that true probabilities would show."""
        p, part, table = self.probability, _parts(self.probability), self.table
        error = np.average((table["observed"] - table["predicted"]).abs(), weights=table["n"])
        variance = np.bincount(part, p * (1 - p)) * design_effect(self.y - p, part, self.image)
        return float(error), float(np.sqrt(2 / np.pi * variance).sum() / len(p))

    def __str__(self) -> str:
        prior, (error, chance) = float(self.y.var()), self.errors()
        return (
            f"On images not fitted to: Brier score {self.brier:.4f} (always the mean outcome: "
            f"{prior:.4f}){': of no use on other images' * (self.brier >= prior)}, expected "
            f"calibration error {error:.2%} (by chance alone some {chance:.2%})"
        )

    def test(self) -> HypothesisTest:
        """Hosmer and Lemeshow's test by images; InputError if these are too few."""
        p, part = self.probability, _parts(self.probability)
        # A fit that has run away is certain and wrong: its p (1 - p) says nothing.
        spread = np.maximum(np.bincount(part, p * (1 - p)), np.bincount(part, (self.y - p) ** 2))
        root = np.sqrt(np.maximum(spread, np.finfo(float).tiny))
        scores = _sum_parts(self.y - p, part, self.image) / root
        statistic = float((scores.sum(axis=0) ** 2).sum())
        worst = (self.table["observed"] - self.table["predicted"]).abs().max()
        images = f"signs of {number_of(int(self.image.max()) + 1, 'image')}"
        about = statistic, images, clusters.sign_test(scores, statistic)
        return describe_test("Hosmer-Lemeshow", *about, len(spread), worst)


def calibrate(design: Design, columns: tuple[str, ...], *, engine: str = "lars") -> Calibration:
    """Unpenalised logistic fits on each half of the images, which judge the other half.

    Raises InputError if there is one image, or a half with one outcome.
    """
    X = design.take(columns)
    image, y = pd.factorize(design.image)[0], design.y
    if not image.any():
        raise InputError("calibration: expected at least 2 images, got 1; extract more images")
    half, probability = image_splits(design.image, 1)[0], np.empty(len(y))
    for held_out in (half, ~half):
        fit = Logistic(engine=engine).fit(X[~held_out], y[~held_out])
        probability[held_out] = fit.predict_proba(X[held_out])[:, 1]
    return Calibration(probability, y, image)


def reliability(probability: np.ndarray, y: np.ndarray, image: np.ndarray) -> pd.DataFrame:
    """Predicted and observed shares in 10 groups of equally many segments, one row per group.

    ``probability`` [n] is that of ``y`` (bool [n]), ``image`` (int [n], from 0) the image of each.
    Columns ``n``, ``predicted`` (mean probability), ``observed`` (share of true), ``low`` and
    ``high``: the observed share's 95 % Wilson interval for n over the `design_effect` of images,
    with the quantile of t for their number (Korn and Graubard 1998).
    """
    part = _parts(probability)
    n, hits = np.bincount(part), np.bincount(part, y)
    effect = design_effect(y - (hits / n)[part], part, image)
    level = 2 * stats.norm.sf(stats.t.ppf(0.975, max(image.max(), 1)))
    low, high = proportion_confint(hits / effect, n / effect, level, method="wilson")
    shares = {"predicted": np.bincount(part, probability) / n, "observed": hits / n}
    return pd.DataFrame({"n": n} | shares | {"low": low, "high": high})


def design_effect(residuals: np.ndarray, part: np.ndarray, image: np.ndarray) -> float:
    """How much images raise the variance of sums of residuals in parts of the rows; at least 1."""
    sums, n_images = _sum_parts(residuals, part, image), image.max() + 1
    total = max(float((residuals**2).sum()), np.finfo(float).tiny)
    return max(1.0, float((sums**2).sum()) / total * n_images / max(n_images - 1, 1))


def _parts(probability):
    """Number of the tenth of each row, by rising probability."""
    tenth = np.empty(len(probability), int)
    order = np.argsort(probability, kind="stable")
    for number, rows in enumerate(np.array_split(order, min(10, len(order)))):
        tenth[rows] = number
    return tenth


def _sum_parts(values, part, image):
    """Sums by image and part, float64 [images, parts]."""
    shape = image.max() + 1, part.max() + 1
    return np.bincount(image * shape[1] + part, values, shape[0] * shape[1]).reshape(shape)
