"""A data set becomes a run: every image is measured once, and a stopped run is continued.

While one image is measured the next is loaded, or predicted, in another thread.
"""

import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from metaseg_tf.cityscapes import CLASSES, Pair, find_pairs, read_pairs
from metaseg_tf.components import CONNECTIVITIES, LABELLERS, VOID
from metaseg_tf.deeplab.network import describe_network, load_network, paper_options
from metaseg_tf.errors import InputError, MetaSegError, NetworkError, RunError
from metaseg_tf.iou import compute_class_iou, count_confusions
from metaseg_tf.maps import ImageMaps
from metaseg_tf.metrics import Measurement, measure_image
from metaseg_tf.run import Run
from metaseg_tf.schema import check_convention
from metaseg_tf.softmax import SoftmaxDump, find_dumps, load_dump, read_name

__all__ = [
    "KEEP_MAPS",
    "CityscapesSource",
    "DumpSource",
    "ImageJob",
    "ImageResult",
    "MeasureSettings",
    "extract",
    "open_cityscapes",
    "open_dumps",
    "open_run",
]

_CONFUSIONS = "confusions"
#: So many images keep their maps by default: enough for figures, some 1 MB each.
KEEP_MAPS = 20


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


class DumpSource:
    """Softmax dumps of a folder, as a source of images to measure."""

    settings: Mapping[str, Any] = MappingProxyType({"source": "softmax"})

    def __init__(self, folder: str | os.PathLike, *, limit: int | None = None):
        self._paths = find_dumps(folder)[:limit]

    def __len__(self) -> int:
        return len(self._paths)

    def jobs(self, done: set[str]) -> Iterator[ImageJob]:
        """One job for each dump; those that are ``done`` are told by the name they hold."""
        for path in self._paths:
            yield ImageJob(partial(read_name, path), str(path), partial(load_dump, path))


class CityscapesSource:
    """Cityscapes images seen through a network, as a source of images to measure.

    Parameters
    ----------
    network : object
        With ``probabilities(image)``, as `metaseg_tf.load_network` gives it.
    pairs : sequence of Pair
    settings : mapping
        What the probabilities depend on; it goes into the manifest of a run.
    """

    def __init__(self, network, pairs: Sequence[Pair], settings: Mapping[str, Any]):
        self._network, self._pairs = network, pairs
        self.settings = {"source": "cityscapes", **settings}

    def __len__(self) -> int:
        return len(self._pairs)

    def jobs(self, done: set[str]) -> Iterator[ImageJob]:
        """One job for each image; those that are ``done`` are not read."""
        pending = read_pairs([pair for pair in self._pairs if pair.name not in done])

        def predict(pair: Pair) -> SoftmaxDump:
            # An image that is done comes back where its maps are wanted only now.
            image, gt = next(read_pairs([pair]) if pair.name in done else pending)
            return SoftmaxDump(self._network.probabilities(image), gt, pair.name, image)

        for pair in self._pairs:
            yield ImageJob(lambda name=pair.name: name, str(pair.image), partial(predict, pair))


def open_dumps(folder: str | os.PathLike, *, limit: int | None = None) -> DumpSource:
    """The softmax dumps of a folder; errors as `metaseg_tf.softmax.find_dumps`."""
    return DumpSource(folder, limit=limit)


def open_cityscapes(
    network: str,
    root: str | os.PathLike,
    *,
    split: str = "val",
    city: str | None = None,
    limit: int | None = None,
    **options,
) -> CityscapesSource:
    """Cityscapes images seen through a network.

    Parameters
    ----------
    network : str
        As in `metaseg_tf.load_network`, which takes ``options``.
    root : path
    split, city, limit
        As in `metaseg_tf.cityscapes.find_pairs`.
    """
    pairs = find_pairs(root, split=split, city=city, limit=limit)
    options = paper_options(network, options)
    loaded = load_network(network, **options)
    if loaded.classes != len(CLASSES):
        raise NetworkError(
            f"{network}: expected {len(CLASSES)} classes as in Cityscapes, got {loaded.classes}; "
            "use a network trained on Cityscapes"
        )
    described = describe_network(network, loaded, **options)
    return CityscapesSource(loaded, pairs, {"split": split, **described})


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
) -> Iterator[ImageResult]:
    """Measure all images that the run does not hold yet, in the order of the source.

    Parameters
    ----------
    source : object
        With ``jobs(done)``, which gives an `ImageJob` for each image.
    run : Run
        Open for writing.
    settings : MeasureSettings
    skip_errors : bool
        Carry on past an image that cannot be measured, and note it in the manifest.
    keep_maps : int
        Keep the maps of so many images, the first ones, for pictures. Images that were measured
        without are measured again for their maps.

    Yields
    ------
    ImageResult
        One an image, once its file is written.

    Raises
    ------
    MetaSegError
        What is wrong with the first bad image, unless ``skip_errors``; always where the run folder
        cannot be written.
    """
    run.manifest.failed = {}
    held = _Held(run.done(), run.with_maps(), keep_maps)
    with ThreadPoolExecutor(1, thread_name_prefix="load") as loader:
        for (index, job), loaded in _ahead(enumerate(source.jobs(held.done)), held.load, loader):
            try:
                name, dump = loaded()
                if dump is None:
                    yield ImageResult(name, "kept")
                    continue
                measured = measure_image(dump.probs, dump.gt, **asdict(settings))
                _check_classes(run, name, dump.probs.shape[-1])
                gt = _truth(dump, settings)
            except RunError:
                raise
            except MetaSegError as error:
                if not skip_errors:
                    raise type(error)(_with_origin(job, error)) from error
                run.manifest.failed[job.origin] = str(error)
                yield ImageResult(job.origin, "failed", reason=str(error))
                continue
            if held.wants_maps(index, name):
                run.write_maps(name, _maps(measured, gt, dump.image))
            # Let this image's memory go before the one after next is loaded.
            del loaded, dump
            run.write_segments(name, measured.table, _confusions(run, measured, gt))
            yield ImageResult(name, "measured", len(measured.table))
    run.manifest.results = _summarise(run)
    run.write_manifest()


def _truth(dump: SoftmaxDump, settings: MeasureSettings) -> np.ndarray | None:
    """Ground truth as uint8 with 255 for void."""
    if dump.gt is None:
        return None
    return np.where(dump.gt == settings.void, VOID, dump.gt).astype(np.uint8)


def _maps(measured: Measurement, gt: np.ndarray | None, image: np.ndarray | None) -> ImageMaps:
    heat = measured.heat
    return ImageMaps(heat.pred, measured.segments, heat.entropy, heat.difference, gt, image)


def _confusions(run: Run, measured: Measurement, gt: np.ndarray | None) -> dict[str, bytes]:
    """The image's confusion matrix, where the truth is known."""
    if gt is None:
        return {}
    confusions = count_confusions(measured.heat.pred, gt, run.manifest.n_classes)
    return {_CONFUSIONS: zlib.compress(confusions.astype("<i8").tobytes())}


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


class _Held:
    """What the run held at the start, and so which images need not be loaded."""

    def __init__(self, done: set[str], mapped: set[str], keep_maps: int):
        self.done = done
        self._mapped = mapped
        self._keep_maps = keep_maps
        self._seen: set[str] = set()

    def wants_maps(self, index: int, name: str) -> bool:
        """Whether maps are to be written of that image, the index-th of all."""
        return index < self._keep_maps and name not in self._mapped

    def load(self, item: tuple[int, ImageJob]) -> tuple[str, SoftmaxDump | None]:
        """The image's name, and its probabilities unless all of it is there."""
        index, job = item
        name = job.name()
        if name in self._seen:
            raise InputError(
                f"{job.origin}: expected a name of its own for each image, got {name!r} twice; "
                "rename one"
            )
        self._seen.add(name)
        finished = name in self.done and not self.wants_maps(index, name)
        return name, None if finished else job.load()


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
