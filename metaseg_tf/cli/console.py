"""What all verbs print alike: errors, progress, tables."""

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from metaseg_tf.cli.streams import spell_out
from metaseg_tf.paper.layout import PrintedTable

__all__ = [
    "print_error",
    "print_json",
    "print_paths",
    "print_table",
    "show_progress",
    "start_tensorflow",
]

T = TypeVar("T")

_ANY_WIDTH = 10_000


def print_error(error: Exception | str) -> None:
    """One line on stderr, without markup or wrapping; names in it cannot steer the terminal."""
    line = " ".join(str(error).split())
    sys.stderr.write(f"metaseg-tf: {''.join(c if c.isprintable() else '?' for c in line)}\n")


def start_tensorflow() -> None:
    """Import TensorFlow and start its compiler without what they say to stderr on every start.

    TF_CPP_MIN_LOG_LEVEL below 3, set by the user, shows it again. What measures image after image
    begins here, and so the process keeps its memory from here on.
    """
    from metaseg_tf.runs.work import keep_freed_memory

    keep_freed_memory()
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") != "3":
        return
    with _native_stderr_silenced():
        import numpy as np

        from metaseg_tf.segments.dispersion import compute_heat_maps

        compute_heat_maps(np.full((1, 1, 2), 0.5, np.float32))


@contextlib.contextmanager
def _native_stderr_silenced() -> Iterator[None]:
    """The first lines of TensorFlow's compiler come before its log level is in force."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def show_progress(items: Iterable[T], *, total: int, what: str, quiet: bool = False) -> Iterator[T]:
    """Pass items on under a bar with rate and remaining time; no bar where no terminal is."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=quiet or not console.is_terminal,
    )
    with bar:
        task = bar.add_task(what, total=total, rate="")
        for item in items:
            speed = bar.tasks[task].speed
            bar.update(task, advance=1, rate=f"{speed:.2f} images/s" if speed else "")
            yield item


def print_json(content: object) -> None:
    """Indented JSON; characters that standard output cannot show are escaped, so none is lost."""
    text = json.dumps(content, indent=2, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(content, indent=2)
    sys.stdout.write(text + "\n")


def print_paths(paths: Iterable[Path]) -> None:
    """One line for each file that was written."""
    for path in paths:
        sys.stdout.write(f"wrote {path}\n")


def print_table(table: PrintedTable) -> None:
    """A printed table on the screen, with its caption below; numbers are never cut off."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(table.header):
        grid.add_column(spell_out(name), justify="right" if index else "left", no_wrap=True)
    for row in table.rows:
        grid.add_row(*map(spell_out, row))
    console = Console()
    needed = Console(width=_ANY_WIDTH).measure(grid).maximum
    Console(width=max(console.width, needed)).print(grid)
    console.print(table.caption, highlight=False)
