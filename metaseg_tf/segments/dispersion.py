"""Pixel-wise dispersion heat maps as TF ops: entropy E_z and difference D_z (section 2).

``dispersion`` is the definition, on tensors of any leading shape. ``compute_heat_maps`` runs the
same over an image in blocks of fixed shape, so that XLA compiles it once for a number of classes
and not once for every image size, and so that all cores work on blocks that fit their caches.
"""

import functools
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from metaseg_tf.data.classes import MAX_CLASSES
from metaseg_tf.data.sample import Bands
from metaseg_tf.errors import InputError, ShapeError
from metaseg_tf.segments.columns import check_convention

__all__ = [
    "SUM_TOLERANCE", "HeatMaps", "channels_first", "check_dimensions", "check_probabilities",
    "compute_heat_maps", "count_threads", "difference", "dispersion", "entropy", "is_on_gpu",
]  # fmt: skip

#: How far a pixel's probabilities may sum from 1; softmax stored as float16 stays within.
SUM_TOLERANCE = 1e-2

_BLOCK_ELEMENTS = 1 << 20
# Classes that XLA takes in one loop over the pixels; of more it would be long in the making.
_GROUP = 16
# In bytes: TensorFlow's ops expect it of their inputs.
_ALIGNMENT = 64
# Pixels by which blocks overlap, so that they can begin where memory is aligned.
_MARGIN = 16
_FLOAT_TYPES = (np.float16, np.float32, np.float64)
_LOG = logging.getLogger(__name__)


class HeatMaps(NamedTuple):
    """One image's predicted class and dispersion.

    ``pred``, uint8 [H, W], is the predicted class (eq. 1), the lowest id where probabilities are
    equal; ``entropy`` E_z (eq. 2) and ``difference`` D_z (eq. 3), float32 [H, W], are unitless, in
    [0, 1]; ``runner_up``, uint8 [H, W], is the class of the second largest probability.
    """

    pred: np.ndarray
    entropy: np.ndarray
    difference: np.ndarray
    runner_up: np.ndarray


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
    probs = tf.cast(probs, tf.float32)
    total = tf.reduce_sum(probs * tf.math.log(probs + _inside(convention)), axis=-1)
    largest, second = tf.unstack(tf.math.top_k(probs, 2).values, axis=-1)
    spread, gap = total / -np.float32(np.log(probs.shape[-1])), 1.0 - largest + second
    pred = tf.argmax(probs, axis=-1, output_type=tf.int32)
    return pred, tf.clip_by_value(spread, 0.0, 1.0), tf.clip_by_value(gap, 0.0, 1.0)


def entropy(probs: tf.Tensor, *, convention: str = "reference") -> tf.Tensor:
    """Normalised entropy E_z of each pixel's class distribution (eq. 2), as in `dispersion`."""
    return dispersion(probs, convention=convention)[1]


def difference(probs: tf.Tensor) -> tf.Tensor:
    """Difference D_z of the two largest probabilities (eq. 3), as in `dispersion`."""
    return dispersion(probs)[2]


def _inside(convention: str) -> np.float32:
    """What is added inside the logarithm; 0 log 0 := 0."""
    limits = np.finfo(np.float32)
    return limits.eps if convention == "reference" else limits.tiny


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
    """The maps of `HeatMaps` of a block [rows, C], and whether all pixels have a distribution."""
    if xla and not _has_xla():
        return _block_function(rows, n_classes, dtype, convention, False)

    def reduce(probs: tf.Tensor) -> tuple[tf.Tensor, ...]:
        pred, spread, gap, runner_up, mass, least = (_sweep if xla else _define)(probs, convention)
        fine = tf.reduce_all((tf.abs(mass - 1.0) <= SUM_TOLERANCE) & (least >= 0))
        return tf.cast(pred, tf.uint8), spread, gap, tf.cast(runner_up, tf.uint8), fine

    signature = [tf.TensorSpec([rows, n_classes], dtype)]
    return tf.function(reduce, signature, autograph=False, jit_compile=xla).get_concrete_function()


def _define(probs: tf.Tensor, convention: str) -> tuple[tf.Tensor, ...]:
    """Maps by `dispersion`; each pixel's runner-up, sum and least probability."""
    probs = tf.cast(probs, tf.float32)
    runner_up = tf.math.top_k(probs, 2).indices[:, 1]
    mass, least = tf.reduce_sum(probs, axis=1), tf.reduce_min(probs, axis=1)
    return *dispersion(probs, convention=convention), runner_up, mass, least


def _sweep(probs: tf.Tensor, convention: str) -> tuple[tf.Tensor, ...]:
    """As `_define`, class by class: of it XLA makes a vectorised loop over the pixels."""
    rows, n_classes = probs.shape

    def take(first: tf.Tensor | int, n: int, state: list[tf.Tensor]) -> list[tf.Tensor]:
        pred, runner_up, largest, second, total, mass, least = state
        group = tf.cast(tf.slice(probs, [0, first], [rows, n]), tf.float32)
        for number, p in enumerate(tf.unstack(group, axis=1)):
            leads = p > largest
            runner_up = tf.where(leads, pred, tf.where(p > second, first + number, runner_up))
            pred = tf.where(leads, first + number, pred)
            second = tf.maximum(second, tf.minimum(p, largest))
            largest = tf.maximum(largest, p)
            total += p * _log2(p + _inside(convention))
            mass, least = mass + p, tf.minimum(least, p)
        return [pred, runner_up, largest, second, total, mass, least]

    none, zero = tf.zeros([rows], tf.int32), tf.zeros([rows])
    rest, groups = n_classes % _GROUP, n_classes // _GROUP
    state = take(0, rest, [none, none, zero - 1, zero - 1, zero, zero, zero])
    if groups == 1:
        state = take(rest, _GROUP, state)
    elif groups:
        _, *state = tf.while_loop(
            lambda i, *_: i < groups,
            lambda i, *state: (i + 1, *take(rest + i * _GROUP, _GROUP, state)),
            (0, *state),
        )
    pred, runner_up, largest, second, total, mass, least = state
    spread = tf.clip_by_value(total / -np.float32(np.log2(n_classes)), 0.0, 1.0)
    gap = tf.clip_by_value(1.0 - largest + second, 0.0, 1.0)
    return pred, spread, gap, runner_up, mass, least


# log2(1 + f) / f for 1 + f from sqrt(1/2) to sqrt(2): the polynomial of least absolute error of the
# logarithm, 5e-8, which is that of rounding.
_LOG2 = (
    -0.14574444, 0.23689045, -0.25006908, 0.28670746,
    -0.36008722, 0.48093945, -0.72135717, 1.4426948,
)  # fmt: skip
_SQRT_HALF = int(np.float32(0.5**0.5).view(np.int32))


def _log2(x: tf.Tensor) -> tf.Tensor:
    """Logarithm of positive normal float32 numbers; half as long as XLA's, which takes any."""
    bits = tf.bitcast(x, tf.int32)
    exponent = tf.bitwise.right_shift(bits - _SQRT_HALF, 23)
    f = tf.bitcast(bits - tf.bitwise.left_shift(exponent, 23), tf.float32) - 1.0
    ratio = functools.reduce(lambda sum_, factor: sum_ * f + factor, _LOG2)
    return tf.cast(exponent, tf.float32) + f * ratio


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
    probs: np.ndarray | Bands,
    *,
    convention: str = "reference",
    void: np.ndarray | None = None,
    xla: bool = True,
    threads: int | None = None,
    each: Callable[[int, np.ndarray, np.ndarray], None] | None = None,
) -> HeatMaps:
    """Predicted class, entropy and probability difference of every pixel of an image.

    Parameters
    ----------
    probs : float16, float32 or float64 array [H, W, C], or Bands
        Class probabilities; every pixel's sum to 1 within 1e-2. A float32 tensor on a GPU stays
        there, and so do the blocks that ``each`` is given.
    convention : {"reference", "paper"}
        As in `dispersion`.
    void : bool array [H, W], optional
        Pixels that need no distribution. If any of them in a band has none, E_z and D_z are 0 at
        all of the band's.
    xla : bool
        Compile with XLA if it is available; the plain ops agree within 1e-6.
    threads : int, optional
        Number of blocks to work on at once; `count_threads` by default.
    each : function, optional
        Is called in these threads with each block while it is in a cache: the flat position of its
        first pixel, its probabilities [N, C] and its predicted classes uint8 [N]. The blocks cover
        the image; one of a band whose void pixels have no distributions is given again, with some.

    Raises
    ------
    ShapeError
        If ``probs`` is not [H, W, C] with at least one pixel and C in 2..254.
    InputError
        If ``probs`` is not floating point, or holds NaN, negative values, or pixels that do not
        sum to 1, and are not void.
    """
    check_convention(convention)
    if not isinstance(probs, Bands):
        probs = check_probabilities(probs)
    height, width, n_classes = probs.shape
    types = (np.uint8, np.float32, np.float32, np.uint8)
    maps, top = HeatMaps(*(np.empty(height * width, t) for t in types)), 0

    def take(band: np.ndarray | tf.Tensor) -> bool:
        """Fill the maps of a band; False if a pixel has no distribution."""
        on_gpu, begin, flat = is_on_gpu(band), top * width, (-1, n_classes)
        pixels = tf.reshape(band, flat) if on_gpu else band.reshape(flat)
        # A power of two: few shapes to compile, whatever the image sizes.
        largest = 1 << (_BLOCK_ELEMENTS // n_classes).bit_length()
        rows = min(largest, 1 << max(len(pixels) - 1, 0).bit_length())
        function = _block_function(rows, n_classes, band.dtype.name, convention, xla)
        step = rows - _MARGIN if len(pixels) > rows > _MARGIN else rows
        # Blocks are the same wherever the image lies in memory, and so are sums over them; what is
        # computed begins a little before, where it is aligned.
        before = 0
        if not on_gpu:
            places = (pixels.ctypes.data + (step - n) * pixels.strides[0] for n in range(_MARGIN))
            before = next((n for n, place in enumerate(places) if place % _ALIGNMENT == 0), 0)

        def run(start: int) -> bool:
            own, first = pixels[start : start + step], max(start - before, 0)
            *results, fine = function(_to_tensor(pixels[first : first + rows], rows))
            results = [np.asarray(result)[start - first :][: len(own)] for result in results]
            for target, result in zip(maps, results, strict=True):
                target[begin + start : begin + start + len(own)] = result
            if each is not None:
                each(begin + start, own, results[0])
            return bool(fine)

        return all(list(pool.map(run, range(0, len(pixels), step))))

    with ThreadPoolExecutor(threads or count_threads()) as pool:
        for band in map(check_probabilities, probs) if isinstance(probs, Bands) else [probs]:
            fine, rows = take(band), slice(top, top + len(band))
            if not fine and void is not None:
                certain = np.eye(1, n_classes, dtype=band.dtype.name)
                band = np.where(void[rows, :, None], certain, np.asarray(band))
                fine = take(band)
            if not fine:
                _raise_not_a_distribution(np.asarray(band), top)
            top = rows.stop
    return HeatMaps(*(m.reshape(height, width) for m in maps))


def _to_tensor(block: np.ndarray | tf.Tensor, rows: int) -> tf.Tensor:
    """A block [N, C] with its last pixel repeated up to ``rows``, where it is if that can be."""
    missing = rows - len(block)
    if isinstance(block, tf.Tensor):
        return tf.concat([block, tf.repeat(block[-1:], missing, axis=0)], 0) if missing else block
    if missing:
        block = np.pad(block, [(0, missing), (0, 0)], mode="edge")
    if block.flags.writeable and block.ctypes.data % _ALIGNMENT == 0:
        return tf.experimental.dlpack.from_dlpack(block.__dlpack__())
    return tf.convert_to_tensor(block)


def is_on_gpu(probs: object) -> bool:
    """True for a tensor [H, W, C] that can be measured on the GPU that it is on."""
    is_tensor = isinstance(probs, tf.Tensor) and probs.dtype == tf.float32 and probs.ndim == 3
    return is_tensor and "GPU" in probs.device


def check_probabilities(probs: np.ndarray) -> np.ndarray:
    """Probabilities [H, W, C] of one image, contiguous and in the byte order of this machine.

    A tensor on a GPU stays there. Raises ShapeError or InputError if dimensions or dtype do not
    fit; values are not checked.
    """
    if is_on_gpu(probs):
        _check_classes(probs.shape[2])
        return probs
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


def _raise_not_a_distribution(probs: np.ndarray, top: int) -> None:
    """Say what is wrong with a band, ``top`` rows down, in which a pixel has no distribution."""
    if not np.isfinite(probs).all():
        row, column, class_id = np.argwhere(~np.isfinite(probs))[0]
        raise InputError(
            f"probs: expected finite values, got {probs[row, column, class_id]} at pixel "
            f"({top + row}, {column}) of class {class_id}; the network or the dump is broken"
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
        f"at pixel ({top + row}, {column}); {advice}"
    )
