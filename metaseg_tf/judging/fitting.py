"""Fit a meta model: the paper's two models on all segments, scored on images held out.

Unlike Table 2, images stay whole: segments of one image are not independent, and a new image is
what the model is for. Decision record 0030 says why these two models.
"""

from typing import Any

import numpy as np
import pandas as pd

from metaseg_tf import __version__
from metaseg_tf.analysis.classification import fit_classification
from metaseg_tf.analysis.design import Design, build_design, standardise
from metaseg_tf.analysis.diagnostics.aliases import find_aliases
from metaseg_tf.analysis.lasso import fit_path
from metaseg_tf.analysis.protocol import Protocol
from metaseg_tf.analysis.regression import least_squares
from metaseg_tf.analysis.scores import r2, sigma
from metaseg_tf.judging.meta_model import Linear, MetaModel, Verdict
from metaseg_tf.run import Manifest
from metaseg_tf.schema import IOU_COLUMNS

__all__ = ["IMAGE_PROTOCOL", "fit_meta_model"]

#: Halves of whole images, and nothing of a validation image in the scales.
IMAGE_PROTOCOL = Protocol(splits="image", fit_on="train")


def fit_meta_model(
    table: pd.DataFrame,
    *,
    manifest: Manifest | None = None,
    name: str = "",
    protocol: Protocol = IMAGE_PROTOCOL,
) -> MetaModel:
    """Fit a meta classifier (IoU_adj > 0) and a meta regressor (IoU_adj) that can be kept.

    The classifier is the l1-penalised logistic fit at the C with the best mean accuracy on the
    validation halves. The regressor is least squares on a full-rank subset of the columns, since
    coefficients of aliased columns would amplify the rounding of other data.

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
    design = build_design(table)
    classification = fit_classification(design, protocol)
    C = classification.best_c
    kept = np.isin(design.columns, find_aliases(design).kept)
    path = fit_path(design.X, design.y, [C])
    scores = _held_out(classification.tidy(), "penalized")
    scores |= _score_regression(design, kept, protocol)
    return MetaModel(
        design.columns,
        design.mean,
        design.scale,
        Linear(path.coef[0], float(path.intercept[0])),
        _fit_regressor(design.X, design.iou_adj, kept),
        _judge_without_interior(table),
        manifest.settings.get("convention", "reference"),
        manifest.settings.get("connectivity", 8),
        _describe(table, design, manifest, name) | {"C": C, "held_out": scores},
    )


def _fit_regressor(X: np.ndarray, target: np.ndarray, kept: np.ndarray) -> Linear:
    coef = np.zeros(X.shape[1])
    coef[kept], intercept = least_squares(X[:, kept], target)
    return Linear(coef, intercept)


def _judge_without_interior(table: pd.DataFrame) -> Verdict:
    """Means over the segments without interior; over all segments where there are none."""
    small = table[table["S_in"] == 0]
    iou_adj = (small if len(small) else table)["iou_adj"].to_numpy(np.float64)
    return Verdict(float(iou_adj.mean()), float((iou_adj == 0).mean()))


def _held_out(tidy: pd.DataFrame, model: str) -> dict[str, dict[str, float]]:
    rows = tidy[(tidy["model"] == model) & (tidy["part"] == "validation")]
    return {score: _spread(part["value"]) for score, part in rows.groupby("score", sort=False)}


def _score_regression(design: Design, kept: np.ndarray, protocol: Protocol) -> dict:
    values = {"sigma": [], "r2": []}
    for held_out in protocol.draw_splits(design):
        X, train = standardise(design.X, ~held_out)[0], ~held_out
        model = _fit_regressor(X[train], design.iou_adj[train], kept)
        predicted, true = model(X[held_out]), design.iou_adj[held_out]
        values["sigma"].append(sigma(predicted, true))
        values["r2"].append(r2(predicted, true))
    return {score: _spread(found) for score, found in values.items()}


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
