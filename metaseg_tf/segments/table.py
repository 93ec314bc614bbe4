"""One image: class probabilities, with or without ground truth, become its segment table."""

import warnings
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
import tensorflow as tf
from scipy import sparse

from metaseg_tf.data.classes import VOID, check_class_ids
from metaseg_tf.data.sample import Bands
from metaseg_tf.errors import InputError, ShapeError
from metaseg_tf.segments.columns import (
    DEFAULT_METRICS,
    DISAGREEMENT,
    PAPER_GROUPS,
    check_convention,
    class_columns,
    columns,
    read_metrics,
)
from metaseg_tf.segments.components import Spans, find_interior, label_components
from metaseg_tf.segments.disagreement import MEASURES, check_disagreement, compare_passes
from metaseg_tf.segments.dispersion import (
    HeatMaps,
    channels_first,
    check_probabilities,
    compute_heat_maps,
    count_threads,
    is_on_gpu,
)
from metaseg_tf.segments.iou import Overlay
from metaseg_tf.segments.misses import measure_truth
from metaseg_tf.segments.neighbours import measure_neighbours
from metaseg_tf.segments.spread import measure_spread
from metaseg_tf.segments.truth import doubt_truth, find_classes_in_void

__all__ = ["Measurement", "check_ground_truth", "measure_image", "segment_metrics"]

# A float32 sum of this many probabilities is exact to 1e-6; longer sums are taken in float64.
_FLOAT32_SPAN = 16


def segment_metrics(
    probs: np.ndarray,
    gt: np.ndarray | None = None,
    *,
    convention: str = "reference",
    void: int = VOID,
    reduce_zero_label: bool = False,
    connectivity: int = 8,
    labeller: str = "skimage",
    metrics: str = DEFAULT_METRICS,
) -> pd.DataFrame:
    """The segment table of one image (section 2): one row per predicted segment.

    Parameters
    ----------
    probs : float16, float32 or float64 array [H, W, C] or [T, H, W, C]
        Class probabilities, each pixel's summing to 1 within 1e-2; C in 2..254. Pixels that are
        void in ``gt`` need none. Those of T passes over the image are averaged.
    gt : integer or bool array [H, W] or [H, W, 1], optional
        True class ids 0..C-1, or ``void``. Void pixels belong to no segment and cut segments.
        Without ground truth nothing is masked and the columns ``iou`` and ``iou_adj`` are absent.
    convention : {"reference", "paper"}
        Interior and IoU as the authors' code computes them, or as printed.
    void : int
        The id in ``gt`` of pixels without ground truth.
    reduce_zero_label : bool
        ``gt`` counts the classes from 1, and 0 is void as well, as in ADE20K.
    connectivity : {8, 4}
        Neighbours of a pixel in a segment.
    labeller : {"skimage", "runs", "tfa"}
        Connected-component algorithm, as in `metaseg_tf.segments.components.label_components`.
    metrics : str
        "paper", "all", or groups beyond the paper's with commas between: neighbours, geometry,
        spread, disagreement. The paper's metrics are always there; spread and disagreement, which
        takes several passes, are left out by default.

    Returns
    -------
    DataFrame
        Columns and dtypes as `metaseg_tf.segments.columns.columns` lists them; means are exact to
        1e-6. No row where every pixel is void.

    Raises
    ------
    ShapeError
        If ``probs`` is not [H, W, C] or ``gt`` not [H, W].
    InputError
        If ``probs`` holds no distributions, ``gt`` unknown ids, or an option is unknown.

    Warns
    -----
    UserWarning
        If there are two classes, of which ``gt`` holds one, and void where the other is predicted:
        it is most likely a mask of 0 and 255.

    Examples
    --------
    >>> probs = np.full((4, 4, 2), [0.9, 0.1])
    >>> table = segment_metrics(probs, np.zeros((4, 4), int))
    >>> table[["class_id", "S", "iou", "iou_adj"]].values.tolist()
    [[0.0, 16.0, 1.0, 1.0]]
    """
    measured = measure_image(
        probs,
        gt,
        convention=convention,
        void=void,
        reduce_zero_label=reduce_zero_label,
        connectivity=connectivity,
        labeller=labeller,
        metrics=metrics,
    )
    counts = measured.confusions
    # Of more than two classes an image may well lack one: these are judged over a whole run.
    if gt is not None and len(counts) == 3 and counts[-1, find_classes_in_void(counts)].any():
        warnings.warn(doubt_truth(counts, void), stacklevel=2)
    return measured.table


class Measurement(NamedTuple):
    """An image's segment table, as `segment_metrics` returns it, and the maps it was measured on.

    ``segments``, int32 [H, W], are the numbers of the segments, 0 where the ground truth is void;
    ``heat.pred`` is 255 there. ``gt``, uint8 [H, W], is the true class, 255 for void, and
    ``confusions``, int64 [C + 1, C], as `metaseg_tf.segments.iou.count_confusions` gives them; both
    are None without ground truth. ``disagreement``, float32 [H, W, 3], is that of several passes.
    """

    table: pd.DataFrame
    segments: np.ndarray
    heat: HeatMaps
    gt: np.ndarray | None
    confusions: np.ndarray | None
    disagreement: np.ndarray | None = None
    #: The components of the ground truth, as `metaseg_tf.segments.misses.measure_truth` gives them.
    truth: pd.DataFrame | None = None

    @property
    def mutual_information(self) -> np.ndarray | None:
        """Of the passes, float32 [H, W] in [0, 1]."""
        return None if self.disagreement is None else self.disagreement[..., 0]


def measure_image(
    probs: np.ndarray | Bands,
    gt: np.ndarray | None = None,
    *,
    convention: str = "reference",
    void: int = VOID,
    reduce_zero_label: bool = False,
    connectivity: int = 8,
    labeller: str = "skimage",
    metrics: str = DEFAULT_METRICS,
    disagreement: np.ndarray | None = None,
    threads: int | None = None,
    truth: bool = False,
) -> Measurement:
    """`segment_metrics` together with the maps of segments, classes and dispersion.

    With ``truth``, the components of the ground truth are measured as well, if there is any.
    ``disagreement``, float [H, W, 3], is that of the passes that ``probs`` are the mean of, as
    `metaseg_tf.segments.disagreement.compare_passes` gives it. ``threads`` is how many to use; by
    default `metaseg_tf.segments.dispersion.count_threads`. ``probs`` may be `Bands`, too.
    """
    threads = threads or count_threads()
    check_convention(convention)
    passes, is_void = [], None
    if not isinstance(probs, Bands):
        probs = probs if is_on_gpu(probs) else np.asarray(probs)
        if probs.ndim == 4 and len(probs) > 1:
            passes = [check_probabilities(one) for one in probs]
            probs = np.mean(passes, axis=0, dtype=np.result_type(np.float32, *passes))
        probs = check_probabilities(probs)
    if gt is not None:
        gt = check_ground_truth(gt, tuple(probs.shape), void, reduce_zero_label)
        is_void = gt == VOID
    if passes:
        disagreement = compare_passes(probs, passes, void=is_void, threads=threads)
    elif disagreement is not None:
        disagreement = check_disagreement(disagreement, probs.shape[:2])
    groups = read_metrics(metrics, disagreement is not None)
    n_classes, own = probs.shape[-1], None
    if truth and gt is not None:
        own = np.empty(gt.size, np.float32)
    class_sums = _ClassSums(probs.shape, gt, own)
    heat = compute_heat_maps(
        probs, convention=convention, void=is_void, threads=threads, each=class_sums.add
    )
    predicted = heat.pred
    if gt is not None:
        heat = heat._replace(pred=np.where(is_void, gt, predicted))
    with ThreadPoolExecutor(threads) as pool:
        labelled = pool.submit(
            label_components,
            heat.pred,
            connectivity=connectivity,
            labeller=labeller,
            threads=threads,
        )
        # With 4 neighbours a diagonal neighbour of the same class can be another segment.
        same = heat.pred if connectivity == 8 else labelled.result()
        maps = {"E": heat.entropy, "D": heat.difference}
        if DISAGREEMENT in groups:
            maps |= zip(MEASURES, np.moveaxis(disagreement, -1, 0), strict=True)
        sums = _SpanSums(maps, same, convention, class_sums)
        segments = labelled.result()
        measured = pool.submit(_measure, heat.pred, segments, sums)
        if gt is not None:
            overlay = Overlay(predicted, segments, gt, connectivity)
            compared = pool.submit(overlay.ious, convention)
            missed = pool.submit(measure_truth, own, len(gt), overlay) if truth else None
        further = [
            pool.submit(measure, measured, segments, sums)
            for group in groups
            for measure in _FURTHER.get(group, ())
        ]
        table = measured.result()
        if gt is not None:
            table["iou"], table["iou_adj"] = compared.result()
        for more in further:
            table |= more.result()
    order = columns(n_classes, with_gt=gt is not None, metrics=groups[len(PAPER_GROUPS) :])
    # Columns as they are: of millions of segments a copy would be most of the memory.
    frame = pd.DataFrame(
        {c.name: table.pop(c.name).astype(c.dtype, copy=False) for c in order}, copy=False
    )
    if gt is None:
        return Measurement(frame, segments, heat, None, None, disagreement)
    return Measurement(
        frame,
        segments,
        heat,
        gt,
        overlay.count_confusions(n_classes),
        disagreement,
        missed.result() if truth else None,
    )


def check_ground_truth(
    gt: np.ndarray, shape: tuple[int, ...], void: int = VOID, reduce_zero_label: bool = False
) -> np.ndarray:
    """Ground truth as uint8 class ids [H, W] with 255 for void.

    ``gt`` are integers or bools [H, W], whose further axes of length one are dropped, ``shape`` is
    that of the probabilities, and ``void`` and ``reduce_zero_label`` are as in `segment_metrics`.
    Raises ShapeError or InputError if size, dtype or ids do not fit.
    """
    gt, size = np.asarray(gt), tuple(shape[:2])
    if [n for n in gt.shape if n > 1] == [n for n in size if n > 1]:
        gt = gt.reshape(size)
    if gt.shape != size:
        if gt.shape == tuple(shape[1:]):
            raise channels_first(shape)
        raise ShapeError(
            f"gt: expected [H, W] = {list(size)} as in probs, got {list(gt.shape)}; "
            "resize with nearest neighbour or pass the matching file"
        )
    if gt.dtype.kind not in "uib":
        raise InputError(f"gt: expected integer class ids, got {gt.dtype}; convert it")
    return check_class_ids(gt, shape[-1], void, reduce_zero_label)


class _ClassSums:
    """Sums of class probabilities over short spans of the prediction, and later over segments.

    ``shape`` is that of the probabilities. With ``own``, float32 [N], it is filled with the
    probability of each pixel's true class, 0 where ``gt`` is void.
    """

    def __init__(self, shape: tuple[int, ...], gt: np.ndarray | None, own: np.ndarray | None):
        self._width, self.n_classes = shape[1:]
        self._gt, self._own = None if gt is None else gt.ravel(), own
        # By a block's first pixel: the first pixels of its spans, and sums float32 [Q, C].
        self._blocks: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def add(self, first: int, probs: np.ndarray, pred: np.ndarray) -> None:
        """Take a block as `metaseg_tf.segments.dispersion.compute_heat_maps` gives it."""
        n, begins = len(pred), np.ones(len(pred), bool)
        np.not_equal(pred[1:], pred[:-1], out=begins[1:])
        begins[-first % self._width :: self._width] = True
        begins[-first % _FLOAT32_SPAN :: _FLOAT32_SPAN] = True
        if self._gt is not None:
            gt = self._gt[first : first + n]
            void = gt == VOID
            begins[1:] |= void[1:] != void[:-1]
        starts, on_gpu = np.flatnonzero(begins), isinstance(probs, tf.Tensor)
        if on_gpu:
            sums = tf.math.segment_sum(probs, np.cumsum(begins, dtype=np.int32) - 1).numpy()
        else:
            # The matrix of ones that sums the pixels of each span.
            ends = np.append(starts, n).astype(np.int32)
            ones = sparse.csr_matrix(
                (np.ones(n, np.float32), np.arange(n, dtype=np.int32), ends), (len(starts), n)
            )
            sums = ones @ probs.astype(np.float32, copy=False)
        self._blocks[first] = first + starts, sums
        if self._own is not None:
            place = np.arange(n) * self.n_classes + np.where(void, 0, gt)
            flat = tf.reshape(probs, [-1]) if on_gpu else probs.ravel()
            chosen = tf.gather(flat, place) if on_gpu else flat.take(place)
            self._own[first : first + n] = np.where(void, 0, chosen)

    def over_segments(self, segments: np.ndarray) -> np.ndarray:
        """Sums, float64 [n, C], over each segment of a map of numbers 0..n, 0 for none; once."""
        segments = segments.ravel()
        totals = np.zeros((int(segments.max()) + 1, self.n_classes))
        place = np.empty(len(totals), np.int32)
        for first in sorted(self._blocks):
            starts, sums = self._blocks.pop(first)
            owner, index = segments[starts], np.arange(len(starts) + 1, dtype=np.int32)
            # Of several writes the last one stays: one span for each owner.
            place[owner] = index[:-1]
            span = place[owner]
            chosen = span == index[:-1]
            rank = (np.cumsum(chosen, dtype=np.int32) - 1)[span]
            by_owner = np.ones(len(starts)), rank, index
            shape = np.count_nonzero(chosen), len(starts)
            totals[owner[chosen]] += sparse.csc_matrix(by_owner, shape=shape) @ sums
        return totals[1:]


class _SpanSums:
    """Sums [N] over spans within the interior or boundary of a segment, of all maps.

    ``maps`` are float32 [H, W] by the name of their mean; ``same`` [H, W] is constant within a
    segment only.
    """

    def __init__(
        self,
        maps: dict[str, np.ndarray],
        same: np.ndarray,
        convention: str,
        classes: _ClassSums,
    ):
        interior = find_interior(same, convention=convention)
        self.spans = Spans.of(same, interior)
        self.interior = interior.ravel()[self.spans.starts]
        self.maps, self.classes = maps, classes
        self.heat = {
            name: np.add.reduceat(values.ravel(), self.spans.starts, dtype=np.float64)
            for name, values in maps.items()
        }


def _measure(pred: np.ndarray, segments: np.ndarray, sums: _SpanSums) -> dict[str, np.ndarray]:
    """The paper's columns of the table that need no ground truth, and the likes of E of any map."""
    spans, n = sums.spans, int(segments.max())
    segment = segments.ravel()[spans.starts]
    first = np.flatnonzero(np.diff(np.maximum.accumulate(segment), prepend=0))

    def sum_sides(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sums over the interior and over the boundary of each segment, float64 [n] each."""
        side = 2 * segment + sums.interior
        both = np.bincount(side, values, minlength=2 * n + 2).reshape(-1, 2)[1:]
        return both[:, 1], both[:, 0]

    inner, boundary = sum_sides(spans.lengths)
    # A segment that fills the image has no boundary in convention "reference".
    rel, rel_in = (area / np.maximum(boundary, 1) for area in (inner + boundary, inner))
    table = {
        "segment": np.arange(1, n + 1),
        "class_id": pred.ravel()[spans.starts[first]],
        "S": inner + boundary,
        "S_in": inner,
        "S_bd": boundary,
        "S_rel": rel,
        "S_rel_in": rel_in,
        **spans.boxes(segment, segments.shape[0], n),
    }
    for name, values in sums.heat.items():
        heat_in, heat_bd = sum_sides(values)
        mean, mean_in = (heat_in + heat_bd) / table["S"], heat_in / np.maximum(inner, 1)
        table |= {
            name: mean,
            f"{name}_in": mean_in,
            f"{name}_bd": heat_bd / np.maximum(boundary, 1),
            f"{name}_rel": mean * rel,
            f"{name}_rel_in": mean_in * rel_in,
        }
    means = sums.classes.over_segments(segments)
    means /= table["S"][:, None]
    return table | dict(zip(class_columns(means.shape[1]), means.T, strict=True))


def _measure_geometry(
    paper: Future, segments: np.ndarray, sums: _SpanSums
) -> dict[str, np.ndarray]:
    """Where in the image each segment is, its box, and how much of that it fills."""
    (height, width), spans, table = segments.shape, sums.spans, paper.result()
    row, left = np.divmod(spans.starts, width)
    owner = segments.ravel()[spans.starts].astype(np.intp)
    # Centres of pixels are half a pixel from their edges.
    x, y = (
        np.bincount(owner, spans.lengths * centre, len(table["S"]) + 1)[1:] / table["S"]
        for centre in (left + spans.lengths / 2, row + 0.5)
    )
    rows, across = table["bottom"] - table["top"], table["right"] - table["left"]
    at_edge = (table["top"] == 0) | (table["bottom"] == height)
    return {
        "centre_x": x / width,
        "centre_y": y / height,
        "width": across / width,
        "height": rows / height,
        "fill": table["S"] / (rows * across),
        "at_edge": at_edge | (table["left"] == 0) | (table["right"] == width),
    }


#: Further group -> what gives its columns for the paper's, which may still be in the making, the
#: numbers of the segments, and the sums over spans; the functions run in parallel.
_FURTHER = {
    "neighbours": (measure_neighbours,),
    "geometry": (_measure_geometry,),
    "spread": (partial(measure_spread, "E"), partial(measure_spread, "D")),
}
