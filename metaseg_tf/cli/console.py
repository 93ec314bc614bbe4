"""Shared by all verbs: streams, errors, progress, tables, work that can be interrupted.

Standard streams accept anything, so that no work fails because of its output: characters that the
encoding lacks are spelt out, and they may be closed from the start (``>&-``) or later.
"""

import codecs
import io
import json
import os
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import groupby, pairwise
from pathlib import Path
from time import monotonic
from typing import TypeVar

import typer

from metaseg_tf.errors import in_one_line, number_of
from metaseg_tf.paper.layout import PrintedTable

__all__ = [
    "SPELLING", "download_with_bar", "interruptible", "long_work", "open_streams", "print_error",
    "print_json", "print_outcomes", "print_paths", "print_table", "print_text",
    "print_verification", "show_progress", "spell_out", "start_tensorflow",
]  # fmt: skip

T = TypeVar("T")

#: Codec error handler that spells characters out.
SPELLING = "metaseg_tf.spell_out"
_SIGNS = {
    "σ": "sigma", "λ": "lambda", "μ": "mu", "±": "+-", "²": "2", "≤": "<=", "≥": ">=", "…": "...",
    **dict(zip("×·•→≈\N{NO-BREAK SPACE}│┃“”‘’", "x**>~ ||\"\"''", strict=True)),
    **dict.fromkeys("–—−‐‑─━╸╺", "-"),
}  # fmt: skip


class _Descriptor(io.FileIO):
    _failed = False

    def write(self, data) -> int:
        try:
            return super().write(data)
        except OSError as error:
            # Work goes on if nobody reads its output; a full disk is reported once.
            if isinstance(error, BrokenPipeError) or self._failed:
                return len(data)
            self._failed = True
            raise


class _Text(io.TextIOWrapper):
    # Typer writes UTF-8 into the buffer of a stream whose encoding is ASCII, if it finds one.
    buffer = None


def open_streams() -> None:
    """Replace the standard streams of this process, but not streams that a caller has set."""
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        # The next file opened would get the descriptor of a closed stream.
        number = os.open(os.devnull, os.O_RDWR) if stream is None else None
        if name != "stdin" and stream is getattr(sys, f"__{name}__"):
            raw = _Descriptor(stream.fileno() if number is None else number, "w", closefd=False)
            encoding = "utf-8" if stream is None else stream.encoding
            buffered = io.BufferedWriter(raw)
            setattr(sys, name, _Text(buffered, encoding, SPELLING, line_buffering=True))


def spell_out(text: str) -> str:
    """Text as standard output will show it, such as "sigma" if its encoding has no sigma."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, SPELLING).decode(encoding, "surrogateescape")


def _spell_sign(error: UnicodeError) -> tuple[str | bytes, int]:
    sign = error.object[error.start]
    if "\udc80" <= sign <= "\udcff":
        # A byte of a file name that is not text in this locale goes out as it came in.
        return bytes([ord(sign) - 0xDC00]), error.start + 1
    return _SIGNS.get(sign, "?"), error.start + 1


codecs.register_error(SPELLING, _spell_sign)


def print_error(error: Exception | str) -> None:
    """One line on stderr, without markup or wrapping; names in it cannot control the terminal."""
    line = in_one_line(error, limit=None)
    sys.stderr.write(f"metaseg-tf: {''.join(c if c.isprintable() else '?' for c in line)}\n")


def start_tensorflow() -> None:
    """Import TensorFlow and start its compiler without the messages that they print each time.

    A TF_CPP_MIN_LOG_LEVEL below 3 shows them. From here on, freed memory is kept in the process.
    """
    from metaseg_tf.runs.work import keep_freed_memory

    keep_freed_memory()
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") != "3":
        return
    # The compiler prints its first lines before its log level is in force.
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        import numpy as np

        from metaseg_tf.segments.dispersion import compute_heat_maps

        compute_heat_maps(np.full((1, 1, 2), 0.5, np.float32))
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def show_progress(items: Iterable[T], total: int, what: str, *, quiet: bool = False) -> list[T]:
    """All items, taken under a bar with rate and remaining time; without a terminal, no bar."""
    from rich import progress
    from rich.console import Console

    console, done = Console(stderr=True), []
    counts = (progress.BarColumn(), progress.MofNCompleteColumn(), "{task.fields[rate]}")
    times = (progress.TimeElapsedColumn(), progress.TimeRemainingColumn())
    options = {"console": console, "disable": quiet or not console.is_terminal}
    with progress.Progress("{task.description}", *counts, *times, **options) as bar:
        task = bar.add_task(what, total=total, rate="")
        shown = 0.0
        for item in items:
            done.append(item)
            # To show each of 100,000 images that are kept would take longer than to find them.
            if monotonic() > shown + 0.1:
                speed, shown = bar.tasks[task].speed, monotonic()
                rate = f"{speed:.2f} images/s" if speed else ""
                bar.update(task, completed=len(done), rate=rate)
        bar.update(task, completed=len(done))
    return done


class _DownloadBar:
    """A bar on stderr that pooch can drive; it appears with the first bytes."""

    def __init__(self, title: str):
        from rich import progress
        from rich.console import Console

        columns = (progress.BarColumn(), progress.DownloadColumn(), progress.TimeRemainingColumn())
        on_stderr = {"console": Console(stderr=True)}
        self._progress = progress.Progress("{task.description}", *columns, **on_stderr)
        self._task = self._progress.add_task(title, total=None)
        self.total = 0

    def update(self, count: int) -> None:
        self._progress.start()
        self._progress.update(self._task, total=self.total or None, advance=count)

    def reset(self) -> None:
        # Pooch fills the bar once more, to be sure that it ends full.
        self._progress.reset(self._task)

    def close(self) -> None:
        if self._progress.live.is_started:
            self._progress.stop()


def download_with_bar(entry, folder: Path | None = None, *, quiet: bool = False) -> Path:
    """Download a checkpoint of the catalogue under a bar, see `metaseg_tf.networks.checkpoints`."""
    from metaseg_tf.networks.checkpoints import download

    if quiet:
        return download(entry, folder)
    with closing(_DownloadBar(f"{entry.name}, about {entry.size} MB")) as bar:
        return download(entry, folder, progress=bar)


@contextmanager
def interruptible(out: object = "") -> Iterator[None]:
    """On Ctrl-C, say that nothing is lost and exit with code 130."""
    try:
        yield
    except KeyboardInterrupt:
        place = f" ({out})" if out else ""
        print_text(f"stopped; finished work is kept: repeat the command to continue{place}")
        raise typer.Exit(130) from None


@contextmanager
def long_work(
    out: object, workers: int | None, scheduler: str | None, worker_resources: str | None
) -> Iterator[object]:
    """Interruptible work on the cluster that the options ask for, or on None."""
    from metaseg_tf.runs.cluster import connect, parse_resources

    needs = worker_resources and parse_resources(worker_resources)
    with interruptible(out), connect(scheduler, workers, needs, start_tensorflow) as cluster:
        yield cluster


def summarise(out: object, done: str, results: Sequence) -> dict:
    """Counts of a run's images by outcome, and the reasons of those that failed."""
    outcomes = [result.outcome for result in results]
    return {
        "run": out,
        done: outcomes.count(done),
        "segments": sum(result.segments for result in results),
        "kept": outcomes.count("kept"),
        "failed": [result.reason for result in results if result.outcome == "failed"],
    }


def print_outcomes(done: str, summary: dict, *, quiet: bool = False) -> None:
    """The counts that `summarise` gives, unless ``quiet``, and a line for each skipped image."""
    if not quiet:
        typer.echo(
            f"{summary['run']}: {number_of(summary[done], 'image')} {done} "
            f"({number_of(summary['segments'], 'segment')}), {summary['kept']} kept from before, "
            f"{len(summary['failed'])} failed"
        )
    for reason in summary["failed"]:
        typer.echo(f"skipped {reason}")


def print_json(content: object) -> None:
    """Indented JSON, frames as records; characters that standard output lacks are escaped."""

    def as_records(frame):
        return json.loads(frame.to_json(orient="records"))

    encode = partial(json.dumps, content, indent=2, default=as_records)
    text = encode(ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = encode()
    sys.stdout.write(text + "\n")


def print_paths(paths: Iterable[Path]) -> None:
    """One line for each file written."""
    for path in paths:
        sys.stdout.write(f"wrote {path}\n")


def print_text(text: str, indent: int | None = None) -> None:
    """Text, each line wrapped to the terminal's width; words, such as paths, are never cut.

    A line goes on below its first word, or at ``indent``.
    """
    from rich.console import Console

    options = {"break_long_words": False, "break_on_hyphens": False}
    width = Console().width
    for line in text.splitlines():
        hang = " " * (len(line) - len(line.lstrip(" -")) if indent is None else indent)
        typer.echo(textwrap.fill(line, width, subsequent_indent=hang, **options))


def print_table(table: PrintedTable, *, titles: int = 0) -> None:
    """A table of the paper with its caption below; numbers are never cut off.

    What is too wide for the terminal comes in pieces below each other, each with the first column:
    the halves of a table whose first heading is repeated, then two columns, then one. The first
    ``titles`` columns become lines of their own, above the rows that share them.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    header, rows = [spell_out(name) for name in table.header[titles:]], []
    for title, group in groupby(table.rows, lambda row: row[:titles]):
        rows += [(", ".join(title), *[""] * (len(header) - 1))] if titles else []
        rows += [tuple(map(spell_out, row[titles:])) for row in group]

    def lay_out(columns):
        grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 0 if titles else 1))
        for i in columns:
            # Long names of runs take several lines.
            name = textwrap.fill(header[i], max(20, *(len(row[i]) for row in rows)))
            grid.add_column(name, justify="right" if i > columns[0] else "left", no_wrap=True)
        for cells in ([row[i] for i in columns] for row in rows):
            if any(cells):
                grid.add_row(*cells)
        return grid, wide.measure(grid).maximum

    options = {"markup": False, "emoji": False, "highlight": False}
    width, wide = Console().width, Console(width=10_000, **options)
    starts = [i for i, name in enumerate(header) if name == header[0]]
    halves = [range(*ends) for ends in pairwise([*starts, len(header)])]
    pieces = [[range(len(header))]]
    for n in (len(header), 2, 1):
        pieces.append([(h[0], *h[i : i + n]) for h in halves for i in range(1, len(h), n)])
    for columns in pieces:
        grids = list(map(lay_out, columns))
        if all(needed <= width for _, needed in grids):
            break
    for grid, needed in grids:
        Console(width=max(width, needed), **options).print(grid)
    print_text(table.caption)


def print_verification(verification, *, headlines: bool = False) -> None:
    """What a `metaseg_tf.paper.verify.Verification` found; its numbers, or the ``headlines``."""
    print_text("\n".join(verification.foreword()))
    print_table(verification.table(headlines=headlines, differences=False), titles=2)
    for hint in verification.hints:
        print_text(f"- {hint}")
