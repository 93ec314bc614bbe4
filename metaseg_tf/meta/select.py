"""What to label next: where labels are expected to mend most of the network for their clicks.

After MetaBox+ (Colling et al., 2020), with segments in place of its boxes.
"""

import numpy as np
import pandas as pd

from metaseg_tf.errors import InputError, check_choice
from metaseg_tf.meta.model import SCORE_COLUMNS
from metaseg_tf.runs.run import Run
from metaseg_tf.segments.columns import BOX, check_table

__all__ = ["load_judged", "rank_images", "rank_segments", "select"]

#: Clicks of a polygon's corners: the fewest it has, and pixels of a segment's boundary for each
#: further one; fitted to polygons within two pixels of the outlines of drawn scenes' segments.
_CORNERS, _PIXELS_A_CLICK = 3, 28
_PREDICTED, _, _FALSE_POSITIVE, *_ = SCORE_COLUMNS


def load_judged(run: Run) -> pd.DataFrame:
    """What `select` needs of a folder of ``metaseg-tf predict``, else InputError."""
    if "model" not in run.manifest.settings:
        raise InputError(
            f"{run.path}: expected judged images, got a run without verdicts; judge the images "
            "with metaseg-tf predict"
        )
    names = ["image", "segment", "class_id", *BOX, "S", "S_bd", _PREDICTED, _FALSE_POSITIVE]
    return check_table(run.load(names), str(run.path), whole=False)


def rank_segments(table: pd.DataFrame) -> pd.DataFrame:
    """Judged segments, most expected wrong pixels first.

    They get ``expected_wrong``, S * (1 - predicted IoU_adj) in pixels (all of a segment without a
    verdict), and ``clicks``, of an outline: 3, and one for 28 pixels of boundary.
    """
    wrong = table["S"] * (1 - table[_PREDICTED].fillna(0))
    clicks = _CORNERS + (table["S_bd"] / _PIXELS_A_CLICK).round().astype(int)
    ranked = table.assign(expected_wrong=wrong, clicks=clicks)
    return ranked.sort_values("expected_wrong", ascending=False, kind="stable")


def rank_images(ranked: pd.DataFrame) -> pd.DataFrame:
    """Sums over segments of `rank_segments`, the largest expected share of wrong pixels first.

    Columns ``image``, ``segments`` (their number), ``S``, ``expected_wrong`` and ``clicks``.
    """
    sums = ranked.groupby("image")[["S", "expected_wrong", "clicks"]].sum()
    sums.insert(0, "segments", ranked["image"].value_counts())
    worst = (sums["expected_wrong"] / sums["S"]).sort_values(ascending=False, kind="stable")
    return sums.loc[worst.index].reset_index()


def select(table: pd.DataFrame, budget: float, unit: str = "clicks") -> pd.DataFrame:
    """What to label for a budget: regions by clicks, or whole images by their number.

    Parameters
    ----------
    table : DataFrame
        Judged segments, as for `rank_segments`.
    budget : float
        Clicks or images to spend.
    unit : {"clicks", "images"}
        What the budget counts. By clicks, segments are taken in the order of expected wrong
        pixels per click, each that still fits; by images, those with most expected wrong pixels.

    Returns
    -------
    DataFrame
        Rows of `rank_segments` or `rank_images`, with their ``rank`` from 1 in front.

    Raises
    ------
    InputError
        If the unit is neither, or the budget is too small for anything.
    """
    check_choice("unit", unit, ("clicks", "images"))
    ranked = rank_segments(table)
    cost = ranked["clicks"]
    if unit == "images":
        ranked = rank_images(ranked)
        cost = pd.Series(1, ranked.index)
    order = (ranked["expected_wrong"] / cost).sort_values(ascending=False, kind="stable").index
    ranked, cost = ranked.loc[order], cost[order]
    left, rows = budget, []
    for row, price in enumerate(cost):
        if price <= left:
            left -= price
            rows.append(row)
    if not rows and len(ranked):
        raise InputError(
            f"budget: expected at least {cost.min()} {unit}, got {budget:g}; give a larger one"
        )
    chosen = ranked.iloc[rows]
    chosen.insert(0, "rank", np.arange(1, len(chosen) + 1))
    return chosen.reset_index(drop=True)
