"""The images of a data set, worked on one after the other: here, or on the workers of a cluster.

One process works on an image while another thread loads, or predicts, the next; on a cluster each
image is a task. What is done with an image is the caller's.
"""

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

from metaseg_tf.data.classes import ClassTable
from metaseg_tf.data.softmax import SoftmaxDump
from metaseg_tf.errors import ClusterError, InputError, MetaSegError
from metaseg_tf.runs.cluster import Cluster
from metaseg_tf.runs.run import Run
from metaseg_tf.segments.columns import check_image_name

__all__ = ["ImageJob", "ImageResult", "Source", "continued", "failed", "work_through"]

_LOG = logging.getLogger(__name__)


class ImageJob(NamedTuple):
    """One image to work on.

    Attributes
    ----------
    name : callable
        Gives its name in the run.
    origin : str
        Where it comes from.
    load : callable
        Gets it.
    threads : int or None
        How many to work on it with while another image is loaded; None for all there are.
    keep_maps : bool
        Whether its maps are to be stored.
    """

    name: Callable[[], str]
    origin: str
    load: Callable[[], SoftmaxDump]
    threads: int | None = None
    keep_maps: bool = False


class ImageResult(NamedTuple):
    """What became of an image: "measured", "judged", "kept" from an earlier start, or "failed".

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


class Source(Protocol):
    """Images in their order, of which ``len`` tells the number.

    Attributes
    ----------
    settings : mapping
        What the probabilities depend on.
    n_classes : int or None
        Number of classes, where it is known without loading an image.
    classes : ClassTable or None
        Their names, where they are known.
    """

    settings: Any
    classes: ClassTable | None
    n_classes: int | None

    def __len__(self) -> int: ...

    def jobs(self, done: set[str], *, apart: bool = False) -> Iterator[ImageJob]:
        """One job for each image; those that are ``done`` need not be loaded.

        Those ``apart`` can be sent to another process, on a machine that sees the same files.
        """


@contextlib.contextmanager
def continued(run: Run) -> Iterator[None]:
    """Begin or go on with a run, which no other process may write to meanwhile.

    Raises
    ------
    RunError
        As `Run.continued`.
    """
    with run.continued() as broken:
        for path in broken:
            _LOG.warning("%s was cut short; it is moved aside and made again", path)
        run.manifest.failed = {}
        yield


def work_through(
    source: Source,
    run: Run,
    work: Callable[[ImageJob], ImageResult],
    *,
    skip_errors: bool = False,
    keep_maps: int = 0,
    cluster: Cluster | None = None,
    first_alone: bool = False,
) -> Iterator[ImageResult]:
    """Have all images worked on that the run does not hold yet.

    Parameters
    ----------
    source : Source
    run : Run
        Inside `continued`.
    work : callable
        Does an image and writes it into the run; a bad image is a result, as `failed` gives it.
        It is sent to the workers of the cluster.
    skip_errors : bool
        Carry on past a bad image, and note it in the manifest.
    keep_maps : int
        How many jobs, the first ones, are marked to keep their maps; also those done without.
    cluster : Cluster, optional
        Whose workers do the images; without, this process does.
    first_alone : bool
        Begin the others only once one is done and has told the number of classes.

    Yields
    ------
    ImageResult
        One an image, once it is written, in the order of the source; on a cluster in the order in
        which they are done.

    Raises
    ------
    MetaSegError
        What is wrong with the first bad image, unless ``skip_errors``.
    """
    plan = _plan(source, run, keep_maps, apart=cluster is not None)

    def enough() -> int:
        return 1 if first_alone and run.manifest.n_classes is None else cluster.backlog

    results = _here(plan, work) if cluster is None else _there(cluster, plan, work, enough)
    with contextlib.closing(results):
        for result in results:
            _note(run, result, skip_errors)
            yield result


def failed(job: ImageJob, error: MetaSegError) -> ImageResult:
    """The result of an image that cannot be worked on, named by where it comes from."""
    message = str(error)
    named = message if job.origin in message else f"{job.origin}: {message}"
    return ImageResult(job.origin, "failed", error=type(error)(named))


def _plan(
    source: Source, run: Run, keep_maps: int, *, apart: bool
) -> Iterator[ImageJob | ImageResult]:
    """What is to be done, and the results of what is not."""
    done, mapped, seen = run.done(), run.with_maps(), set()
    for index, job in enumerate(source.jobs(done, apart=apart)):
        try:
            name = _new_name(job, seen)
        except MetaSegError as error:
            yield failed(job, error)
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


def _here(plan: Iterable, work: Callable) -> Iterator[ImageResult]:
    """In this process, one image after the other; the next is loaded in another thread."""
    with ThreadPoolExecutor(1, thread_name_prefix="load") as loader:
        begun = _ahead(plan, lambda item: _is_job(item) and item.load(), loader)
        for item, loaded, is_last in begun:
            if _is_job(item):
                threads = None if is_last else item.threads
                result = work(item._replace(load=loaded, threads=threads))
            else:
                result = item
            # Let this image's memory go before the one after next is loaded.
            del loaded
            yield result


def _there(
    cluster: Cluster, plan: Iterable, work: Callable, enough: Callable[[], int]
) -> Iterator[ImageResult]:
    """On a cluster, one task per image, at most ``enough()`` of them at a time."""
    try:
        for item in plan:
            if not _is_job(item):
                yield item
                continue
            cluster.submit(item, work, item)
            while len(cluster) >= enough():
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
        return failed(job, error)


def _is_job(item: ImageJob | ImageResult) -> bool:
    return isinstance(item, ImageJob)


def _note(run: Run, result: ImageResult, skip_errors: bool) -> None:
    """Keep in the manifest what a result tells of the run."""
    if result.outcome == "failed":
        if not skip_errors:
            raise result.error
        run.manifest.failed[result.name] = result.reason
    elif result.n_classes is not None and run.manifest.n_classes is None:
        run.manifest.n_classes = result.n_classes
        run.write_manifest()


def _ahead(items: Iterable, work: Callable, pool: ThreadPoolExecutor):
    """(item, result of work on it, is_last); the work is begun one item ahead."""
    waiting = None
    for item in items:
        begun = (item, pool.submit(work, item).result)
        if waiting is not None:
            yield *waiting, False
        waiting = begun
    if waiting is not None:
        yield *waiting, True
