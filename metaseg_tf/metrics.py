"""One image: class probabilities, with or without ground truth, become its segment table."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from metaseg_tf.components import VOID, find_interior, label_components, run_starts
from metaseg_tf.dispersion import HeatMaps, compute_heat_maps, count_threads
from metaseg_tf.errors import InputError, ShapeError
from metaseg_tf.iou import compute_iou, label_truth
from metaseg_tf.schema import check_convention, class_columns, columns

__all__ = ["Measurement", "check_ground_truth", "measure_image", "segment_metrics"]

# A float32 sum of this many probabilities is exact to 1e-6; longer sums are taken in float64.
_FLOAT32_RUN = 16
_BLOCK_PIXELS = 1 << 17


def segment_metrics(
    probs: np.ndarray,
    gt: np.ndarray | None = None,
    *,
    convention: str = "reference",
    void: int = 255,
    connectivity: int = 8,
    labeller: str = "skimage",
) -> pd.DataFrame:
    """The segment table of one image (section 2): a row for each predicted segment.

    Parameters
    ----------
    probs : float16, float32 or float64 array [H, W, C]
        Class probabilities, each pixel's summing to 1 within 1e-2; C in 2..254.
    gt : integer array [H, W], optional
        True class ids 0..C-1, or ``void``. Void pixels belong to no segment and cut segments.
        Without ground truth nothing is masked and the columns ``iou`` and ``iou_adj`` are absent.
    convention : {"reference", "paper"}
        What made the published numbers, or the printed definitions, of interior and IoU.
    void : int
        The id in ``gt`` of pixels without ground truth.
    connectivity : {8, 4}
        Neighbours of a pixel in a segment.
    labeller : {"skimage", "tfa"}
        What numbers the components.

    Returns
    -------
    DataFrame
        Columns and dtypes as `metaseg_tf.schema.columns` lists them; means are exact to 1e-6. No
        row where every pixel is void.

    Raises
    ------
    ShapeError
        If ``probs`` is not [H, W, C] or ``gt`` not [H, W].
    InputError
        If ``probs`` holds no distributions, ``gt`` unknown ids, or an option is unknown.

    Examples
    --------
    >>> probs = np.full((4, 4, 2), [0.9, 0.1])
    >>> table = segment_metrics(probs, np.zeros((4, 4), int))
    >>> table[["class_id", "S", "iou", "iou_adj"]].values.tolist()
    [[0.0, 16.0, 1.0, 1.0]]
    """
    return measure_image(
        probs,
        gt,
        convention=convention,
        void=void,
        connectivity=connectivity,
        labeller=labeller,
    ).table


class Measurement(NamedTuple):
    """An image's segment table and the maps that it was measured on.

    Attributes
    ----------
    table : DataFrame
        As `segment_metrics` returns it.
    segments : int32 [H, W]
        The number of the segment that a pixel belongs to, 0 where the ground truth is void.
    heat : HeatMaps
        Predicted class (255 where the ground truth is void), entropy and difference.
    """

    table: pd.DataFrame
    segments: np.ndarray
    heat: HeatMaps


def measure_image(
    probs: np.ndarray,
    gt: np.ndarray | None = None,
    *,
    convention: str = "reference",
    void: int = 255,
    connectivity: int = 8,
    labeller: str = "skimage",
) -> Measurement:
    """`segment_metrics` together with the maps of segments, classes and dispersion."""
    check_convention(convention)
    probs = np.asarray(probs)
    if gt is not None:
        gt = check_ground_truth(gt, probs.shape, void)
    heat = compute_heat_maps(probs, convention=convention)
    if gt is not None:
        heat = heat._replace(pred=np.where(gt == VOID, gt, heat.pred))
    with ThreadPoolExecutor(2) as pool:
        segments = pool.submit(
            label_components, heat.pred, connectivity=connectivity, labeller=labeller
        )
        ious = gt is not None and pool.submit(
            _measure_iou, heat.pred, gt, segments, convention, connectivity
        )
        table = _measure(probs, heat, segments.result(), convention, connectivity)
        if ious:
            table |= ious.result()
    order = columns(probs.shape[-1], with_gt=gt is not None)
    frame = pd.DataFrame({c.name: table[c.name].astype(c.dtype, copy=False) for c in order})
    return Measurement(frame, segments.result(), heat)


def check_ground_truth(gt: np.ndarray, shape: tuple[int, ...], void: int = 255) -> np.ndarray:
    """Ground truth as uint8 class ids with 255 for void.

    Parameters
    ----------
    gt : integer array [H, W]
    shape : (H, W, C)
        Shape of the probabilities that it belongs to.
    void : int
        The id in ``gt`` of pixels without ground truth.

    Raises
    ------
    ShapeError, InputError
        If size, dtype or ids do not fit.
    """
    gt = np.asarray(gt)
    if gt.shape != tuple(shape[:2]):
        raise ShapeError(
            f"gt: expected [H, W] = {list(shape[:2])} as in probs, got {list(gt.shape)}; "
            "resize with nearest neighbour or pass the matching file"
        )
    if gt.dtype.kind not in "ui":
        raise InputError(f"gt: expected integer class ids, got {gt.dtype}; convert it")
    n_classes = shape[-1]
    if 0 <= void < n_classes:
        raise InputError(
            f"void: expected an id outside the classes 0..{n_classes - 1}, got {void}; 255 is usual"
        )
    is_void = gt == void
    unknown = ((gt < 0) | (gt >= n_classes)) & ~is_void
    if unknown.any():
        ids = np.unique(gt[unknown])
        shown = ", ".join(map(str, ids[:5])) + (", ..." if len(ids) > 5 else "")
        raise InputError(
            f"gt: expected ids 0..{n_classes - 1} or {void} (void), got {shown}; "
            "map the label ids to train ids first"
        )
    return np.where(is_void, np.uint8(VOID), gt).astype(np.uint8, copy=False)


def _measure_iou(
    pred: np.ndarray, gt: np.ndarray, segments: Future, convention: str, connectivity: int
) -> dict[str, np.ndarray]:
    """The columns that need ground truth; its components are found while ``segments`` are."""
    truth = label_truth(pred, gt, connectivity=connectivity)
    iou, iou_adj = compute_iou(
        pred, segments.result(), truth, convention=convention, connectivity=connectivity
    )
    return {"iou": iou, "iou_adj": iou_adj}


def _measure(
    probs: np.ndarray, heat: HeatMaps, segments: np.ndarray, convention: str, connectivity: int
) -> dict[str, np.ndarray]:
    """All columns of the table that need no ground truth."""
    # With 4 neighbours a diagonal neighbour of the same class can be another segment.
    same = heat.pred if connectivity == 8 else segments
    interior = find_interior(same, convention=convention)
    starts = run_starts(same, interior)
    total = _Totals(segments, interior, starts)
    first = np.flatnonzero(np.diff(np.maximum.accumulate(total.segment), prepend=0))
    table = {
        "segment": np.arange(1, total.n + 1),
        "class_id": heat.pred.ravel()[starts[first]],
        **_sizes(total),
        **_boxes(total, segments.shape),
    }
    for name, heat_map in (("E", heat.entropy), ("D", heat.difference)):
        table |= _dispersion_metrics(name, heat_map, total, table)
    means = _sum_probabilities(probs, same, segments, total.n) / table["S"][:, None]
    return table | dict(zip(class_columns(probs.shape[-1]), means.T, strict=True))


class _Totals:
    """Sums over segments, their interior and boundary, by way of runs."""

    def __init__(self, segments: np.ndarray, interior: np.ndarray, starts: np.ndarray):
        self.starts = starts
        self.segment = segments.ravel()[starts]
        self.interior = interior.ravel()[starts]
        self.length = np.diff(starts, append=segments.size)
        self.n = int(self.segment.max())

    def __call__(self, run_sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sums over the interior and over the boundary of each segment from sums over runs."""
        side = 2 * self.segment + self.interior
        sums = np.bincount(side, run_sums, minlength=2 * self.n + 2).reshape(-1, 2)[1:]
        return sums[:, 1], sums[:, 0]


def _sizes(total: _Totals) -> dict[str, np.ndarray]:
    inner, boundary = (sums.astype(np.int64) for sums in total(total.length))
    # A segment that fills the image has no boundary in convention "reference".
    divisor = np.maximum(boundary, 1)
    size = inner + boundary
    return {
        "S": size,
        "S_in": inner,
        "S_bd": boundary,
        "S_rel": size / divisor,
        "S_rel_in": inner / divisor,
    }


def _dispersion_metrics(
    name: str, heat_map: np.ndarray, total: _Totals, sizes: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    run_sums = np.add.reduceat(heat_map.ravel().astype(np.float64), total.starts)
    inner, boundary = total(run_sums)
    mean = (inner + boundary) / sizes["S"]
    mean_in = inner / np.maximum(sizes["S_in"], 1)
    return {
        name: mean,
        f"{name}_in": mean_in,
        f"{name}_bd": boundary / np.maximum(sizes["S_bd"], 1),
        f"{name}_rel": mean * sizes["S_rel"],
        f"{name}_rel_in": mean_in * sizes["S_rel_in"],
    }


def _boxes(total: _Totals, shape: tuple[int, int]) -> dict[str, np.ndarray]:
    """Half-open bounding boxes; a run lies within one row."""
    row, left = np.divmod(total.starts, shape[1])

    def extreme(ufunc: Callable, values: np.ndarray, initial: int) -> np.ndarray:
        result = np.full(total.n + 1, initial, np.int32)
        ufunc.at(result, total.segment, values.astype(np.int32))
        return result[1:]

    return {
        "top": extreme(np.minimum, row, shape[0]),
        "left": extreme(np.minimum, left, shape[1]),
        "bottom": extreme(np.maximum, row + 1, 0),
        "right": extreme(np.maximum, left + total.length, 0),
    }


def _sum_probabilities(
    probs: np.ndarray, same: np.ndarray, segments: np.ndarray, n: int
) -> np.ndarray:
    """Sum of each class's probability over each segment, float64 [n, C].

    Short runs are summed in float32, the sums of runs in float64; both sums are products with
    sparse matrices of ones.
    """
    pixels = probs.reshape(-1, probs.shape[-1])
    starts = run_starts(same, every=_FLOAT32_RUN)
    owner = segments.ravel()[starts]

    def sum_block(begin: int) -> tuple[np.ndarray, np.ndarray]:
        block = pixels[begin : begin + _BLOCK_PIXELS].astype(np.float32, copy=False)
        runs = slice(*np.searchsorted(starts, (begin, begin + len(block))))
        run_sums = _row_sums(np.append(starts[runs] - begin, len(block))) @ block
        ids, position = np.unique(owner[runs], return_inverse=True)
        return ids, _selector(position) @ run_sums

    sums = np.zeros((n + 1, pixels.shape[1]))
    with ThreadPoolExecutor(count_threads()) as pool:
        for ids, part in pool.map(sum_block, range(0, len(pixels), _BLOCK_PIXELS)):
            sums[ids] += part
    return sums[1:]


def _row_sums(bounds: np.ndarray) -> sparse.csr_matrix:
    """The float32 matrix that sums the rows bounds[i]..bounds[i + 1] of what it is applied to."""
    n = bounds[-1]
    entries = (np.ones(n, np.float32), np.arange(n), bounds)
    return sparse.csr_matrix(entries, shape=(len(bounds) - 1, n))


def _selector(position: np.ndarray) -> sparse.csc_matrix:
    """The float64 matrix that adds row i of what it is applied to into row position[i]."""
    n = len(position)
    return sparse.csc_matrix((np.ones(n), position, np.arange(n + 1)))
