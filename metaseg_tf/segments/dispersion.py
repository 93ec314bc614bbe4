"""Pixel-wise dispersion heat maps as TF ops: entropy E_z and difference D_z (section 2).

``dispersion`` is the definition, on tensors of any leading shape. ``compute_heat_maps`` runs it
over an image in blocks of fixed shape, so that XLA compiles it once for a number of classes and not
once for every image size, and so that all cores work on blocks that fit their caches.
"""

import functools
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from metaseg_tf.data.classes import MAX_CLASSES
from metaseg_tf.errors import InputError, ShapeError
from metaseg_tf.segments.columns import check_convention

__all__ = [
    "SUM_TOLERANCE", "HeatMaps", "channels_first", "check_dimensions", "check_probabilities",
    "compute_heat_maps", "count_threads", "difference", "dispersion", "entropy",
]  # fmt: skip

#: How far a pixel's probabilities may sum from 1; softmax stored as float16 stays within.
SUM_TOLERANCE = 1e-2

_BLOCK_ELEMENTS = 1 << 20
# In bytes: TensorFlow's ops expect it of their inputs.
_ALIGNMENT = 64
_FLOAT_TYPES = (np.float16, np.float32, np.float64)
_LOG = logging.getLogger(__name__)


class HeatMaps(NamedTuple):
    """One image's predicted class and dispersion.

    ``pred``, uint8 [H, W], is the predicted class (eq. 1), the lowest id where probabilities are
    equal; ``entropy`` E_z (eq. 2), ``difference`` D_z (eq. 3) and ``largest``, the probability of
    that class, float32 [H, W], are unitless, in [0, 1].
    """

    pred: np.ndarray
    entropy: np.ndarray
    difference: np.ndarray
    largest: np.ndarray


def dispersion(
    probs: tf.Tensor, *, convention: str = "reference"
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Predicted class (eq. 1), entropy (eq. 2) and probability difference (eq. 3) of each pixel.

    Parameters
    ----------
    probs : float16, float32 or float64 tensor [..., C]
        Class probabilities; the last axis sums to 1. Computed in float32.
    convention : {"reference", "paper"}
        The authors' code adds the float32 epsilon inside the logarithm, which takes up to 1e-6 off
        the entropy; docs/decisions/0001-entropy-epsilon.md.

    Returns
    -------
    pred : int32 tensor [...]
        The class of the largest probability; the lowest id among equal ones.
    entropy : float32 tensor [...]
        Unitless, in [0, 1]: 0 where one class is certain, 1 where all are equal. 0 log 0 := 0.
    difference : float32 tensor [...]
        1 - p_(1) + p_(2), unitless, in [0, 1]: 1 where the two largest are equal.

    Raises
    ------
    ShapeError
        If C is unknown or outside 2..254.
    """
    _check_classes(probs.shape[-1])
    planes = tf.stack(tf.unstack(tf.cast(probs, tf.float32), axis=-1))
    pred, spread, gap, *_ = _reduce(planes, convention)
    return tf.cast(pred, tf.int32), spread, gap


def entropy(probs: tf.Tensor, *, convention: str = "reference") -> tf.Tensor:
    """Normalised entropy E_z of each pixel's class distribution (eq. 2), as in `dispersion`."""
    return dispersion(probs, convention=convention)[1]


def difference(probs: tf.Tensor) -> tf.Tensor:
    """Difference D_z of the two largest probabilities (eq. 3), as in `dispersion`."""
    return dispersion(probs)[2]


def _reduce(planes: tf.Tensor, convention: str) -> tuple[tf.Tensor, ...]:
    """Over the first axis, the classes: the maps of `HeatMaps`; whether all are distributions."""
    # With a plane for each class every op is element-wise, which XLA fuses into vectorised loops.
    pred, largest, second = _two_largest(planes)
    gap = 1.0 - largest + second
    inside = np.finfo(np.float32).eps if convention == "reference" else np.finfo(np.float32).tiny
    # A summand of eq. (2) is NaN if its probability is negative or NaN.
    total = tf.reduce_sum(planes * tf.math.log(planes + inside), axis=0)
    spread = -total / np.float32(np.log(planes.shape[0]))
    normalised = tf.abs(tf.reduce_sum(planes, axis=0) - 1.0) <= SUM_TOLERANCE
    fine = tf.reduce_all(normalised & tf.math.is_finite(total))
    return pred, tf.clip_by_value(spread, 0.0, 1.0), tf.clip_by_value(gap, 0.0, 1.0), largest, fine


def _two_largest(planes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Class of the largest probability, uint8, and the two largest; one class at a time."""
    largest, *others = tf.unstack(planes)
    pred, second = tf.zeros_like(largest, tf.int32), tf.zeros_like(largest)
    for class_id, p in enumerate(others, start=1):
        pred = tf.where(p > largest, class_id, pred)
        second = tf.maximum(second, tf.minimum(p, largest))
        largest = tf.maximum(largest, p)
    return tf.cast(pred, tf.uint8), largest, second


def _check_classes(n_classes: int | None) -> int:
    if n_classes is None or not 2 <= n_classes <= MAX_CLASSES:
        advice = "transpose to channels last if the classes come first"
        raise ShapeError(
            f"probs: expected 2 to {MAX_CLASSES} classes in the last axis, got {n_classes}; "
            f"{'pass [1-p, p] for one channel p' if n_classes == 1 else advice}"
        )
    return n_classes


def channels_first(shape: tuple[int, ...]) -> ShapeError:
    """The error about probabilities [C, H, W] or [1, C, H, W]."""
    one = "probs[0]" if len(shape) == 4 else "probs"
    return ShapeError(
        f"probs: expected [H, W, C] with rows summing to 1, got {list(shape)} with channels first; "
        f"transpose to channels last by {one}.transpose(1, 2, 0), or record "
        "it with layout='CHW', or read dumps by --channels-first"
    )


@functools.lru_cache(maxsize=32)
def _block_function(rows: int, n_classes: int, dtype: str, convention: str, xla: bool):
    """`_reduce` of a block [rows, C], compiled by XLA if it is available."""
    if xla and not _has_xla():
        return _block_function(rows, n_classes, dtype, convention, False)
    reduce = tf.function(functools.partial(_reduce, convention=convention), jit_compile=xla)

    @tf.function(input_signature=[tf.TensorSpec([rows, n_classes], dtype)], autograph=False)
    def block(probs):
        # XLA's own transposition is slower.
        return reduce(tf.transpose(tf.cast(probs, tf.float32)))

    return block.get_concrete_function()


@functools.cache
def _has_xla() -> bool:
    try:
        tf.function(tf.identity, jit_compile=True)(tf.zeros([1]))
    except (tf.errors.UnimplementedError, tf.errors.NotFoundError) as error:
        _LOG.warning("XLA cannot compile the heat maps here (%s); using plain ops", error)
        return False
    return True


def count_threads() -> int:
    """Threads that image kernels use: TensorFlow's intra-op setting, else the available cores."""
    return tf.config.threading.get_intra_op_parallelism_threads() or len(os.sched_getaffinity(0))


def compute_heat_maps(
    probs: np.ndarray,
    *,
    convention: str = "reference",
    void: np.ndarray | None = None,
    xla: bool = True,
    threads: int | None = None,
) -> HeatMaps:
    """Predicted class, entropy and probability difference of every pixel of an image.

    Parameters
    ----------
    probs : float16, float32 or float64 array [H, W, C]
        Class probabilities; every pixel's sum to 1 within 1e-2.
    convention : {"reference", "paper"}
        As in `dispersion`.
    void : bool array [H, W], optional
        Pixels that need no distribution. If any of them has none, E_z and D_z are 0 at all of them.
    xla : bool
        Compile with XLA if it is available; the plain ops agree within 1e-6.
    threads : int, optional
        Number of blocks to work on at once; `count_threads` by default.

    Raises
    ------
    ShapeError
        If ``probs`` is not [H, W, C] with at least one pixel and C in 2..254.
    InputError
        If ``probs`` is not floating point, or holds NaN, negative values, or pixels that do not
        sum to 1, and are not void.
    """
    check_convention(convention)
    probs = check_probabilities(probs)
    height, width, n_classes = probs.shape
    pixels = probs.reshape(-1, n_classes)
    # A power of two: few shapes to compile, whatever the image sizes.
    largest = 1 << (_BLOCK_ELEMENTS // n_classes).bit_length()
    rows = min(largest, 1 << max(len(pixels) - 1, 0).bit_length())
    function = _block_function(rows, n_classes, probs.dtype.name, convention, xla)
    maps = HeatMaps(*(np.empty(len(pixels), t) for t in (np.uint8, *3 * (np.float32,))))

    def run(start: int) -> bool:
        block = pixels[start : start + rows]
        inside, missing = slice(start, start + len(block)), rows - len(block)
        if missing:
            block = np.pad(block, [(0, missing), (0, 0)], mode="edge")
        # Its own memory as a tensor, if TensorFlow can use that.
        shared = block.flags.writeable and _is_aligned(block, 0)
        *results, fine = function(
            tf.experimental.dlpack.from_dlpack(block.__dlpack__())
            if shared
            else tf.convert_to_tensor(block)
        )
        for target, result in zip(maps, results, strict=True):
            target[inside] = np.asarray(result)[: rows - missing]
        return bool(fine)

    with ThreadPoolExecutor(threads or count_threads()) as pool:
        fine = all(pool.map(run, _block_starts(pixels, rows)))
    if not fine and void is not None:
        certain = np.eye(1, n_classes, dtype=probs.dtype)
        probs = np.where(void[..., None], certain, probs)
        return compute_heat_maps(probs, convention=convention, xla=xla, threads=threads)
    if not fine:
        _raise_not_a_distribution(probs)
    return HeatMaps(*(m.reshape(height, width) for m in maps))


def _block_starts(pixels: np.ndarray, rows: int) -> list[int]:
    """First pixels of blocks that cover all, and overlap to be aligned or filled."""
    if len(pixels) <= rows:
        return [0]
    near = range(rows, max(rows - _ALIGNMENT, 0), -1)
    second = next((row for row in near if _is_aligned(pixels, row)), rows)
    return [0, *range(second, len(pixels) - rows, rows), len(pixels) - rows]


def _is_aligned(pixels: np.ndarray, row: int) -> bool:
    return (pixels.ctypes.data + row * pixels.strides[0]) % _ALIGNMENT == 0


def check_probabilities(probs: np.ndarray) -> np.ndarray:
    """Probabilities [H, W, C] of one image, contiguous and in the byte order of this machine.

    Raises ShapeError or InputError if dimensions or dtype do not fit; values are not checked.
    """
    probs = np.asarray(probs)
    check_dimensions(probs)
    return np.ascontiguousarray(probs, probs.dtype.newbyteorder("="))


def check_dimensions(probs: np.ndarray) -> None:
    """Raise what `check_probabilities` does."""
    if probs.dtype.newbyteorder("=") not in _FLOAT_TYPES:
        raise InputError(
            f"probs: expected float16, float32 or float64, got {probs.dtype}; "
            "divide integer scores by their sum over the classes"
        )
    if probs.ndim == 4 and len(probs) == 1 and _sums_to_one(probs[0], 0):
        raise channels_first(probs.shape)
    if probs.ndim not in (2, 3) or probs.size == 0:
        raise ShapeError(
            f"probs: expected [H, W, C] with at least one pixel, got {list(probs.shape)}; "
            "pass one image at a time, channels last"
        )
    _check_classes(probs.shape[2] if probs.ndim == 3 else 1)


def _sums_to_one(probs: np.ndarray, axis: int) -> bool:
    return bool(np.abs(probs.sum(axis, dtype=np.float64) - 1).max(initial=0) <= SUM_TOLERANCE)


def _raise_not_a_distribution(probs: np.ndarray) -> None:
    """Say what is wrong with an array in which the fused pass found a bad pixel."""
    if not np.isfinite(probs).all():
        row, column, class_id = np.argwhere(~np.isfinite(probs))[0]
        raise InputError(
            f"probs: expected finite values, got {probs[row, column, class_id]} at pixel "
            f"({row}, {column}) of class {class_id}; the network or the dump is broken"
        )
    if probs.min() < 0:
        raise InputError(
            f"probs: expected values in [0, 1], got {probs.min():.6g}; "
            "apply softmax to the logits first, or say logits=True (--logits)"
        )
    if _sums_to_one(probs, 0):
        raise channels_first(probs.shape)
    total = probs.sum(-1, dtype=np.float64)
    row, column = np.unravel_index(np.abs(total - 1).argmax(), total.shape)
    advice = "apply softmax over the last axis first, or say logits=True (--logits)"
    if probs.max() <= 1:
        advice = "give each pixel one distribution over all classes; several sigmoids give none"
    raise InputError(
        f"probs: expected rows summing to 1 within {SUM_TOLERANCE:g}, got {total[row, column]:.6g} "
        f"at pixel ({row}, {column}); {advice}"
    )
