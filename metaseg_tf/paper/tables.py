"""The paper's tables, laid out as printed, from the segment tables of one or more runs."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from metaseg_tf.errors import InputError
from metaseg_tf.paper.layout import PrintedTable
from metaseg_tf.schema import METRIC_COLUMNS

__all__ = ["TABLE_1_COLUMNS", "compute_correlations", "count_segments", "table_1"]

#: The columns of the segment table that table 1 needs.
TABLE_1_COLUMNS = [*METRIC_COLUMNS, "iou_adj"]

# As printed: each row of table 1 holds two metrics side by side.
_TABLE_1_PAIRS = (
    ("E", "D"),
    ("E_bd", "D_bd"),
    ("E_in", "D_in"),
    ("E_rel", "D_rel"),
    ("E_rel_in", "D_rel_in"),
    ("S", "S_rel"),
    ("S_bd", "S_rel_in"),
    ("S_in", None),
)


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
        If the table has no ground truth, or fewer than two segments with interior.
    """
    inner = _with_interior(table)
    if len(inner) < 2:
        raise InputError(
            f"table 1: expected at least 2 segments with interior, got {len(inner)}; "
            "extract more images"
        )
    metrics = inner[list(METRIC_COLUMNS)].to_numpy(float)
    return pd.Series(_pearson(metrics, inner["iou_adj"].to_numpy()), METRIC_COLUMNS, name="rho")


def count_segments(table: pd.DataFrame) -> dict[str, int]:
    """Segments, those with interior, and of these the false positives (IoU_adj = 0)."""
    inner = _with_interior(table)
    return {
        "segments": len(table),
        "with_interior": len(inner),
        "false_positives": int((inner["iou_adj"] == 0).sum()),
    }


def table_1(runs: Mapping[str, pd.DataFrame]) -> PrintedTable:
    """Table 1: correlations with IoU_adj, one column a run in each of its two halves.

    Parameters
    ----------
    runs : mapping
        Name of a run, such as "XC" -> its segment table.
    """
    rho = {name: compute_correlations(table) for name, table in runs.items()}
    header = ("metric", *rho) * 2
    rows = tuple(_half(left, rho) + _half(right, rho) for left, right in _TABLE_1_PAIRS)
    counts = "; ".join(
        f"{name}: {c['segments']} segments, {c['with_interior']} with interior, "
        f"of these {c['false_positives']} with IoU_adj = 0"
        for name, c in ((name, count_segments(table)) for name, table in runs.items())
    )
    return PrintedTable("table1", f"Correlation with IoU_adj. {counts}.", header, rows)


def _half(metric: str | None, rho: Mapping[str, pd.Series]) -> tuple[str, ...]:
    if metric is None:
        return ("",) * (len(rho) + 1)
    values = (series[metric] for series in rho.values())
    return (metric, *("n/a" if np.isnan(v) else f"{v:.5f}" for v in values))


def _with_interior(table: pd.DataFrame) -> pd.DataFrame:
    if "iou_adj" not in table:
        raise InputError(
            "table: expected a column iou_adj, found none; extract with ground truth first"
        )
    return table[table["S_in"] > 0]


def _pearson(columns: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Correlation of each column of [n, p] with the target [n]; NaN for constants."""
    centred = columns - columns.mean(0)
    other = target - target.mean()
    norms = np.sqrt((centred**2).sum(0) * (other**2).sum())
    constant = (np.ptp(columns, axis=0) == 0) | (np.ptp(target) == 0)
    return np.divide(other @ centred, norms, out=np.full(len(norms), np.nan), where=~constant)
