"""Counts of segments, and how each metric goes with IoU_adj: what table 1 is made of."""

import numpy as np
import pandas as pd

from metaseg_tf.analysis.design import check_finite
from metaseg_tf.errors import InputError
from metaseg_tf.segments.columns import METRIC_COLUMNS
from metaseg_tf.segments.truth import check_truth

__all__ = ["TABLE_1_COLUMNS", "compute_correlations", "count_segments"]

#: The columns of the segment table that table 1 needs.
TABLE_1_COLUMNS = ["image", *METRIC_COLUMNS, "iou_adj"]


def compute_correlations(table: pd.DataFrame) -> pd.Series:
    """Pearson correlation of each metric with IoU_adj over segments with interior (table 1).

    Parameters
    ----------
    table : DataFrame
        A segment table with ground truth.

    Returns
    -------
    Series
        Metric -> rho in [-1, 1]; NaN where a metric or IoU_adj is constant.

    Raises
    ------
    InputError
        If the table has no ground truth, fewer than two segments with interior, or NaN in them.
    """
    inner = _with_interior(table)
    if len(inner) < 2:
        raise InputError(
            f"table 1: expected at least 2 segments with interior, got {len(inner)}; "
            "extract more images"
        )
    check_finite(inner, (*METRIC_COLUMNS, "iou_adj"))
    metrics = inner[list(METRIC_COLUMNS)].to_numpy(float)
    return pd.Series(_pearson(metrics, inner["iou_adj"].to_numpy()), METRIC_COLUMNS, name="rho")


def count_segments(table: pd.DataFrame) -> dict[str, int]:
    """All segments, "segments" with interior, and of these the false positives (IoU_adj = 0)."""
    inner = _with_interior(table)
    return {
        "all_segments": len(table),
        "segments": len(inner),
        "false_positives": int((inner["iou_adj"] == 0).sum()),
    }


def _with_interior(table: pd.DataFrame) -> pd.DataFrame:
    check_truth(table)
    return table[table["S_in"] > 0]


def _pearson(columns: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Correlation of each column of [n, p] with the target [n]; NaN for constants."""
    centred = columns - columns.mean(0)
    other = target - target.mean()
    norms = np.sqrt((centred**2).sum(0) * (other**2).sum())
    constant = (np.ptp(columns, axis=0) == 0) | (np.ptp(target) == 0)
    return np.divide(other @ centred, norms, out=np.full(len(norms), np.nan), where=~constant)
