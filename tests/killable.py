"""Extractions in processes of their own that can be killed, all forked from one that is ready."""

import os
import secrets
import signal

from ready import READY

from metaseg_tf.runs import run, storage

__all__ = [
    "compact_until",
    "extract_into",
    "hold_lock",
    "kill_at_step",
    "kill_at_step_of_recording",
    "make_event",
    "spawn",
]


def spawn(target, *args):
    """A running process that calls ``target``."""
    process = READY.Process(target=target, args=args, daemon=True)
    process.start()
    return process


def extract_into(dumps, out, **options):
    """Measure all dumps of a folder into a run, in this process; returns the outcomes."""
    from metaseg_tf.data.softmax import open_dumps
    from metaseg_tf.runs.extraction import MeasureSettings, extract, open_run

    source, settings = open_dumps(dumps), MeasureSettings()
    results = extract(source, open_run(out, source, settings), settings, **options)
    return [result.outcome for result in results]


def kill_at_step(step, dumps, out, pack=None):
    """Extract, and kill this process at the n-th step of writing a file."""
    _die_at(step)
    extract_into(dumps, out, pack=pack)


def kill_at_step_of_recording(step, out):
    """Record scenes from a loop, and kill this process at the n-th step of writing a file."""
    from scenes import make_scene

    from metaseg_tf import record

    _die_at(step)
    with record(out) as run:
        for i in range(4):
            run.add(f"image{i}", *make_scene(seed=i))


def compact_until(step, out):
    """Pack by fives, and kill this process at the n-th step of writing or deleting a file."""
    dying = _die_at(step)
    storage.LocalFolder.remove = dying(storage.LocalFolder.remove)
    run.Run(out).compact(5)


def _die_at(step):
    counts = iter(range(step))

    def dying(function):
        def call(*args, **kwargs):
            if next(counts, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return call

    secrets.token_hex = dying(secrets.token_hex)
    os.fsync = dying(os.fsync)
    os.replace = dying(os.replace)
    return dying


def hold_lock(out, held):
    """Hold a run for writing, from the event ``held`` until the process is killed."""
    with run.Run(out).continued():
        held.set()
        signal.pause()


def make_event():
    """An event that a spawned process can set."""
    return READY.Event()
