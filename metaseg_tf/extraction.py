"""A data set becomes a run: every image is measured once, and a stopped run is continued.

While one image is measured the next is loaded, or predicted, in another thread.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from metaseg_tf.cityscapes import Pair, read_pairs
from metaseg_tf.components import CONNECTIVITIES, LABELLERS, VOID
from metaseg_tf.errors import InputError, MetaSegError, RunError
from metaseg_tf.iou import compute_class_iou, count_confusions
from metaseg_tf.metrics import measure_image
from metaseg_tf.run import Run
from metaseg_tf.schema import check_convention
from metaseg_tf.softmax import SoftmaxDump, load_dump, read_name

__all__ = [
    "ImageJob",
    "ImageResult",
    "MeasureSettings",
    "dump_jobs",
    "extract",
    "network_jobs",
]

_CONFUSIONS = "confusions"


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


class ImageJob(NamedTuple):
    """One image to measure: a name for the run, where it comes from, and how to get it."""

    name: Callable[[], str]
    origin: str
    load: Callable[[], SoftmaxDump]


class ImageResult(NamedTuple):
    """What became of an image: "measured", "kept" from an earlier start, or "failed"."""

    name: str
    outcome: str
    segments: int = 0
    reason: str = ""


def dump_jobs(paths: Iterable[Path]) -> list[ImageJob]:
    """One job for each softmax dump."""
    return [
        ImageJob(lambda p=path: read_name(p), str(path), lambda p=path: load_dump(p))
        for path in paths
    ]


def network_jobs(network, pairs: Sequence[Pair], done: set[str]) -> list[ImageJob]:
    """One job for each Cityscapes image; images that are ``done`` are not read.

    Parameters
    ----------
    network : object
        With ``probabilities(image)``, as `metaseg_tf.load_network` gives it.
    pairs : sequence of Pair
    done : set of str
        Names of the images that the run holds already.
    """
    pending = read_pairs([pair for pair in pairs if pair.name not in done])

    def predict(pair: Pair) -> SoftmaxDump:
        image, gt = next(pending)
        return SoftmaxDump(network.probabilities(image), gt, pair.name)

    return [
        ImageJob(lambda p=pair: p.name, str(pair.image), lambda p=pair: predict(p))
        for pair in pairs
    ]


def extract(
    jobs: Iterable[ImageJob],
    run: Run,
    settings: MeasureSettings,
    *,
    skip_errors: bool = False,
) -> Iterator[ImageResult]:
    """Measure all images that the run does not hold yet, in the order of the jobs.

    Parameters
    ----------
    jobs : iterable of ImageJob
    run : Run
        Open for writing.
    settings : MeasureSettings
    skip_errors : bool
        Carry on past an image that cannot be measured, and note it in the manifest.

    Yields
    ------
    ImageResult
        One a job, once the image's file is written.

    Raises
    ------
    MetaSegError
        What is wrong with the first bad image, unless ``skip_errors``; always where the run folder
        cannot be written.
    """
    run.manifest.failed = {}
    done, seen = run.done(), set()
    with ThreadPoolExecutor(1, thread_name_prefix="load") as loader:
        for job, loaded in _ahead(jobs, lambda job: _load(job, done, seen), loader):
            try:
                name, dump = loaded()
                if dump is None:
                    yield ImageResult(name, "kept")
                    continue
                table, extra = _measure(dump, settings)
                _check_classes(run, name, dump.probs.shape[-1])
            except RunError:
                raise
            except MetaSegError as error:
                if not skip_errors:
                    raise type(error)(_with_origin(job, error)) from error
                run.manifest.failed[job.origin] = str(error)
                yield ImageResult(job.origin, "failed", reason=str(error))
                continue
            # Let this image's memory go before the one after next is loaded.
            del loaded, dump
            run.write_segments(name, table, extra)
            yield ImageResult(name, "measured", len(table))
    run.manifest.results = _summarise(run)
    run.write_manifest()


def _measure(dump: SoftmaxDump, settings: MeasureSettings):
    """The segment table of an image, and its confusion matrix where the truth is known."""
    measured = measure_image(dump.probs, dump.gt, **asdict(settings))
    if dump.gt is None:
        return measured.table, {}
    gt = np.where(dump.gt == settings.void, VOID, dump.gt).astype(np.uint8)
    confusions = count_confusions(measured.heat.pred, gt, dump.probs.shape[-1])
    return measured.table, {_CONFUSIONS: zlib.compress(confusions.astype("<i8").tobytes())}


def _summarise(run: Run) -> dict:
    """Class-wise IoU and mIoU over all images of the run, as fractions."""
    n_classes = run.manifest.n_classes
    parts = [np.frombuffer(zlib.decompress(v), "<i8") for _, v in run.extras(_CONFUSIONS)]
    if not parts:
        return {}
    confusions = np.sum(parts, axis=0).reshape(n_classes, n_classes)
    ious = compute_class_iou(confusions)
    return {
        "images": len(parts),
        "miou": float(np.nanmean(ious)),
        "class_iou": [None if np.isnan(iou) else float(iou) for iou in ious],
        "pixel_accuracy": float(np.trace(confusions) / max(confusions.sum(), 1)),
    }


def _load(job: ImageJob, done: set[str], seen: set[str]) -> tuple[str, SoftmaxDump | None]:
    name = job.name()
    if name in seen:
        raise InputError(
            f"{job.origin}: expected a name of its own for each image, got {name!r} twice; "
            "rename one"
        )
    seen.add(name)
    return name, None if name in done else job.load()


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
    if run.manifest.n_classes is None:
        run.manifest.n_classes = n_classes
        run.write_manifest()
    elif run.manifest.n_classes != n_classes:
        raise InputError(
            f"{name}: expected {run.manifest.n_classes} classes as in the images before, got "
            f"{n_classes}; extract it into a run of its own"
        )


def _with_origin(job: ImageJob, error: MetaSegError) -> str:
    message = str(error)
    return message if job.origin in message else f"{job.origin}: {message}"
