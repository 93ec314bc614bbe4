"""Fit a meta model: a LASSO classifier and a ridge regressor, scored on images held out.

Unlike Table 2, images stay whole: segments of one image are not independent, and a new image is
what the model is for. Decision records 0030 and 0044 say why these two models.
"""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge

from metaseg_tf import __version__
from metaseg_tf.analysis.classification import fit_classification
from metaseg_tf.analysis.design import Design, build_design
from metaseg_tf.analysis.lasso import fit_path
from metaseg_tf.analysis.protocol import Protocol
from metaseg_tf.analysis.scores import r2, sigma
from metaseg_tf.meta.model import Linear, MetaModel, Verdict
from metaseg_tf.runs.run import Manifest
from metaseg_tf.segments.columns import IOU_COLUMNS

__all__ = ["IMAGE_PROTOCOL", "PENALTIES", "fit_meta_model"]

#: Halves of whole images, and nothing of a validation image in the scales.
IMAGE_PROTOCOL = Protocol(splits="image", fit_on="train")
#: Ridge penalties to choose from: sum of squared errors + penalty * sum of squared coefficients.
PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0)
# No column is stretched more than tenfold. A class that was hardly seen would else count as much
# as any other, and its first large segment would be judged by what was rounding in the fit.
_LEAST_SCALE = 0.1


def fit_meta_model(
    table: pd.DataFrame,
    *,
    manifest: Manifest | None = None,
    name: str = "",
    protocol: Protocol = IMAGE_PROTOCOL,
) -> MetaModel:
    """Fit a meta classifier (IoU_adj > 0) and a meta regressor (IoU_adj) that can be kept.

    The classifier is the l1-penalised logistic fit at the C with the best mean accuracy on the
    validation halves. The regressor is a ridge, since least squares explodes with few images, with
    the largest of ``PENALTIES`` whose mean R2 there is within one standard error of the best.

    Parameters
    ----------
    table : DataFrame
        A segment table with ground truth, of at least two images.
    manifest : Manifest, optional
        Of the run that the table is from; says how segments were measured.
    name : str
        What to call the run in the model's provenance.
    protocol : Protocol
        The halves that C is chosen and scores are taken on.

    Raises
    ------
    InputError
        If the table cannot carry the fits: no ground truth, one image, or one outcome only.
    """
    manifest = manifest or Manifest({})
    design = build_design(table, least_scale=_LEAST_SCALE)
    classification = fit_classification(design, protocol)
    C = classification.best_c
    penalty, scores = _choose_penalty(design, protocol)
    path = fit_path(design.X, design.y, [C])
    scores = _held_out(classification.tidy(), "penalized") | scores
    return MetaModel(
        design.columns,
        design.mean,
        design.scale,
        Linear(path.coef[0], float(path.intercept[0])),
        _fit_regressor(design.X, design.iou_adj, penalty),
        _judge_without_interior(table),
        manifest.settings.get("convention", "reference"),
        manifest.settings.get("connectivity", 8),
        _describe(table, design, manifest, name) | {"C": C, "penalty": penalty, "held_out": scores},
    )


def _fit_regressor(X: np.ndarray, target: np.ndarray, penalty: float) -> Linear:
    fit = Ridge(alpha=penalty).fit(X, target)
    return Linear(fit.coef_, float(fit.intercept_))


def _judge_without_interior(table: pd.DataFrame) -> Verdict:
    """Means over the segments without interior; over all segments where there are none."""
    small = table[table["S_in"] == 0]
    iou_adj = (small if len(small) else table)["iou_adj"].to_numpy(np.float64)
    return Verdict(float(iou_adj.mean()), float((iou_adj == 0).mean()))


def _held_out(tidy: pd.DataFrame, model: str) -> dict[str, dict[str, float]]:
    rows = tidy[(tidy["model"] == model) & (tidy["part"] == "validation")]
    return {score: _spread(part["value"]) for score, part in rows.groupby("score", sort=False)}


def _choose_penalty(design: Design, protocol: Protocol) -> tuple[float, dict]:
    """The penalty by the one-standard-error rule on the validation halves, and its scores there."""
    sigmas, r2s = [], []
    for held_out in protocol.draw_splits(design):
        X, true = protocol.features(design, ~held_out), design.iou_adj
        fits = (_fit_regressor(X[~held_out], true[~held_out], penalty) for penalty in PENALTIES)
        predicted = np.stack([fit(X[held_out]) for fit in fits])
        sigmas.append(sigma(predicted, true[held_out]))
        r2s.append(r2(predicted, true[held_out]))
    means, errors = np.mean(r2s, axis=0), np.std(r2s, axis=0) / np.sqrt(len(r2s))
    best = means.argmax()
    chosen = int(np.flatnonzero(means >= means[best] - errors[best])[-1])
    scores = {"sigma": np.array(sigmas), "r2": np.array(r2s)}
    return PENALTIES[chosen], {name: _spread(found[:, chosen]) for name, found in scores.items()}


def _spread(values) -> dict[str, float]:
    return {"mean": float(np.mean(values)), "std": float(np.std(values))}


def _describe(table: pd.DataFrame, design: Design, manifest: Manifest, name: str) -> dict[str, Any]:
    return {
        "run": name,
        "settings": manifest.settings,
        "versions": {"metaseg-tf": __version__} | manifest.versions,
        "images": int(table["image"].nunique()),
        "segments": len(table),
        "with_interior": len(design),
        "false_positives": int(np.sum(~design.y)),
        "target": IOU_COLUMNS[1],
    }
