"""Fit a meta model: a classifier and a regressor, scored on images held out.

Unlike Table 2, images stay whole: segments of one image are not independent, and a new image is
what the model is for. Decision records 0030 and 0044 say why the linear model is what it is.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from metaseg_tf import __version__
from metaseg_tf.analysis.base import Estimator
from metaseg_tf.analysis.design import Design, build_design, check_choice
from metaseg_tf.analysis.estimators import ESTIMATORS
from metaseg_tf.analysis.protocol import Protocol, map_splits
from metaseg_tf.analysis.scores import accuracy, auroc, r2, sigma
from metaseg_tf.meta.model import MetaModel, Verdict
from metaseg_tf.runs.run import Manifest
from metaseg_tf.segments.columns import IOU_COLUMNS, groups_in

__all__ = ["IMAGE_PROTOCOL", "fit_meta_model"]

#: Halves of whole images, and nothing of a validation image in the scales.
IMAGE_PROTOCOL = Protocol(splits="image", fit_on="train")
# No column is stretched more than tenfold. A class that was hardly seen would else count as much
# as any other, and its first large segment would be judged by what was rounding in the fit.
_LEAST_SCALE = 0.1
#: Mean scores that differ by no more than this are equal.
_ROUNDING = 1e-12


class _Role(NamedTuple):
    """The method that gives an estimator's verdicts, its scores, and the score it is chosen by."""

    verdicts: str
    scores: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]
    chosen_by: str


_CLASSIFIER = _Role("decision_function", {"acc": accuracy, "auroc": auroc}, "acc")
_REGRESSOR = _Role("predict", {"sigma": sigma, "r2": r2}, "r2")


def fit_meta_model(
    table: pd.DataFrame,
    *,
    meta: str = "linear",
    manifest: Manifest | None = None,
    name: str = "",
    protocol: Protocol = IMAGE_PROTOCOL,
) -> MetaModel:
    """Fit a meta classifier (IoU_adj > 0) and a meta regressor (IoU_adj) that can be kept.

    The linear classifier is the l1-penalised logistic fit at the C with the best mean accuracy on
    the validation halves. The linear regressor is a ridge, since least squares explodes with few
    images, with the largest penalty whose mean R2 there is within one standard error of the best.

    Parameters
    ----------
    table : DataFrame
        A segment table with ground truth, of at least two images.
    meta : str
        One of `metaseg_tf.analysis.estimators.ESTIMATORS`.
    manifest : Manifest, optional
        Of the run that the table is from; says how segments were measured.
    name : str
        What to call the run in the model's provenance.
    protocol : Protocol
        The halves that settings are chosen and scores are taken on, and the path of C.

    Raises
    ------
    InputError
        If the table cannot carry the fits: no ground truth, one image, or one outcome only.
    """
    check_choice("meta", meta, tuple(ESTIMATORS))
    classifier, regressor = ESTIMATORS[meta]
    manifest = manifest or Manifest({})
    design = build_design(table, groups=groups_in(table), least_scale=_LEAST_SCALE)
    best, ranked = _choose(classifier, _CLASSIFIER, design.y, design, protocol)
    best_too, measured = _choose(regressor, _REGRESSOR, design.iou_adj, design, protocol)
    small = table[table["S_in"] == 0]
    iou_adj = (small if len(small) else table)["iou_adj"].to_numpy(np.float64)
    return MetaModel(
        design.columns,
        design.mean,
        design.scale,
        classifier(**best).fit(design.X, design.y),
        regressor(**best_too).fit(design.X, design.iou_adj),
        Verdict(float(iou_adj.mean()), float((iou_adj == 0).mean())),
        manifest.settings.get("convention", "reference"),
        manifest.settings.get("connectivity", 8),
        _describe(table, design, manifest, name)
        | best
        | {f"regressor_{key}" if key in best else key: value for key, value in best_too.items()}
        | {"held_out": ranked | measured},
        manifest.classes,
    )


def _choose(
    estimator: type[Estimator], role: _Role, target: np.ndarray, design: Design, protocol: Protocol
) -> tuple[dict[str, Any], dict[str, dict[str, float]]]:
    """The setting that does best on the validation halves, and its scores there."""
    settings = estimator.settings(protocol)

    def score_split(held_out):
        X = protocol.features(design, ~held_out)
        fits = estimator.fit_each(settings, X[~held_out], target[~held_out])
        verdicts = np.stack([getattr(fit, role.verdicts)(X[held_out]) for fit in fits])
        return [score(verdicts, target[held_out]) for score in role.scores.values()]

    found = np.array(map_splits(score_split, protocol.draw_splits(design)))
    scores = dict(zip(role.scores, found.transpose(1, 2, 0), strict=True))
    decisive = scores[role.chosen_by]
    means, errors = decisive.mean(axis=1), decisive.std(axis=1) / np.sqrt(len(found))
    least = means.max() - estimator.tolerance * errors[means.argmax()] - _ROUNDING
    chosen = int((means >= least).argmax())
    return settings[chosen], {
        name: {"mean": float(values[chosen].mean()), "std": float(values[chosen].std())}
        for name, values in scores.items()
    }


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
