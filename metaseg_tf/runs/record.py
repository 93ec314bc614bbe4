"""A run from a loop of one's own: its images are measured while its network is at the next ones."""

import contextlib
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import tensorflow as tf

from metaseg_tf.data.classes import ClassTable, load_classes
from metaseg_tf.data.sample import Sample, Source
from metaseg_tf.data.softmax import apply_softmax
from metaseg_tf.errors import InputError, MetaSegError, RunError, ShapeError, in_one_line
from metaseg_tf.runs import extraction
from metaseg_tf.runs.run import Run
from metaseg_tf.runs.work import ImageJob, ImageResult
from metaseg_tf.segments.columns import check_image_name
from metaseg_tf.segments.dispersion import check_dimensions, count_threads
from metaseg_tf.segments.table import check_ground_truth

__all__ = ["Recording", "record"]

#: Images held in memory, one of them measured. With two a loop as fast as measuring would wait.
_BACKLOG = 3


@contextlib.contextmanager
def record(
    path: str | os.PathLike,
    classes: Iterable | str | os.PathLike | ClassTable | None = None,
    *,
    layout: str = "HWC",
    logits: bool = False,
    keep_maps: int = extraction.KEEP_MAPS,
    **settings,
) -> Iterator["Recording"]:
    """A run that a loop fills: ``with record(path) as run: run.add(name, probs, gt)``.

    A run that was begun before is continued. What is measured is on disk, however the process ends.
    Leaving ``with`` waits for the last images and notes the mIoU in the run; leaving it by an
    exception keeps what is measured and drops the rest.

    Parameters
    ----------
    path : path
        A folder or address, as of `metaseg_tf.runs.run.Run`, that is new, empty or such a run.
    classes : names, ClassTable, path or str, optional
        The classes by id, or what `metaseg_tf.data.classes.load_classes` takes.
    layout : {"HWC", "CHW"}
        Axes of the probabilities; "CHW" is PyTorch's.
    logits : bool
        What is added are logits, which a softmax over the classes makes probabilities.
    keep_maps : int
        Number of images, the first ones, to keep the maps of for figures.
    **settings
        Fields of `metaseg_tf.runs.extraction.MeasureSettings`, such as ``void``.

    Raises
    ------
    InputError, DataFormatError, RunError
        If options or classes do not fit, the folder does not, or another process is writing there.
    """
    if classes is not None and not isinstance(classes, ClassTable):
        is_name = isinstance(classes, str | os.PathLike)
        classes = load_classes(classes) if is_name else ClassTable.from_json(classes)
    measured = extraction.MeasureSettings(**settings)
    run = extraction.open_run(path, Source([], {"source": "loop"}), measured)
    with run.continued(), ThreadPoolExecutor(1, thread_name_prefix="measure") as pool:
        run.name_classes(classes, run.manifest.n_classes)
        recording = Recording(run, pool, measured, layout, logits, keep_maps)
        try:
            yield recording
            recording._given += 1
            try:
                recording._collect(0)
            finally:
                extraction.write_results(run, measured.void)
        finally:
            pool.shutdown(cancel_futures=True)


class Recording:
    """A run that takes images, made by `record`; ``name in run`` tells if it holds one already."""

    def __init__(self, run: Run, pool: ThreadPoolExecutor, settings, layout, logits, keep_maps):
        self._run, self._pool, self._settings = run, pool, settings
        self._layout, self._logits = layout, logits
        self._maps_to_keep = keep_maps - len(run.with_maps())
        self._done, self._added, self._pending = run.done(), set(), deque()
        self._given = 0

    def __contains__(self, name: str) -> bool:
        return name in self._done or name in self._added

    def add(self, name: str, probs, gt=None, image=None, *, layout=None, logits=None) -> None:
        """Measure an image in the background; wait first if three are not done yet.

        An image that the run holds from an earlier start is passed over. Arrays may be numpy's,
        TensorFlow's, PyTorch's or any with ``__dlpack__`` or ``__array__``, and have a batch axis
        of one. They are copied, so that the loop may write to them again.

        Parameters
        ----------
        name : str
            A name of its own, by which the run keeps the image.
        probs : float16, bfloat16, float32 or float64 [H, W, C], or as ``layout`` says
            Class probabilities, each pixel's summing to 1 within 1e-2, or ``logits``; those of
            several passes over the image as a list, whose mean is measured.
        gt : integer or bool [H, W], optional
            True class ids 0..C-1, or ``void``.
        image : uint8 [H, W, 3] or [3, H, W], optional
            The photograph in RGB, for figures and report.
        layout, logits : optional
            Of this image, if they differ from those of `record`.

        Raises
        ------
        InputError
            If the name was added before, or an array does not fit. What only measuring finds, such
            as NaN, is raised by a later call or on leaving ``with``; the other images are kept.
        RunError
            If the run cannot be written to, or ``with`` was left.
        """
        origin = f"image {check_image_name(name)!r}"
        self._collect(_BACKLOG)
        if name in self._added:
            raise InputError(f"{origin}: expected a name of its own, got it twice; rename one")
        if name not in self._done:
            self._given += 1
            # The first image gives the number of classes, if it is not known.
            self._collect(0 if self._run.manifest.n_classes is None else _BACKLOG - 1)
            try:
                sample = self._take(name, probs, gt, image, layout or self._layout)
            except MetaSegError as error:
                raise type(error)(f"{origin}: {error}") from error
            logits = self._logits if logits is None else logits
            finish = partial(apply_softmax, origin) if logits else np.asarray
            job = ImageJob(name, origin, lambda: sample._replace(probs=finish(sample.probs)))
            job = job._replace(keep_maps=self._maps_to_keep > 0)
            try:
                future = self._pool.submit(self._measure, job, self._given)
            except RuntimeError as error:
                raise RunError(f"{origin}: got after 'with' was left; add it inside") from error
            self._pending.append((name, future))
            self._maps_to_keep -= 1
        self._added.add(name)

    def _take(self, name: str, probs, gt, image, layout: str) -> Sample:
        """Copies of an image's arrays, checked; the probabilities in whatever order in memory."""
        if layout not in ("HWC", "CHW"):
            raise InputError(f"layout: expected 'HWC' or 'CHW', got {layout!r:.40}; choose one")
        # An array of four dimensions is more likely a batch of images than passes over one.
        several = isinstance(probs, list | tuple) and all(hasattr(one, "shape") for one in probs)
        passes = probs if several else [probs]
        passes, known = [_to_numpy("probs", one) for one in passes], self._run.manifest.n_classes
        if len({one.shape for one in passes}) != 1:
            shapes = ", ".join(str(list(one.shape)) for one in passes) or "none"
            raise ShapeError(f"probs: expected passes of one shape, got {shapes}; list one image's")
        if layout == "CHW" and passes[0].ndim == 3:
            passes = [np.moveaxis(one, 0, -1) for one in passes]
        check_dimensions(passes[0])
        probs = passes[0] if len(passes) == 1 else np.stack(passes)
        if known not in (None, probs.shape[-1]):
            raise ShapeError(
                f"probs: expected {known} classes as in the run, got {probs.shape[-1]} by "
                f"layout={layout!r}; give another layout, or record into another run"
            )
        size = probs.shape[-3:-1]
        if gt is not None:
            gt, settings = _to_numpy("gt", gt), self._settings
            check_ground_truth(gt, probs.shape[-3:], settings.void, settings.reduce_zero_label)
        if image is not None:
            image = _to_numpy("image", image)
            image = np.moveaxis(image, 0, -1) if image.shape == (3, *size) else image
            if image.shape != (*size, 3) or image.dtype != np.uint8:
                raise ShapeError(
                    f"image: expected uint8 {[*size, 3]} as probs, got {image.dtype} "
                    f"{list(image.shape)}; give the photograph in this size and not normalised, or "
                    "leave it out"
                )
        return Sample(name, image, probs, gt)

    def _measure(self, job: ImageJob, number: int) -> ImageResult:
        """In the background: with half of the threads, or with all if the loop is ahead."""
        threads = None if self._given > number else max(1, count_threads() // 2)
        return extraction.measure_job(job._replace(threads=threads), self._run, self._settings)

    def _collect(self, at_most: int) -> None:
        """Wait until ``at_most`` images are pending or fewer; raise the errors of the others."""
        errors, manifest = [], self._run.manifest
        while self._pending and (len(self._pending) > at_most or self._pending[0][1].done()):
            name, future = self._pending.popleft()
            result = future.result()
            if result.error is not None:
                self._added.discard(name)
                errors.append(result.reason)
            elif manifest.n_classes is None:
                manifest.n_classes = result.n_classes
                self._run.write_manifest()
        if errors:
            raise InputError("; ".join(errors))


def _to_numpy(what: str, value) -> np.ndarray:
    """Any array or tensor of one image as an array that nobody else writes to."""
    here = getattr(getattr(value, "device", None), "type", "cpu") == "cpu"
    try:
        if hasattr(value, "detach"):  # PyTorch's, which is not imported here
            value = value.detach().cpu()
            value = value.float() if str(value.dtype) == "torch.bfloat16" else value
        known = isinstance(value, np.ndarray | tf.Tensor) or not hasattr(value, "__dlpack__")
        array = np.asarray(value) if known else np.from_dlpack(value)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"{what}: expected an array, got {type(value).__name__} that numpy cannot read "
            f"({in_one_line(error)}); convert it to one"
        ) from error
    array = array[0] if array.ndim == 4 and len(array) == 1 else array
    if array.dtype.name == "bfloat16":
        return array.astype(np.float32)
    # TensorFlow's tensors do not change, and what comes from a GPU is a copy already.
    return array.copy("K") if here and not isinstance(value, tf.Tensor) else array
