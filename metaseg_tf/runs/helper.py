"""A second process that takes part in the work of this one."""

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import active_children, get_context, parent_process
from threading import Thread
from types import ModuleType
from typing import TypeVar

__all__ = ["beside", "fetch", "open_helper"]

T = TypeVar("T")


@contextmanager
def open_helper() -> Iterator[Executor | None]:
    """A process that takes part in the work of this one; None if there is one core only."""
    if len(os.sched_getaffinity(0)) < 2:
        yield None
        return
    pool = ProcessPoolExecutor(1, get_context("spawn"), _follow_parent)
    others = {*active_children()}
    # The process would begin with the caller's script once more.
    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        pool.submit(int)
    finally:
        sys.modules["__main__"] = main
    try:
        yield pool
    finally:
        # What it works on is whole or not there; TensorFlow would take a second to leave.
        for process in {*active_children()} - others:
            process.terminate()
        pool.shutdown(cancel_futures=True)


def _follow_parent() -> None:
    """Leave Ctrl-C and warnings to the parent, and end with it even if it is killed."""
    logging.disable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=lambda: (parent_process().join(), os._exit(1)), daemon=True).start()


def beside(helper: Executor | None, make: Callable[..., T], *given) -> Callable[[], T]:
    """A function of the result that a helper begins to make; without one, it makes it itself."""
    here = partial(make, *given)
    with suppress(BrokenProcessPool):
        return partial(fetch, helper.submit(here), here) if helper else here
    return here


def fetch(future: Future[T], make: Callable[[], T]) -> T:
    """What a helper was given to make, or made here if it was killed."""
    try:
        return future.result()
    except BrokenProcessPool:
        return make()
