"""How entropy and probability difference vary over the pixels of each segment."""

from concurrent.futures import Future

import numpy as np

from metaseg_tf.segments.components import Spans

__all__ = ["QUANTILES", "compute_quantiles", "compute_std", "measure_spread"]

#: Suffix of a column -> the quantile that it holds.
QUANTILES = {"q10": 0.1, "q50": 0.5, "q90": 0.9}
# Values below 2**-25 share a bucket.
_LEAST_BITS = int(np.float32(2.0**-25).view(np.int32))
_MOST_BITS = int(np.float32(1.0).view(np.int32))
# Buckets of all segments together, so that their counts fit into a cache.
_BUCKETS = 1 << 19
# Blocks fit into a cache, too, and need no fresh memory.
_BLOCK_PIXELS, _BLOCK_SPANS = 1 << 18, 1 << 12


def measure_spread(name: str, paper: Future, segments: np.ndarray, sums) -> dict[str, np.ndarray]:
    """Standard deviation and quantiles, each float64 [n], of the map whose mean is ``name``.

    ``segments``, int32 [H, W], are the numbers of n segments, 0 for void; ``sums`` are those over
    spans. The ``paper``'s columns are not waited for.
    """
    values = sums.maps[name]
    std = compute_std(values, segments, sums.spans)
    quantiles = compute_quantiles(values, segments, list(QUANTILES.values()))
    columns = zip((f"{name}_{suffix}" for suffix in QUANTILES), quantiles, strict=True)
    return {f"{name}_std": std, **dict(columns)}


def compute_std(values: np.ndarray, segments: np.ndarray, spans: Spans) -> np.ndarray:
    """Population standard deviation of float32 ``values`` [H, W] over each segment, float64 [n].

    Each of the ``spans``, which cover the image, lies within one segment or in void.
    """
    values, sums = values.ravel(), np.empty((2, len(spans.starts)))
    for begin in range(0, len(spans.starts), _BLOCK_SPANS):
        starts, after = np.split(spans.starts[begin : begin + _BLOCK_SPANS + 1], [_BLOCK_SPANS])
        block = values[starts[0] : after[0] if len(after) else None].astype(np.float64)
        for row, powers in zip(sums, (block, block * block), strict=True):
            row[begin : begin + len(starts)] = np.add.reduceat(powers, starts - starts[0])
    owner = segments.ravel()[spans.starts].astype(np.intp)
    area, *totals = (np.bincount(owner, row)[1:] for row in (spans.lengths, *sums))
    mean, mean_square = totals / area
    return np.sqrt(np.maximum(mean_square - mean**2, 0))


def compute_quantiles(values: np.ndarray, segments: np.ndarray, levels: list[float]) -> np.ndarray:
    """Quantiles of float32 ``values`` [H, W] in [0, 1] over each segment, float64 [levels, n].

    They are those of `numpy.quantile`. No pixel is sorted but those in the buckets of values in
    which a quantile lies; bits of floats that are not negative rise with their values.
    """
    n, values, segments = int(segments.max()), values.ravel(), segments.ravel()
    shift = next(s for s in range(16, 32) if n * (_bucket(_MOST_BITS, s) + 1) <= _BUCKETS or s > 24)
    n_buckets = _bucket(_MOST_BITS, shift) + 1
    key, counts = np.empty(len(values), np.int32), np.zeros((n + 1) * n_buckets, np.int64)
    # Of very many counts fewer blocks, so that adding them up takes no longer than counting.
    step = max(_BLOCK_PIXELS, len(counts) // 2)
    for begin in range(0, len(values), step):
        block = slice(begin, begin + step)
        of_segment = segments[block] * np.int32(n_buckets)
        np.add(of_segment, _bucket(_bits(values[block]), shift), out=key[block])
        counts += np.bincount(key[block], minlength=len(counts))
    ends = np.cumsum(counts)
    # Where quantiles lie if all pixels were sorted by segment and value: between two ranks.
    start = ends[n_buckets - 1 :: n_buckets]
    place = np.multiply.outer(levels, np.diff(start) - 1)
    below = np.floor(place).astype(np.int64)
    ranks = start[:-1] + np.stack([below, np.ceil(place).astype(np.int64)])
    bucket = np.searchsorted(ends, ranks, side="right")
    kept, wanted = np.unique(bucket), np.zeros(len(counts), bool)
    wanted[kept] = True
    inside = np.flatnonzero(wanted[key])
    # The lower half of a word holds the value, the upper half the bucket.
    words = np.sort(key[inside].astype(np.int64) << 32 | _bits(values[inside]))
    ordered = words.astype(np.int32).view(np.float32)
    skipped = ends[kept] - np.cumsum(counts[kept])
    low, high = ordered[ranks - skipped[np.searchsorted(kept, bucket)]].astype(np.float64)
    return low + (place - below) * (high - low)


def _bits(values: np.ndarray) -> np.ndarray:
    return (values + np.float32(0)).view(np.int32)  # -0 becomes 0


def _bucket(bits, shift: int):
    return np.maximum(bits - _LEAST_BITS, np.int32(0)) >> np.int32(shift)
