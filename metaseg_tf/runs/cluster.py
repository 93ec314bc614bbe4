"""Work spread over processes and machines by Dask distributed.

Dask is imported only when a cluster is asked for; one process needs none.
"""

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import perf_counter
from typing import Any

from metaseg_tf.errors import ClusterError, InputError, MissingDependencyError, restate
from metaseg_tf.runs.work import ImageJob, ImageResult, Work, failed, keep_freed_memory

__all__ = ["Cluster", "connect", "parse_resources"]

_SECONDS_TO_CONNECT = 15
#: A task holds about a second of work, of which Dask's own share is a hundredth.
_SECONDS_PER_TASK, _MOST_PER_TASK = 1, 100
_ONE_AT_A_TIME = threading.Lock()
Prepare = Callable[[], None]


class Cluster:
    """Workers elsewhere as an `Executor`; made by `connect`.

    A task takes ``resources``, such as ``{"GPU": 1}``, of those that workers were started with.
    Each worker calls ``prepare`` before its first task.
    """

    #: Tasks that wait at the scheduler: enough for any number of workers, few enough for memory.
    backlog = 1000
    #: As many images as take a worker about a second.
    size = 1
    ordered = False

    def __init__(
        self, client, resources: Mapping[str, float] | None = None, prepare: Prepare | None = None
    ):
        from distributed import as_completed

        self._client, self._resources, self._prepare = client, dict(resources or {}), prepare
        self._completed = as_completed()
        self._running: dict[Any, tuple[Work, Sequence[ImageJob]]] = {}
        #: Single images that were on workers when these died, perhaps of others.
        self._suspects: list[tuple[Work, Sequence[ImageJob]]] = []

    def __len__(self) -> int:
        return len(self._running) + len(self._suspects)

    def submit(self, work: Work, jobs: Sequence[ImageJob]) -> None:
        """Have a worker do the jobs, another one if it is lost; ``work`` must be idempotent.

        A worker does one task at a time, with as many threads as it has.
        """
        task = functools.partial(_call, self._prepare, work, jobs)
        future = self._client.submit(task, pure=False, resources=self._resources)
        self._running[future] = work, jobs
        self._completed.add(future)

    def collect(self) -> list[ImageResult]:
        """Wait for one task to end; one that its workers died of, or whose end is lost, has failed.

        Of several images that workers died of, each half is tried again, and single ones once more
        when nothing else is under way, so that it costs no other.
        Raises what ``work`` raised, or ClusterError if no worker came in the scheduler's time.
        """
        from distributed import CancelledError
        from distributed.scheduler import KilledWorker, NoValidWorkerError, NoWorkerError

        if alone := not self._running:
            self.submit(*self._suspects.pop())
        future = next(self._completed)
        work, jobs = self._running.pop(future)
        try:
            results, seconds = future.result()
            size = int(_SECONDS_PER_TASK * len(jobs) / max(seconds, 1e-3))
            self.size = min(max(size, 1), _MOST_PER_TASK)
            return results
        except (NoWorkerError, NoValidWorkerError) as error:
            raise ClusterError(
                f"cluster: no worker in {error.timeout:g} s, as if each is killed while it starts; "
                "what was finished is kept: free memory and start again"
            ) from error
        except KilledWorker as error:
            if half := len(jobs) // 2:
                self.submit(work, jobs[:half])
                self.submit(work, jobs[half:])
                return []
            if not alone:
                self._suspects.append((work, jobs))
                return []
            lost = f"lost {error.allowed_failures + 1} workers one after the other with this task"
            advice = "give them more memory, or look at their logs"
        except CancelledError:
            lost = "cluster: the connection to the scheduler is lost"
            advice = "what was finished is kept: start again when it is back"
        return [failed(job, ClusterError(f"{lost}; {advice}")) for job in jobs]

    def cancel(self) -> None:
        """Forget all tasks; those that have begun run to their end."""
        self._client.cancel(list(self._running))
        self._running.clear()
        self._suspects.clear()
        self._completed.clear()


@contextlib.contextmanager
def connect(
    scheduler: str | None = None,
    workers: int | None = None,
    resources: Mapping[str, float] | None = None,
    prepare: Prepare | None = None,
) -> Iterator[Cluster | None]:
    """A `Cluster` of a Dask scheduler, or of ``workers`` processes here; None if without either.

    ``scheduler`` is an address such as ``tls://10.0.0.1:8786``; certificates are those of Dask's
    configuration (``distributed.comm.tls``). Raises InputError if both are asked for,
    MissingDependencyError if a package is not installed, and ClusterError if the scheduler does not
    answer, or workers cannot be started.
    """
    if scheduler is not None and workers is not None:
        raise InputError(
            "cluster: expected a scheduler's address or a number of workers, got both; "
            "workers of a scheduler are started with dask worker"
        )
    if scheduler is None and workers is None:
        yield None
        return
    said = "cluster: expected Dask distributed, which is not installed"
    with restate(ImportError, MissingDependencyError, said, "pip install 'metaseg-tf[cluster]'"):
        from distributed import Client
    with contextlib.ExitStack() as opened:
        if workers is not None:
            from metaseg_tf.runs.local_workers import start_workers

            threads = max(1, len(os.sched_getaffinity(0)) // workers)
            scheduler = opened.enter_context(start_workers(workers, threads, resources or {}))
        # TLS without a certificate is a TypeError to Dask, and with tcp:// a RuntimeError.
        errors = (OSError, RuntimeError, TypeError, ValueError)
        said = f"{scheduler}: expected a Dask scheduler, got no answer"
        start = "start one with dask scheduler, or check the address and, for tls://, certificates"
        with restate(errors, ClusterError, said, start):
            client = opened.enter_context(Client(scheduler, timeout=_SECONDS_TO_CONNECT))
        cluster = Cluster(client, resources, prepare)
        opened.callback(cluster.cancel)
        yield cluster


def parse_resources(text: str) -> dict[str, float]:
    """``"GPU=1,MEMORY=2e9"`` as a mapping; InputError if it is something else."""
    said = f"resources: expected NAME=AMOUNT, ..., got {text!r}"
    with restate(ValueError, InputError, said, "write it like GPU=1"):
        pairs = (part.split("=") for part in text.split(","))
        return {name.strip(): float(amount) for name, amount in pairs}


def _call(
    prepare: Prepare | None, work: Work, jobs: Sequence[ImageJob]
) -> tuple[list[ImageResult], float]:
    """On a worker: one task at a time, so that it has the memory and the threads for itself.

    Returns the results, and how many seconds the task took.
    """
    from distributed import get_worker

    with _ONE_AT_A_TIME:
        _prepare_process(get_worker().state.nthreads, prepare)
        start = perf_counter()
        return work(jobs), perf_counter() - start


@functools.lru_cache
def _prepare_process(threads: int, prepare: Prepare | None) -> None:
    import tensorflow as tf

    keep_freed_memory()
    # Where TensorFlow has started already, as in the caller's own process, its setting stays.
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    if prepare is not None:
        prepare()
