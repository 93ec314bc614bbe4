"""Fit a meta model: estimators for segments with and without interior, scored on held-out images.

Unlike Table 2, images stay whole: segments of one image are not independent, and a new image is
what the model is for. Decision record 0055 says why the model is what it is.
"""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from metaseg_tf import __version__
from metaseg_tf.analysis.base import Classifier, Estimator
from metaseg_tf.analysis.design import Design, build_design, check_choice, standardise
from metaseg_tf.analysis.estimators import ESTIMATORS, Lasso, Ridge
from metaseg_tf.analysis.protocol import PAPER_PROTOCOL, Protocol, image_folds, map_splits
from metaseg_tf.errors import InputError
from metaseg_tf.meta.model import SCORE_COLUMNS, MetaModel, SegmentFit, Spread, tabulate_verdicts
from metaseg_tf.meta.promise import calibrate, check_promise
from metaseg_tf.meta.score import Scores, compare_scores, score
from metaseg_tf.runs.run import Manifest
from metaseg_tf.segments.columns import IOU_COLUMNS, PAPER_GROUPS, groups_in
from metaseg_tf.segments.truth import check_truth

__all__ = ["ASIDE", "BEST", "LEAST_SCALE", "fit_meta_model", "judge_held_out"]

#: In place of an estimator: boosting if it is better than the linear model by more than chance.
BEST = "best"
#: One in this many images is set aside for promises: they hold for a model not fitted on it.
ASIDE = 3
_INTERIOR = ("interior", "with interior")
#: No column is stretched more than tenfold. A class that was hardly seen would else count as much
#: as any other, and its first large segment would be judged by what was rounding in the fit.
LEAST_SCALE = 0.1
#: Held-out segments behind each knot of the spread, and the most knots.
_PER_KNOT, _KNOTS = 50, 10
#: Sums of losses that differ by no more than this are equal.
_ROUNDING = 1e-9


def fit_meta_model(
    table: pd.DataFrame,
    *,
    meta: str = "linear",
    promise: Mapping[str, float] | None = None,
    intervals: float | None = None,
    manifest: Manifest | None = None,
    name: str = "",
    protocol: Protocol = PAPER_PROTOCOL,
) -> MetaModel:
    """Fit a meta classifier (IoU_adj > 0) and a meta regressor (IoU_adj) that can be kept.

    Their features are the paper's metrics, the predicted class, and the further metrics that the
    table holds; a linear model has these only if they make it better by more than chance. Settings
    are chosen, and the scores in the model's provenance found, on folds of images, each held out
    once: "linear" has the C of an l1-penalised logistic fit with the least log loss, and the
    largest penalty of a ridge whose squared error is within a standard error of the least;
    "boosting" the numbers and depths of trees with the least log loss and squared error.

    Parameters
    ----------
    table : DataFrame
        A segment table with ground truth, of at least two images.
    meta : str
        One of `metaseg_tf.analysis.estimators.ESTIMATORS`, or "best": "boosting" if it is better
        than "linear" by more than chance, else "linear". That is, on held-out segments with
        interior AUROC or R2 is higher, and neither is lower, by the 95 % interval of the paired
        difference over images.
    promise, intervals : optional
        As for `metaseg_tf.calibrate`, on a third of the images, drawn at random and not fitted on.
    manifest : Manifest, optional
        Of the run that the table is from; says how segments were measured.
    name : str
        What to call the run in the model's provenance.
    protocol : Protocol
        Its path of C is what the classifier's is chosen from.

    Raises
    ------
    InputError
        If there is no ground truth, one image or outcome only, or too few images for a promise.
    """
    check_choice("meta", meta, (*ESTIMATORS, BEST))
    if promise is not None or intervals is not None:
        check_truth(table)
        images = np.sort(table["image"].unique())
        check_promise(promise, intervals, len(images), ASIDE)
        order = np.random.default_rng(0).permutation(len(images))
        aside = table["image"].isin(images[order[: len(images) // ASIDE]])
        fitted, others = (table[rows].reset_index(drop=True) for rows in (~aside, aside))
        model = fit_meta_model(fitted, meta=meta, manifest=manifest, name=name, protocol=protocol)
        return calibrate(model, others, promise=promise, intervals=intervals)
    about = manifest or Manifest({}), name, protocol
    groups = (*groups_in(table), "prediction")
    linear, scores = _fit_scored(table, "linear", (*PAPER_GROUPS, "prediction"), *about)
    if set(groups) > {*PAPER_GROUPS, "prediction"}:
        wide, its_scores = _fit_scored(table, "linear", groups, *about)
        further, found = _compare(scores, its_scores)
        linear, scores = (wide, its_scores) if further else (linear, scores)
        linear.provenance["further_metrics"] = {"kept": further, **found}
    if meta == "linear":
        return linear
    other = "boosting" if meta == BEST else meta
    model, its_scores = _fit_scored(table, other, groups, *about)
    better, found = _compare(scores, its_scores)
    kept = linear if meta == BEST and not better else model
    kept.provenance["against_linear"] = {"meta": other, "better": better, **found}
    return kept


def _compare(scores: Scores, others: Scores) -> tuple[bool, dict[str, Any]]:
    """Whether others are better by more than chance, and the differences of AUROC and R2."""
    found = compare_scores(scores, others).set_index(["group", "of", "score"])
    found = found.loc[_INTERIOR].loc[["auroc", "r2"]]
    better = bool((found["low"] > 0).any() and not (found["high"] < 0).any())
    return better, found.astype(object).where(found.notna(), None).to_dict(orient="index")


def _fit_scored(
    table: pd.DataFrame, meta: str, groups: Collection[str],
    manifest: Manifest, name: str, protocol: Protocol,
) -> tuple[MetaModel, Scores]:  # fmt: skip
    """A model of some groups of features, and its scores on held-out images."""
    features = {"groups": groups, "least_scale": LEAST_SCALE}
    inside = outside = build_design(table, **features)
    folds = image_folds(table["image"].to_numpy())
    interior, chosen, judged = _fit(inside, folds, meta, protocol)
    try:
        outside = build_design(table, **features, interior=False)
        no_interior, _, judged_too = _fit(outside, folds, meta, protocol)
    except InputError:  # none, too few, or all alike
        no_interior, judged_too = _constant(outside)
    held_out = pd.DataFrame(np.nan, table.index, list(SCORE_COLUMNS))
    held_out.iloc[outside.rows], held_out.iloc[inside.rows] = judged_too, judged
    scores = score(table.assign(**held_out), by=("interior",))
    settings = manifest.settings
    provenance = {
        "run": name,
        "settings": settings,
        "versions": {"metaseg-tf": __version__} | manifest.versions,
        "images": int(table["image"].nunique()),
        "segments": len(table),
        "with_interior": len(inside),
        "false_positives": int(np.sum(~inside.y)),
        "target": IOU_COLUMNS[1],
        "meta": meta,
        **chosen,
        "held_out": scores.to_json(*_INTERIOR),
        "held_out_all": scores.to_json("all"),
        "fitted_on": sorted(table["image"].unique()),
    }
    measured = settings.get("convention", "reference"), settings.get("connectivity", 8)
    fits = inside.columns, interior, no_interior
    return MetaModel(*fits, *measured, provenance, manifest.classes), scores


def _fit(
    design: Design, folds: np.ndarray, meta: str, protocol: Protocol
) -> tuple[SegmentFit, dict[str, Any], np.ndarray]:
    """The fit of all rows, what was chosen, and verdicts [n, SCORE_COLUMNS] on held-out images."""
    (best, best_too), log_odds, predicted = judge_held_out(design, folds, meta, protocol)
    classifier, regressor = ESTIMATORS[meta]
    spread = _measure_spread(predicted, design.iou_adj)
    fit = SegmentFit(
        *(design.mean, design.scale),
        classifier(**best).fit(design.X, design.y),
        regressor(**best_too).fit(design.X, design.iou_adj),
        spread,
    )
    chosen = best | {f"regressor_{key}" if key in best else key: x for key, x in best_too.items()}
    return fit, chosen, tabulate_verdicts(predicted, log_odds, spread)


def judge_held_out(
    design: Design, folds: np.ndarray, meta: str, protocol: Protocol
) -> tuple[tuple[dict[str, Any], dict[str, Any]], np.ndarray, np.ndarray]:
    """Settings of both estimators, and log-odds [n] and predictions [n] on images held out.

    ``folds`` [k, rows of the table] are masks of these.
    """
    classifier, regressor = ESTIMATORS[meta]
    folds = folds[:, design.rows]
    best, log_odds = _choose(classifier, design, design.y, folds, protocol)
    best_too, predicted = _choose(regressor, design, design.iou_adj, folds, protocol)
    return (best, best_too), log_odds, predicted


def _choose(
    estimator: type[Estimator],
    design: Design,
    target: np.ndarray,
    folds: np.ndarray,
    protocol: Protocol,
) -> tuple[dict[str, Any], np.ndarray]:
    """The setting chosen, and its verdicts [n] on held-out images.

    It is the first whose loss is at most ``tolerance`` standard errors above the least one, by
    images and for their difference: log loss of a classifier, squared error of a regressor.
    """
    settings = estimator.settings(protocol, design.columns)
    classifies = issubclass(estimator, Classifier)
    method = estimator.decision_function if classifies else estimator.predict
    verdicts = np.empty((len(settings), len(target)))

    def judge(held_out: np.ndarray) -> None:
        X, *_ = standardise(design.X, ~held_out, LEAST_SCALE / design.scale)
        fits = estimator.fit_each(settings, X[~held_out], target[~held_out])
        verdicts[:, held_out] = [method(fit, X[held_out]) for fit in fits]

    folds = [held_out for held_out in folds if held_out.any()]
    if len(folds) < 2:
        raise InputError("fit: expected segments of at least 2 images, got 1; extract more images")
    map_splits(judge, folds)
    if classifies:
        losses = np.logaddexp(0, np.where(target, -verdicts, verdicts))
    else:
        losses = (verdicts - target) ** 2
    images, number = np.unique(design.image, return_inverse=True)
    excess = losses - losses[losses.mean(axis=1).argmin()]
    by_image = np.array([np.bincount(number, row, len(images)) for row in excess])
    error = by_image.std(axis=1) * np.sqrt(len(images))
    chosen = int((by_image.sum(axis=1) <= estimator.tolerance * error + _ROUNDING).argmax())
    return settings[chosen], verdicts[chosen]


def _constant(design: Design) -> tuple[SegmentFit, np.ndarray]:
    """One verdict for all segments, where they are too few or too much alike for a fit."""
    p, n, kept = len(design.columns), len(design), int(design.y.sum())
    predicted = np.full(n, design.iou_adj.mean())
    # Half a segment of either outcome more, so that the log-odds are finite.
    log_odds = np.full(n, np.log((kept + 0.5) / (n - kept + 0.5)))
    spread = _measure_spread(predicted, design.iou_adj)
    estimators = (
        kind.from_json({"coef": [0.0] * p, "intercept": float(level[0])}, p)
        for kind, level in ((Lasso, log_odds), (Ridge, predicted))
    )
    fit = SegmentFit(np.zeros(p), np.ones(p), *estimators, spread)
    return fit, tabulate_verdicts(predicted, log_odds, spread)


def _measure_spread(predicted: np.ndarray, true: np.ndarray) -> Spread:
    error, n = true - predicted, len(true)
    order = np.argsort(predicted, kind="stable")
    groups = np.array_split(order, np.clip(n // _PER_KNOT, 1, _KNOTS))
    knots = np.array([predicted[rows].mean() for rows in groups])
    sigma = np.array([np.sqrt(np.mean(error[rows] ** 2)) for rows in groups])
    ratio = error / np.maximum(np.interp(predicted, knots, sigma), 1e-9)
    # As many further out as a new segment among n + 1 asks for.
    share = min(0.975 * (n + 1) / n, 1.0)
    low, high = np.quantile(ratio, [1 - share, share])
    return Spread(knots, np.maximum(sigma, 1e-9), float(low), float(high))
