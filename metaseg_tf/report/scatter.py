"""Predicted against true IoU_adj of all segments, for the interactive scatter plot."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from metaseg_tf.report.packing import pack_array

__all__ = ["MAX_POINTS", "pack_points"]

#: More points would neither be told apart nor fit into a page of a few MB.
MAX_POINTS = 60_000
#: Values go as integers of this step; the linear prediction can leave [0, 1].
_STEPS = 10_000


def pack_points(table: pd.DataFrame, images: Sequence[str]) -> dict[str, Any]:
    """The judged segments of a run, or an even sample of them, as packed columns.

    Parameters
    ----------
    table : DataFrame
        As ``JudgedRun.table``.
    images : sequence of str
        Names of all images of the run; points say which by position.

    Returns
    -------
    dict
        ``total``, ``count`` and ``step``, and by name the arrays that ``metaseg.unpack`` takes.
    """
    judged = table[table["iou_adj_linear"].notna()]
    shown = judged.iloc[_sample(len(judged))]
    positions = pd.Categorical(shown["image"], categories=list(images)).codes
    columns = {
        "image": positions.astype(np.uint32),
        "segment": shown["segment"].to_numpy(np.uint32),
        "class_id": shown["class_id"].to_numpy(np.uint8),
        "S": shown["S"].to_numpy(np.uint32),
        "iou_adj": _to_steps(shown["iou_adj"]),
        "predicted": _to_steps(shown["iou_adj_linear"]),
    }
    packed = {name: pack_array(column) for name, column in columns.items()}
    return {"total": len(judged), "count": len(shown), "step": 1 / _STEPS, **packed}


def _sample(n: int) -> np.ndarray:
    """All positions, or ``MAX_POINTS`` of them drawn with a fixed seed, in order."""
    if n <= MAX_POINTS:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, MAX_POINTS, replace=False))


def _to_steps(values: pd.Series) -> np.ndarray:
    return np.rint(values.clip(-3, 3).to_numpy(float) * _STEPS).astype(np.int16)
