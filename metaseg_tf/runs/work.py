"""The images of a data set, worked on one after the other: here, or on the workers of a cluster.

Either is an executor of tasks, each of one or more images. What is done with an image is the
caller's.
"""

import ctypes
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from operator import methodcaller
from typing import NamedTuple

from metaseg_tf.data.sample import Item, Sample, Source
from metaseg_tf.errors import InputError, MetaSegError
from metaseg_tf.runs.run import Run
from metaseg_tf.segments.columns import check_image_name

__all__ = ["Executor", "ImageJob", "ImageResult", "failed", "keep_freed_memory", "work_through"]

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8
#: New names that are worth a file.
_NAMES_AT_ONCE = 1000
#: Images that wait in tasks at most, for memory.
_MOST_WAITING = 100_000
_MALLOC_OPTIONS = {_M_ARENA_MAX: 1, _M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: (1 << 31) - 1}


class ImageJob(NamedTuple):
    """One image to work on; ``origin`` is its file or the like, for messages."""

    name: str
    origin: str
    #: Reads it, or sees it through a network.
    load: Callable[[], Sample]
    #: To work on it with; None for all there are.
    threads: int | None = None
    keep_maps: bool = False


class ImageResult(NamedTuple):
    """Outcome of an image: "measured", "judged", "kept" from an earlier start, or "failed".

    A failed one goes by its origin and says why; a measured one gives its number of classes.
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


Work = Callable[[Sequence[ImageJob]], list[ImageResult]]


class Executor:
    """Works on a task when it is collected, with ``threads``, while a thread loads the next one.

    `metaseg_tf.runs.cluster.Cluster` has the same attributes and methods, for workers elsewhere.
    """

    #: Number of tasks that are submitted before one is collected.
    backlog = 2
    #: Number of images that a task should have.
    size = 1
    #: True if tasks are collected in the order in which they were submitted.
    ordered = True

    def __init__(self, threads: int | None = None):
        self._threads = threads
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="load")
        self._tasks = deque()

    def __len__(self) -> int:
        """Number of tasks submitted and not yet collected."""
        return len(self._tasks)

    def submit(self, work: Work, jobs: Sequence[ImageJob]) -> None:
        """Have ``work(jobs)`` called: here, begin to load the jobs."""
        loading = [self._loader.submit(job.load) for job in jobs]
        self._tasks.append((work, jobs, loading))

    def collect(self) -> list[ImageResult]:
        """The results of a task that has ended: here, of the oldest one, which is done now."""
        work, jobs, loading = self._tasks.popleft()
        threads = self._threads if self._tasks else None
        loaded = zip(jobs, loading, strict=True)
        return work([job._replace(load=one.result, threads=threads) for job, one in loaded])

    def cancel(self) -> None:
        """Forget all tasks, and wait for the image that is being loaded."""
        self._tasks.clear()
        self._loader.shutdown(cancel_futures=True)


def work_through(
    source: Source,
    run: Run,
    work: Callable[[ImageJob], ImageResult],
    *,
    skip_errors: bool = False,
    keep_maps: int = 0,
    pack: int | None = None,
    cluster: Executor | None = None,
) -> Iterator[ImageResult]:
    """Have all images worked on that the run, inside `Run.continued`, does not hold yet.

    ``work`` does an image and writes it into the run; of a bad one it returns what `failed` gives.
    If nothing else tells the number of classes, one must give it before the others are begun.
    Results, order and further options are those of `metaseg_tf.runs.extraction.extract`.
    """
    done, run.manifest.failed = run.done(), {}
    done -= run.lacking_truth(done)
    # Packs are filled here, or each by the worker that a task of as many images goes to.
    here = there = partial(run.packed, pack) if pack else nullcontext
    if cluster is None:
        executor, read, there = Executor(source.threads), source.reader(done), nullcontext
    else:
        executor, read, here = cluster, methodcaller("read"), nullcontext
    task = partial(_work_on, work=work, packing=there)

    def collect(most: int) -> Iterator[ImageResult]:
        """Results, until at most ``most`` tasks are under way."""
        while len(executor) > most:
            yield from executor.collect()

    def execute() -> Iterator[ImageResult]:
        jobs = []
        for item in _plan(source, run, done, read, keep_maps):
            if isinstance(item, ImageResult):
                yield from collect(0) if executor.ordered else ()
                yield item
                continue
            jobs.append(item)
            known = run.manifest.n_classes or source.n_classes
            size = pack if pack and cluster else executor.size
            if len(jobs) >= size or not known:
                executor.submit(task, jobs)
                jobs = []
                backlog = min(executor.backlog, _MOST_WAITING // size)
                yield from collect(backlog - 1 if known else 0)
        if jobs:
            executor.submit(task, jobs)
        yield from collect(0)

    with here():
        try:
            for result in execute():
                if result.outcome == "failed":
                    if not skip_errors:
                        raise result.error
                    run.manifest.failed[result.name] = result.reason
                elif result.n_classes is not None and run.manifest.n_classes is None:
                    run.manifest.n_classes = result.n_classes
                    run.write_manifest()
                yield result
        finally:
            executor.cancel()


def _work_on(
    jobs: Sequence[ImageJob],
    work: Callable[[ImageJob], ImageResult],
    packing: Callable[[], AbstractContextManager],
) -> list[ImageResult]:
    with packing():
        return [work(job) for job in jobs]


def failed(job: ImageJob | Item, error: MetaSegError) -> ImageResult:
    """The result of an image that cannot be worked on, named by its origin."""
    message = str(error)
    named = message if job.origin in message else f"{job.origin}: {message}"
    return ImageResult(job.origin, "failed", error=type(error)(named))


def _plan(
    source: Source, run: Run, done: set[str], read: Callable[[Item], Sample], keep_maps: int
) -> Iterator[ImageJob | ImageResult]:
    """A job for each image to be worked on, and the results of the others."""
    mapped, seen, name_of = run.with_maps(), set(), _remember_names(run)
    for index, item in enumerate(source.items):
        try:
            name = check_image_name(name_of(item))
            if name in seen:
                raise InputError(
                    f"{item.origin}: expected a name of its own for each image, got {name!r} "
                    "twice; rename one"
                )
        except MetaSegError as error:
            yield failed(item, error)
            continue
        seen.add(name)
        wants_maps = index < keep_maps and name not in mapped
        if name in done and not wants_maps:
            yield ImageResult(name, "kept")
        else:
            yield ImageJob(name, item.origin, partial(read, item), keep_maps=wants_maps)


def _remember_names(run: Run) -> Callable[[Item], str]:
    """A function for the name of an item, which the run keeps if reading it takes long.

    Items whose name is in a file tell its ``state``, a text that changes with the file.
    """
    known, new = run.read_names(), 0

    def name_of(item: Item) -> str:
        nonlocal new
        if not (state := getattr(item, "state", "")):
            return item.name
        before, _, name = known.get(item.origin, "").partition("/")
        if before != state:
            name = item.name
            known[item.origin], new = f"{state}/{name}", new + 1
            # Of few images, names are soon read again.
            if new >= max(_NAMES_AT_ONCE, len(known) // 20):
                run.write_names(known)
                new = 0
        return name

    return name_of


def keep_freed_memory() -> None:
    """Keep freed memory in the process for the next image (glibc; elsewhere nothing happens).

    Otherwise much of it goes back to the system and comes back as pages that have to be cleared: up
    to as costly as measuring itself, most of all in Dask's workers. The command line and the
    workers of a cluster set this for themselves; libraries leave it alone.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in _MALLOC_OPTIONS.items():
            mallopt(parameter, value)
