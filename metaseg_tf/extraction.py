"""A data set becomes a run: every image is measured once, and a stopped run is continued.

One process measures an image while another thread loads, or predicts, the next; on a cluster each
image is a task. Both do the same with an image: `measure_job`.
"""

import logging
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from metaseg_tf.cluster import Cluster
from metaseg_tf.components import CONNECTIVITIES, LABELLERS, VOID
from metaseg_tf.errors import (
    ClusterError,
    DataFormatError,
    InputError,
    MetaSegError,
    RunError,
)
from metaseg_tf.iou import compute_class_iou, count_confusions
from metaseg_tf.maps import ImageMaps
from metaseg_tf.metrics import Measurement, measure_image
from metaseg_tf.run import Run
from metaseg_tf.schema import check_convention, check_image_name
from metaseg_tf.softmax import SoftmaxDump
from metaseg_tf.sources import CityscapesSource, DumpSource, ImageJob

__all__ = ["KEEP_MAPS", "ImageResult", "MeasureSettings", "extract", "measure_job", "open_run"]

_CONFUSIONS = "confusions"
#: So many images keep their maps by default: enough for figures, some 1 MB each.
KEEP_MAPS = 20
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class MeasureSettings:
    """What the numbers of a segment table depend on, besides the probabilities.

    The defaults are those that made the published numbers.
    """

    convention: str = "reference"
    void: int = 255
    connectivity: int = 8
    labeller: str = "skimage"

    def __post_init__(self):
        check_convention(self.convention)
        if self.connectivity not in CONNECTIVITIES:
            raise InputError(f"connectivity: expected 8 or 4, got {self.connectivity}; use 8")
        if self.labeller not in LABELLERS:
            raise InputError(
                f"labeller: expected one of {', '.join(LABELLERS)}, got {self.labeller!r}; "
                "use skimage"
            )


class ImageResult(NamedTuple):
    """What became of an image: "measured", "kept" from an earlier start, or "failed".

    A failed one goes by its origin and says why; a measured one tells its number of classes.
    """

    name: str
    outcome: str
    segments: int = 0
    n_classes: int | None = None
    error: MetaSegError | None = None

    @property
    def reason(self) -> str:
        """Why it failed, in one line."""
        return str(self.error or "")


def open_run(path: str | os.PathLike, source, settings: MeasureSettings) -> Run:
    """Make the run folder of a source, or open it to be continued; errors as `Run.create`."""
    return Run.create(path, {**source.settings, **asdict(settings)})


def extract(
    source: DumpSource | CityscapesSource,
    run: Run,
    settings: MeasureSettings,
    *,
    skip_errors: bool = False,
    keep_maps: int = KEEP_MAPS,
    cluster: Cluster | None = None,
) -> Iterator[ImageResult]:
    """Measure all images that the run does not hold yet.

    Parameters
    ----------
    source : object
        With ``jobs(done, apart=...)``, which gives an `ImageJob` for each image.
    run : Run
        Open for writing.
    settings : MeasureSettings
    skip_errors : bool
        Carry on past an image that cannot be measured, and note it in the manifest.
    keep_maps : int
        Keep the maps of so many images, the first ones, for pictures. Images that were measured
        without are measured again for their maps.
    cluster : Cluster, optional
        Whose workers measure the images and write into the run; without, this process does.

    Yields
    ------
    ImageResult
        One an image, once its file is written, in the order of the source; on a cluster in the
        order in which they are done.

    Raises
    ------
    MetaSegError
        What is wrong with the first bad image, unless ``skip_errors``; always where the run folder
        cannot be written, or where another process is writing to it.
    """
    with run.continued() as broken:
        for path in broken:
            _LOG.warning("%s was cut short; it is made again", path)
        run.manifest.failed = {}
        plan = _plan(source, run, keep_maps, apart=cluster is not None)
        work = _measure_here if cluster is None else partial(_measure_there, cluster)
        for result in work(plan, run, settings):
            _note(run, result, skip_errors)
            yield result
        run.manifest.results = _summarise(run)
        run.write_manifest()


def _plan(
    source: DumpSource | CityscapesSource, run: Run, keep_maps: int, *, apart: bool
) -> Iterator[ImageJob | ImageResult]:
    """What is to be measured, and the results of what is not."""
    done, mapped, seen = run.done(), run.with_maps(), set()
    for index, job in enumerate(source.jobs(done, apart=apart)):
        try:
            name = _new_name(job, seen)
        except MetaSegError as error:
            yield _failed(job, error)
            continue
        wants_maps = index < keep_maps and name not in mapped
        if name in done and not wants_maps:
            yield ImageResult(name, "kept")
        else:
            yield job._replace(keep_maps=wants_maps)


def _new_name(job: ImageJob, seen: set[str]) -> str:
    name = check_image_name(job.name())
    if name in seen:
        raise InputError(
            f"{job.origin}: expected a name of its own for each image, got {name!r} twice; "
            "rename one"
        )
    seen.add(name)
    return name


def _measure_here(plan: Iterable, run: Run, settings: MeasureSettings) -> Iterator[ImageResult]:
    """In this process, one image after the other; the next is loaded in another thread."""
    with ThreadPoolExecutor(1, thread_name_prefix="load") as loader:
        for item, loaded in _ahead(plan, lambda item: _is_job(item) and item.load(), loader):
            result = item
            if _is_job(item):
                result = measure_job(item._replace(load=loaded), run, settings)
            # Let this image's memory go before the one after next is loaded.
            del loaded
            yield result


def _measure_there(
    cluster: Cluster, plan: Iterable, run: Run, settings: MeasureSettings
) -> Iterator[ImageResult]:
    """On a cluster, a task an image. The first goes alone: it tells the number of classes."""
    try:
        for item in plan:
            if not _is_job(item):
                yield item
                continue
            cluster.submit(item, measure_job, item, run, settings)
            while len(cluster) >= (1 if run.manifest.n_classes is None else cluster.backlog):
                yield _collect(cluster)
        while len(cluster):
            yield _collect(cluster)
    finally:
        cluster.cancel()


def _collect(cluster: Cluster) -> ImageResult:
    job, result = cluster.collect()
    try:
        return result()
    except ClusterError as error:
        return _failed(job, error)


def measure_job(job: ImageJob, run: Run, settings: MeasureSettings) -> ImageResult:
    """Load one image, measure it, and store its table and, where asked for, its maps in the run."""
    try:
        dump = job.load()
        measured = measure_image(dump.probs, dump.gt, **asdict(settings))
        n_classes = dump.probs.shape[-1]
        _check_classes(run, dump.name, n_classes)
        gt = _truth(dump, settings)
    except RunError:
        raise
    except MetaSegError as error:
        return _failed(job, error)
    if job.keep_maps:
        run.write_maps(dump.name, _maps(measured, gt, dump.image))
    run.write_segments(dump.name, measured.table, _confusions(measured, gt, n_classes))
    return ImageResult(dump.name, "measured", len(measured.table), n_classes)


def _is_job(item: ImageJob | ImageResult) -> bool:
    return isinstance(item, ImageJob)


def _failed(job: ImageJob, error: MetaSegError) -> ImageResult:
    message = str(error)
    named = message if job.origin in message else f"{job.origin}: {message}"
    return ImageResult(job.origin, "failed", error=type(error)(named))


def _note(run: Run, result: ImageResult, skip_errors: bool) -> None:
    """Keep in the manifest what a result tells of the run."""
    if result.outcome == "failed":
        if not skip_errors:
            raise result.error
        run.manifest.failed[result.name] = result.reason
    elif result.n_classes is not None and run.manifest.n_classes is None:
        run.manifest.n_classes = result.n_classes
        run.write_manifest()


def _truth(dump: SoftmaxDump, settings: MeasureSettings) -> np.ndarray | None:
    """Ground truth as uint8 with 255 for void."""
    if dump.gt is None:
        return None
    return np.where(dump.gt == settings.void, VOID, dump.gt).astype(np.uint8)


def _maps(measured: Measurement, gt: np.ndarray | None, image: np.ndarray | None) -> ImageMaps:
    heat = measured.heat
    return ImageMaps(heat.pred, measured.segments, heat.entropy, heat.difference, gt, image)


def _confusions(measured: Measurement, gt: np.ndarray | None, n_classes: int) -> dict[str, bytes]:
    """The image's confusion matrix, where the truth is known."""
    if gt is None:
        return {}
    confusions = count_confusions(measured.heat.pred, gt, n_classes)
    return {_CONFUSIONS: zlib.compress(confusions.astype("<i8").tobytes())}


def _summarise(run: Run) -> dict:
    """Class-wise IoU and mIoU over all images of the run, as fractions."""
    n_classes = run.manifest.n_classes
    parts = [_unpack(image, packed, n_classes) for image, packed in run.extras(_CONFUSIONS)]
    if not parts:
        return {}
    confusions = np.sum(parts, axis=0)
    ious = compute_class_iou(confusions)
    return {
        "images": len(parts),
        "miou": float(np.nanmean(ious)),
        "class_iou": [None if np.isnan(iou) else float(iou) for iou in ious],
        "pixel_accuracy": float(np.trace(confusions) / max(confusions.sum(), 1)),
    }


def _unpack(image: str, packed: bytes, n_classes: int | None) -> np.ndarray:
    """An image's confusion matrix, int64 [n_classes, n_classes]; what is longer is not unpacked."""
    size = 8 * (n_classes or 0) ** 2
    try:
        content = zlib.decompressobj().decompress(packed, size + 1)
    except zlib.error:
        content = b""
    if not 0 < len(content) == size:
        raise DataFormatError(
            f"{image}: expected the confusions of {n_classes} classes beside its segment table, "
            "got something else; delete its file of the run and run extract again"
        )
    return np.frombuffer(content, "<i8").reshape(n_classes, n_classes)


def _ahead(items: Iterable, work: Callable, pool: ThreadPoolExecutor):
    """Pairs of an item and the result of work on it, which is begun one item ahead."""
    waiting = None
    for item in items:
        begun = (item, pool.submit(work, item).result)
        if waiting is not None:
            yield waiting
        waiting = begun
    if waiting is not None:
        yield waiting


def _check_classes(run: Run, name: str, n_classes: int) -> None:
    expected = run.manifest.n_classes
    if expected not in (None, n_classes):
        raise InputError(
            f"{name}: expected {expected} classes as in the images before, got {n_classes}; "
            "extract it into a run of its own"
        )
