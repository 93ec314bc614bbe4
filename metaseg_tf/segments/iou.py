"""IoU and adjusted IoU of each predicted segment (section 2 and appendix), in both conventions.

An image is reduced to spans: horizontal strips in which prediction and ground truth are constant.
All areas and intersections are sums over spans.
"""

from functools import cached_property

import numpy as np

from metaseg_tf.data.classes import VOID
from metaseg_tf.segments.columns import check_convention
from metaseg_tf.segments.components import Spans, connect_spans

__all__ = ["Overlay", "compute_class_iou", "compute_iou", "count_confusions"]


def compute_iou(
    pred: np.ndarray,
    segments: np.ndarray,
    gt: np.ndarray,
    *,
    convention: str = "reference",
    connectivity: int = 8,
) -> tuple[np.ndarray, np.ndarray]:
    """IoU(k) and IoU_adj(k) of each segment k.

    With I the number of pixels of k whose ground truth is k's class c, and G the ground truth
    components of class c, both are I over a union, and 0 where I = 0:

    - "paper": K' are the g in G that intersect k. The union is k with K' for the IoU, and k with
      the pixels of K' that are not predicted as c for the adjusted IoU.
    - "reference": the union is k with every g in G that intersects *or touches* k for the IoU, and
      k with every component of missed pixels of class c that touches k for the adjusted IoU
      (docs/decisions/0003-iou-by-flooding.md).

    Parameters
    ----------
    pred : uint8 array [H, W]
        Predicted classes, 255 where the ground truth is void.
    segments : int32 array [H, W]
        Components of ``pred``, numbered 1..n; 0 for void.
    gt : uint8 array [H, W]
        True class ids, 255 for void.
    convention : {"reference", "paper"}
    connectivity : {8, 4}
        Neighbours of a pixel that it touches.

    Returns
    -------
    iou, iou_adj : float64 arrays [n]
        Unitless, in [0, 1].
    """
    return Overlay(pred, segments, gt, connectivity).ious(convention)


def count_confusions(pred: np.ndarray, gt: np.ndarray, n_classes: int) -> np.ndarray:
    """Pixels of each true class (row) that were predicted as each class (column).

    Parameters
    ----------
    pred, gt : uint8 arrays [H, W]
        Class ids; 255 in ``gt`` for void.
    n_classes : int

    Returns
    -------
    int64 array [C + 1, C]
        The last row counts the pixels that are void in ``gt``.
    """
    return Overlay(pred, np.zeros_like(pred), gt, 8).count_confusions(n_classes)


def compute_class_iou(confusions: np.ndarray) -> np.ndarray:
    """IoU of each class over a whole data set; their mean without NaN is the mIoU.

    Parameters
    ----------
    confusions : int64 array [C + 1, C]
        Sum of `count_confusions` over images; void does not count.

    Returns
    -------
    float64 array [C]
        In [0, 1]; NaN for classes that are neither true nor predicted anywhere.
    """
    known = confusions[:-1]
    shared = np.diag(known).astype(float)
    union = known.sum(0) + known.sum(1) - shared
    return np.divide(shared, union, out=np.full(len(shared), np.nan), where=union > 0)


class Overlay:
    """For each span its segment k, its component g of the truth and m of missed pixels, or 0.

    Takes what `compute_iou` does; ``pred`` may be known where the ground truth is void.
    """

    def __init__(self, pred, segments, gt, connectivity: int):
        self.spans, self.n_segments = Spans.of(pred, gt), int(segments.max())
        self.connectivity = connectivity
        self.pred, self.gt, self.segment = (
            m.ravel()[self.spans.starts] for m in (pred, gt, segments)
        )
        self.hit = (self.pred == self.gt) & (self.segment > 0)

    def count_confusions(self, n_classes: int) -> np.ndarray:
        """What `count_confusions` returns."""
        true = np.where(self.gt == VOID, n_classes, self.gt.astype(np.int64))
        counts = np.bincount(
            true * n_classes + self.pred, self.spans.lengths, (n_classes + 1) * n_classes
        )
        return counts.astype(np.int64).reshape(-1, n_classes)

    @cached_property
    def component(self) -> np.ndarray:
        """Component of the ground truth of each span."""
        return connect_spans(self.spans, self.gt, self.connectivity)

    @cached_property
    def missed(self) -> np.ndarray:
        """Component of missed pixels of each span."""
        lost = np.where(self.pred == self.gt, np.uint8(VOID), self.gt)
        return connect_spans(self.spans, lost, self.connectivity)

    def ious(self, convention: str) -> tuple[np.ndarray, np.ndarray]:
        """What `compute_iou` returns."""
        check_convention(convention)
        pairs = self.pairs()
        if convention == "reference":
            segment, component, missed = self.touching()
            pairs = _distinct(*np.concatenate([pairs, [segment, component]], axis=1))
            lost = self.sum_over(_distinct(segment, missed), self.missed)
        else:
            lost = self.sum_over(pairs, self.component, self.missed > 0)
        area, shared = self.areas(), self.areas(self.hit)
        # The components that a segment reaches, without what it shares with them.
        grown = self.sum_over(pairs, self.component) - shared
        return _ratio(shared, area + grown), _ratio(shared, area + lost)

    def areas(self, chosen: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Pixels of each segment in the chosen spans."""
        return self._by_segment(self.segment[chosen], self.spans.lengths[chosen])

    def pairs(self) -> np.ndarray:
        """Pairs (k, g) that share pixels, int [2, P]."""
        return _distinct(self.segment[self.hit], self.component[self.hit])

    def touching(self) -> np.ndarray:
        """Triples (k, g, m) of a segment and a span of missed pixels of its class next to it."""
        lost = np.flatnonzero(self.missed)
        spans = self.spans.take(lost)
        found = []
        for down in (-1, 0, 1):
            own, other = spans.touching(self.spans, down=down, connectivity=self.connectivity)
            own = lost[own]
            same = (self.gt[own] == self.pred[other]) & (self.segment[other] > 0)
            own, other = own[same], other[same]
            found.append(np.stack([self.segment[other], self.component[own], self.missed[own]]))
        return np.concatenate(found, axis=1)

    def sum_over(
        self, pairs: np.ndarray, owner: np.ndarray, chosen: np.ndarray | slice = slice(None)
    ) -> np.ndarray:
        """For each k, the pixels in the chosen spans of the owners that it is paired with."""
        segment, paired = pairs
        sizes = np.bincount(
            owner[chosen], self.spans.lengths[chosen], minlength=int(owner.max()) + 1
        )
        return self._by_segment(segment, sizes[paired])

    def _by_segment(self, segment: np.ndarray, values: np.ndarray) -> np.ndarray:
        # Sums of whole numbers below 2**53 are exact.
        return np.bincount(segment, values, minlength=self.n_segments + 1)[1:]


def _distinct(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Distinct pairs of two arrays of ids, int64 [2, P]."""
    base = int(second.max(initial=0)) + 1
    keys = first.astype(np.int64) * base + second
    keys = keys[np.flatnonzero(np.diff(keys, prepend=-1))]
    return np.stack(np.divmod(np.unique(keys), base))


def _ratio(shared: np.ndarray, union: np.ndarray) -> np.ndarray:
    return np.divide(shared, union, out=np.zeros(len(shared)), where=shared > 0)
