"""Judge the segments of one image from its class probabilities."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from metaseg_tf.meta.model import MetaModel
from metaseg_tf.segments.dispersion import channels_first
from metaseg_tf.segments.table import measure_image

__all__ = ["Judgement", "judge_image"]


class Judgement(NamedTuple):
    """The judged segments of one image, and where they are.

    Attributes
    ----------
    table : DataFrame
        A segment table without ground truth, with the columns of ``MetaModel.score``.
    segments : int32 [H, W]
        Number of the segment that each pixel belongs to.
    pred : uint8 [H, W]
        Predicted class.
    """

    table: pd.DataFrame
    segments: np.ndarray
    pred: np.ndarray


def judge_image(model: MetaModel, probs: np.ndarray, threads: int | None = None) -> Judgement:
    """Measure the segments of one image as the model needs it, and judge each.

    No ground truth is needed; nothing is masked.

    Parameters
    ----------
    model : MetaModel
    probs : float16, float32 or float64 array [H, W, C]
        Class probabilities, as for `metaseg_tf.segment_metrics`.
    threads : int, optional
        As for `metaseg_tf.segments.table.measure_image`.

    Returns
    -------
    Judgement

    Raises
    ------
    SettingsMismatchError
        If the model is for another number of classes.
    ShapeError, InputError
        If ``probs`` holds no distributions [H, W, C].
    """
    probs = np.asarray(probs)
    if probs.ndim == 3 and probs.shape[0] == model.n_classes != probs.shape[-1]:
        raise channels_first(probs.shape)
    if probs.ndim == 3:
        model.check_classes(probs.shape[-1])
    measured = measure_image(
        probs, convention=model.convention, connectivity=model.connectivity, threads=threads
    )
    table = pd.concat([measured.table, model.score(measured.table)], axis=1)
    return Judgement(table, measured.segments, measured.heat.pred)
