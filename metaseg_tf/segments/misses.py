"""The ground truth's side: how each of its components is predicted; the network missed some."""

import numpy as np
import pandas as pd

from metaseg_tf.segments.columns import TRUTH
from metaseg_tf.segments.iou import Overlay

__all__ = ["measure_truth"]


def measure_truth(own: np.ndarray, height: int, overlay: Overlay) -> pd.DataFrame:
    """One row per component of the ground truth of an image.

    With G the components of class c of the truth, and K' the segments of class c that share pixels
    with g in G, sIoU(g) is the area of g in K' over that of g and K' without the pixels of K' that
    are in other components of G: SegmentMeIfYouCan (Chan et al., 2021), for each class. That is
    IoU_adj as printed, with truth and prediction in each other's place.

    Parameters
    ----------
    own : float32 array [H * W]
        Probability of each pixel's true class.
    height : int
        Rows H of the image.
    overlay : Overlay
        Of the predicted classes, their segments, and the ground truth.

    Returns
    -------
    DataFrame
        The columns of `metaseg_tf.segments.columns.TRUTH`, by number of the component. Void pixels
        belong to no component and no segment. No rows where all pixels are void.
    """
    spans, owner, hit = overlay.spans, overlay.component, overlay.hit
    n = int(owner.max(initial=0))

    def total(chosen: np.ndarray, of: np.ndarray = owner, many: int = n) -> np.ndarray:
        return np.bincount(of[chosen], spans.lengths[chosen], many + 1)

    def pair(second: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Components with what else is in their chosen spans, and the pixels of each pair."""
        base = int(second.max(initial=0)) + 1
        keys, place = np.unique(owner[chosen].astype(np.int64) * base + second[chosen], False, True)
        return *np.divmod(keys, base), np.bincount(place, spans.lengths[chosen], len(keys))

    known = owner > 0
    wrong = known & ~hit
    size, shared = total(known), total(hit)
    component, segment, common = pair(overlay.segment, hit)
    area, astray = (total(chosen, overlay.segment, overlay.n_segments) for chosen in (known, wrong))
    iou = np.zeros(n + 1)
    np.maximum.at(iou, component, common / (size[component] + area[segment] - common))
    union = size + np.bincount(component, astray[segment], n + 1)

    hidden, class_id = np.full(n + 1, -1), np.zeros(n + 1, int)
    class_id[owner] = overlay.gt
    loser, winner, pixels = pair(overlay.pred, wrong)
    # Of several writes the last one stays: the most pixels, then the lowest class.
    order = np.lexsort((-winner, pixels))
    hidden[loser[order]] = winner[order]

    sums = np.bincount(owner, np.add.reduceat(own, spans.starts, dtype=np.float64), n + 1)
    p_max = np.zeros(n + 1, own.dtype)
    np.maximum.at(p_max, owner, np.maximum.reduceat(own, spans.starts))

    values = {
        "component": np.arange(n + 1),
        "class_id": class_id,
        "size": size,
        "covered": shared / np.maximum(size, 1),
        "siou": shared / np.maximum(union, 1),
        "iou": iou,
        "p_max": p_max,
        "p_mean": sums / np.maximum(size, 1),
        "hidden_by": hidden,
    }
    table = {name: column[1:] for name, column in values.items()} | spans.boxes(owner, height, n)
    return pd.DataFrame({c.name: table[c.name].astype(c.dtype, copy=False) for c in TRUTH})
