"""Is there ground truth, and does it seem right by its confusions with the prediction?"""

import numpy as np
import pandas as pd

from metaseg_tf.data.classes import VOID
from metaseg_tf.errors import InputError

__all__ = ["check_truth", "doubt_truth", "find_classes_in_void"]


def check_truth(table: pd.DataFrame, origin: str = "segment table") -> None:
    """Raise an InputError unless a table, called ``origin``, holds segments with ground truth."""
    if "iou_adj" not in table:
        raise InputError(
            f"{origin}: expected segments with ground truth, got a table without iou_adj; extract "
            "with ground truth first"
        )
    if table.empty:
        raise InputError(
            f"{origin}: expected segments with ground truth, got none: no pixel of any image has "
            "ground truth, as in Cityscapes' split test, or no image is measured; extract images "
            "with labels"
        )


def find_classes_in_void(confusions: np.ndarray) -> np.ndarray:
    """Classes whose pixels the ground truth seems to mark as void; int64 class ids.

    Of two classes that is the one that never occurs, if void does. Of more it is those that never
    occur and are predicted in void more than elsewhere, if they are most of what is predicted
    there: in an ordinary data set void is predicted as classes that occur next to it. There are
    none if no pixel is void, or all are.

    Parameters
    ----------
    confusions : int64 array [C + 1, C]
        As `metaseg_tf.segments.iou.count_confusions` gives it, of an image or summed over many.
    """
    in_void = confusions[-1]
    lacking = confusions[:-1].sum(1) == 0
    if len(lacking) > 2:
        suspected = lacking & (2 * in_void > confusions.sum(0))
        found = suspected & (2 * in_void[suspected].sum() > in_void.sum())
    else:
        found = lacking & in_void.any()
    return np.flatnonzero(found & ~lacking.all())


def doubt_truth(confusions: np.ndarray, void: int = VOID) -> str | None:
    """One line on what seems wrong with ground truth, and what to do; None if nothing does.

    ``confusions`` are as for `find_classes_in_void`; ``void`` is the id of pixels without truth.
    """
    true, covered = confusions[:-1].sum(1), confusions[-1].sum()
    if covered and not true.any():
        return (
            f"no pixel has ground truth: all are void ({void}), as in Cityscapes' split test; take "
            "images with labels"
        )
    found = " or ".join(map(str, find_classes_in_void(confusions)))
    if not found:
        return None
    is_mask = void > 1 and np.flatnonzero(true).tolist() == [0]
    return (
        f"no pixel of the ground truth is of class {found}, and void ({void}), which covers "
        f"{covered / confusions.sum():.1%} of it, seems to stand for that; store class {found} by "
        f"its id, not as {void}" + f" (divide a mask of 0 and {void} by {void})" * is_mask
    )
