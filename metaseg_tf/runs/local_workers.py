"""Worker processes of this machine, which obey only the process that started them.

Whoever can talk to a Dask scheduler or worker can run code as its user. So all of them listen on
the loopback interface only, ask for a certificate that exists only in memory, and serve no
dashboard or other page.
"""

import asyncio
import contextlib
import signal
from collections.abc import Iterator, Mapping
from logging import CRITICAL
from typing import Any

import dask
from distributed import Nanny, Scheduler, SpecCluster, Worker
from distributed.core import Status
from distributed.security import Security

from metaseg_tf.errors import ClusterError, MissingDependencyError, in_one_line, restate

__all__ = ["start_workers"]

_ATTEMPTS = 3
#: A task fails after this time without any worker: Dask would start, and lose, workers for ever.
_SECONDS_WITHOUT_WORKERS = 60


class _Scheduler(Scheduler):
    def start_http_server(self, *_args, **_options) -> None:
        """Serve no pages: Dask's have no authentication."""


class _Worker(Worker):
    def __init__(self, *args, **options):
        # Ctrl-C is for the process that started this one.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        super().__init__(*args, **options)

    start_http_server = _Scheduler.start_http_server


class _Cluster(SpecCluster):
    async def _close(self) -> None:
        # After Ctrl-C Dask would report workers that are still starting as an error of its own.
        await asyncio.gather(*(w.close() for w in self._created if w.status == Status.init))
        await super()._close()


@contextlib.contextmanager
def start_workers(
    count: int, threads: int, resources: Mapping[str, float]
) -> Iterator[SpecCluster]:
    """A scheduler in this process and ``count`` worker processes of ``threads`` threads each.

    Raises MissingDependencyError without the package cryptography, which makes the certificate, and
    ClusterError if workers die while they start, three times in a row.
    """
    said = "cluster: expected the package cryptography, which is not installed"
    with restate(ImportError, MissingDependencyError, said, "pip install 'metaseg-tf[cluster]'"):
        secure = {"security": Security.temporary()}
    safe, quiet = {"host": "127.0.0.1", "protocol": "tls://"} | secure, {"silence_logs": CRITICAL}
    own = {"nthreads": threads, "memory_limit": 1 / count, "resources": dict(resources)}
    worker = {"cls": Nanny, "options": {**safe, **own, **quiet, "worker_class": _Worker}}
    workers = dict.fromkeys(range(count), worker)
    scheduler = {"cls": _Scheduler, "options": {**safe, "port": 0, "dashboard": False}}
    settings = {
        # Samples of what the threads are doing would not be looked at. How often all processes look
        # at themselves costs two workers on two cores some percent.
        "distributed.worker.profile.enabled": False,
        "distributed.admin.tick.interval": "1s",
        "distributed.admin.system-monitor.interval": "5s",
        "distributed.worker.memory.monitor-interval": "500ms",
        "distributed.scheduler.no-workers-timeout": _SECONDS_WITHOUT_WORKERS,
    }
    options = {"scheduler": scheduler, "workers": workers, **secure, **quiet}
    with dask.config.set(settings), _start_cluster(_ATTEMPTS, options) as cluster:
        yield cluster


def _start_cluster(attempts: int, options: Mapping[str, Any]) -> SpecCluster:
    """Dask gives up if one worker is killed while it starts, such as for want of memory."""
    try:
        return _Cluster(**options)
    except (RuntimeError, OSError) as error:
        if attempts > 1:
            return _start_cluster(attempts - 1, options)
        # Dask wraps what happened in several layers of "failed to start".
        while error.__cause__:
            error = error.__cause__
        raise ClusterError(
            f"cluster: workers failed to start {_ATTEMPTS} times in a row "
            f"({in_one_line(error)}); ask for fewer, or free memory"
        ) from error
