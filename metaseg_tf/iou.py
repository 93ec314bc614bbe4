"""IoU and adjusted IoU of each predicted segment (section 2 and appendix), in both conventions.

An image is reduced to runs: horizontal stretches in which prediction and ground truth are constant.
All areas and intersections are sums over runs.
"""

from typing import NamedTuple

import numpy as np

from metaseg_tf.components import VOID, label_components, run_starts
from metaseg_tf.schema import check_convention

__all__ = ["Truth", "compute_iou", "label_truth"]


class Truth(NamedTuple):
    """Ground truth beside a prediction.

    Attributes
    ----------
    gt : uint8 [H, W]
        Class ids, 255 for void.
    components : int32 [H, W]
        Connected components G of equal ground truth class; 0 for void.
    missed : int32 [H, W]
        Connected components of the pixels with ``gt != pred``, of equal ground truth class; 0
        elsewhere.
    """

    gt: np.ndarray
    components: np.ndarray
    missed: np.ndarray


def label_truth(pred: np.ndarray, gt: np.ndarray, *, connectivity: int = 8) -> Truth:
    """Components of the ground truth and of what the prediction missed of it."""
    missed = np.where(pred == gt, np.uint8(VOID), gt)
    return Truth(
        gt,
        label_components(gt, connectivity=connectivity),
        label_components(missed, connectivity=connectivity),
    )


def compute_iou(
    pred: np.ndarray,
    segments: np.ndarray,
    truth: Truth,
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
    truth : Truth
        From `label_truth`.
    convention : {"reference", "paper"}
    connectivity : {8, 4}
        What it means to touch.

    Returns
    -------
    iou, iou_adj : float64 arrays [n]
        Unitless, in [0, 1].
    """
    check_convention(convention)
    runs = _Runs.of(pred, segments, truth)
    touching = (
        _touching(pred, segments, truth, connectivity)
        if convention == "reference"
        else np.empty((3, 0), np.int32)
    )
    area, shared, pairs = runs.areas(), runs.intersections(), runs.pairs()
    grown = _grow_by_components(runs, pairs, touching)
    grown_adj = (
        _grow_by_missed(runs, touching)
        if convention == "reference"
        else _grow_by_missed_parts(runs, pairs)
    )
    return _ratio(shared, area + grown), _ratio(shared, area + grown_adj)


class _Runs(NamedTuple):
    """One entry a run: its segment k, ground truth component g, missed component m, and length."""

    n_segments: int
    segment: np.ndarray
    component: np.ndarray
    missed: np.ndarray
    hit: np.ndarray
    length: np.ndarray

    @classmethod
    def of(cls, pred, segments, truth) -> "_Runs":
        starts = run_starts(pred, truth.gt)
        flat = [m.ravel()[starts] for m in (segments, truth.components, truth.missed)]
        hit = (pred == truth.gt).ravel()[starts] & (flat[0] > 0)
        return cls(int(segments.max()), *flat, hit, np.diff(starts, append=pred.size))

    def areas(self) -> np.ndarray:
        return _sum_by(self.segment, self.length, self.n_segments)

    def intersections(self) -> np.ndarray:
        return _sum_by(self.segment[self.hit], self.length[self.hit], self.n_segments)

    def pairs(self) -> np.ndarray:
        """Pairs (k, g) that share pixels, int [2, P]."""
        return _distinct(self.segment[self.hit], self.component[self.hit])


def _sum_by(ids: np.ndarray, values: np.ndarray, n: int) -> np.ndarray:
    """Sum of the values of each id 1..n; whole numbers below 2**53 are exact."""
    return np.bincount(ids, values, minlength=n + 1)[1:]


def _distinct(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Distinct pairs of two arrays of ids, int64 [2, P]."""
    base = int(second.max(initial=0)) + 1
    keys = first.astype(np.int64) * base + second
    keys = keys[np.flatnonzero(np.diff(keys, prepend=-1))]
    return np.stack(np.divmod(np.unique(keys), base))


def _touching(pred, segments, truth: Truth, connectivity: int) -> np.ndarray:
    """Triples (k, g, m) of a segment and a missed pixel of its class beside it, int32 [3, T]."""
    width = pred.shape[1] + 2
    # A frame of void makes every neighbour of every pixel addressable.
    padded_pred, padded_segments = (
        np.pad(a, 1, constant_values=v).ravel() for a, v in ((pred, VOID), (segments, 0))
    )
    missed = np.flatnonzero(truth.missed)
    row, column = np.divmod(missed, pred.shape[1])
    centre = (row + 1) * width + column + 1
    gt, component, part = (a.ravel()[missed] for a in truth)
    found = []
    for offset in _neighbour_offsets(width, connectivity):
        beside = np.flatnonzero(padded_pred[centre + offset] == gt)
        segment = padded_segments[centre[beside] + offset]
        found.append(np.stack([segment, component[beside], part[beside]]))
    return np.concatenate(found, axis=1)


def _neighbour_offsets(width: int, connectivity: int) -> tuple[int, ...]:
    straight = (-width, -1, 1, width)
    diagonal = (-width - 1, -width + 1, width - 1, width + 1)
    return straight if connectivity == 4 else straight + diagonal


def _grow_by_components(runs: _Runs, pairs, touching) -> np.ndarray:
    """For each k, the sum of |g \\ k| over the components g that it shares or touches."""
    reached = np.concatenate([pairs, touching[:2]], axis=1)
    segment, component = _distinct(*reached)
    sizes = np.bincount(runs.component, runs.length)
    everything = _sum_by(segment, sizes[component], runs.n_segments)
    return everything - runs.intersections()


def _grow_by_missed(runs: _Runs, touching) -> np.ndarray:
    """For each k, the sum of |m| over the missed components m of its class that touch it."""
    segment, missed = _distinct(touching[0], touching[2])
    sizes = np.bincount(runs.missed, runs.length)
    return _sum_by(segment, sizes[missed], runs.n_segments)


def _grow_by_missed_parts(runs: _Runs, pairs) -> np.ndarray:
    """For each k, the pixels of its components g that are not predicted as its class."""
    lost = runs.missed > 0
    sizes = np.bincount(
        runs.component[lost], runs.length[lost], minlength=int(runs.component.max()) + 1
    )
    segment, component = pairs
    return _sum_by(segment, sizes[component], runs.n_segments)


def _ratio(shared: np.ndarray, union: np.ndarray) -> np.ndarray:
    return np.divide(shared, union, out=np.zeros(len(shared)), where=shared > 0)
