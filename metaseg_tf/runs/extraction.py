"""A data set becomes a run: every image is measured once, and a stopped run is continued."""

import logging
import math
import os
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np

from metaseg_tf.data.classes import VOID
from metaseg_tf.data.sample import Source
from metaseg_tf.errors import DataFormatError, InputError, MetaSegError, RunError
from metaseg_tf.runs.image_maps import ImageMaps
from metaseg_tf.runs.run import Run
from metaseg_tf.runs.work import Executor, ImageJob, ImageResult, failed, work_through
from metaseg_tf.segments.columns import (
    DEFAULT_METRICS,
    check_convention,
    read_metrics,
    spell_metrics,
)
from metaseg_tf.segments.components import check_labelling
from metaseg_tf.segments.iou import compute_class_iou
from metaseg_tf.segments.table import measure_image
from metaseg_tf.segments.truth import doubt_truth

__all__ = ["KEEP_MAPS", "MeasureSettings", "extract", "measure_job", "open_run", "write_results"]

_LOG = logging.getLogger(__name__)
_CONFUSIONS = "confusions"
#: Images that keep their maps by default: enough for figures, some 1 MB each.
KEEP_MAPS = 20


@dataclass(frozen=True)
class MeasureSettings:
    """Settings on which the numbers of a segment table depend, besides the probabilities.

    The defaults are those that made the published numbers; metrics beyond the paper's leave these
    as they are.
    """

    convention: str = "reference"
    void: int = VOID
    connectivity: int = 8
    labeller: str = "skimage"
    reduce_zero_label: bool = False
    metrics: str = DEFAULT_METRICS

    def __post_init__(self):
        check_convention(self.convention)
        check_labelling(self.connectivity, self.labeller)
        # One text for each choice, so that a run can be continued by another spelling.
        object.__setattr__(self, "metrics", spell_metrics(read_metrics(self.metrics)))


def open_run(path: str | os.PathLike, source: Source, settings: MeasureSettings) -> Run:
    """Make the run folder of a source, or open it to be continued; errors as `Run.create`."""
    measured = asdict(settings)
    if not settings.reduce_zero_label:
        # Runs that were begun before there was this setting go on.
        del measured["reduce_zero_label"]
    return Run.create(path, {**source.settings, **measured})


def extract(
    source: Source,
    run: Run,
    settings: MeasureSettings,
    *,
    skip_errors: bool = False,
    keep_maps: int = KEEP_MAPS,
    pack: int | None = None,
    cluster: Executor | None = None,
) -> Iterator[ImageResult]:
    """Measure all images that the run does not hold yet; log what seems wrong with their truth.

    Yields a result per image, once its file is written, or without a cluster, if ``pack`` is given,
    once it is measured; in the order of the source, on a cluster in that in which they are done.
    Raises the error of the first bad image, or with ``skip_errors`` notes it in the manifest;
    RunError if the run cannot be written to, or is by another process.

    Parameters
    ----------
    keep_maps : int
        Number of images, the first ones, to keep the maps of for pictures. Images that were
        measured without are measured again for their maps.
    pack : int, optional
        Number of images whose tables are stored in one file, which is written once they are
        measured: a process that is killed before loses them. By default each has files of its own.
    cluster : Executor, optional
        Works instead of this process, such as a `metaseg_tf.runs.cluster.Cluster`.
    """
    with run.continued():
        n_classes = run.manifest.n_classes or source.n_classes
        run.name_classes(source.classes, n_classes)
        work = partial(measure_job, run=run, settings=settings, n_classes=n_classes)
        options = {"skip_errors": skip_errors, "keep_maps": keep_maps, "pack": pack}
        yield from work_through(source, run, work, **options, cluster=cluster)
        write_results(run, settings.void)


def measure_job(
    job: ImageJob, run: Run, settings: MeasureSettings, n_classes: int | None = None
) -> ImageResult:
    """Load one image, measure it, and store its tables and, if asked for, its maps in the run.

    ``n_classes`` is the number of classes to expect, if it is known; else the run's.
    """
    try:
        sample = job.load()
        given = {"disagreement": sample.disagreement, "threads": job.threads, **asdict(settings)}
        measured = measure_image(sample.probs, sample.gt, truth=True, **given)
        found, expected = sample.probs.shape[-1], run.manifest.n_classes or n_classes
        if expected not in (None, found):
            raise InputError(
                f"{sample.name}: expected {expected} classes as in the first image, got {found}; "
                "extract it into a run of its own"
            )
    except RunError:
        raise
    except MetaSegError as error:
        return failed(job, error)
    if job.keep_maps:
        kept = {name: getattr(measured, name) for name in ("segments", "gt", "mutual_information")}
        kept |= {name: getattr(measured.heat, name) for name in ("pred", "entropy", "difference")}
        if sample.gt is not None:
            kept["runner_up"] = measured.heat.runner_up
        maps = ImageMaps(**kept, image=sample.image)
        run.write_maps(sample.name, maps)
    extra = {}
    if measured.confusions is not None:
        extra[_CONFUSIONS] = zlib.compress(measured.confusions.astype("<i8").tobytes())
    run.write_segments(sample.name, measured.table, extra, measured.truth)
    return ImageResult(sample.name, "measured", len(measured.table), found)


def write_results(run: Run, void: int) -> None:
    """Note class-wise IoU and mIoU over all images of the run, as fractions, in its manifest."""
    n_classes = run.manifest.n_classes or 0
    parts = [_unpack(image, packed, n_classes) for image, packed in run.extras(_CONFUSIONS)]
    results = run.manifest.results = {}
    if parts:
        confusions = np.sum(parts, axis=0)
        if doubt := doubt_truth(confusions, void):
            _LOG.warning("%s: %s, and extract into another folder", run.path, doubt)
        ious, known = compute_class_iou(confusions), confusions[:-1]
        results["images"] = len(parts)
        results["class_iou"] = [None if np.isnan(iou) else float(iou) for iou in ious]
        if known.any():  # void alone has none
            results["miou"] = float(np.nanmean(ious))
            results["pixel_accuracy"] = float(np.trace(known) / known.sum())
    run.write_manifest()


def _unpack(image: str, packed: bytes, n_classes: int) -> np.ndarray:
    """An image's confusions, int64 [n_classes + 1, n_classes]; what is longer is not unpacked."""
    shape = n_classes + 1, n_classes
    try:
        content = zlib.decompressobj().decompress(packed, 8 * math.prod(shape) + 1)
        return np.frombuffer(content, "<i8").reshape(shape)
    except (zlib.error, ValueError) as error:
        raise DataFormatError(
            f"{image}: expected the confusions of {n_classes} classes with its segment table, "
            "got something else; delete its file of the run and run extract again"
        ) from error
