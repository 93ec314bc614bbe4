"""The paper's tables, laid out as printed, from one or more runs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from metaseg_tf.analysis.evaluation import evaluate_run
from metaseg_tf.analysis.protocol import PAPER_PROTOCOL
from metaseg_tf.errors import InputError
from metaseg_tf.paper import table1, table2, table3
from metaseg_tf.paper.layout import PrintedTable
from metaseg_tf.paper.measured import Measured, collect
from metaseg_tf.runs.run import Run, csv_text

__all__ = ["TABLES", "Table", "make_table", "name_runs", "store_printed", "store_table"]


class Table(NamedTuple):
    """How a table is laid out from the measured numbers of named runs, and which these are."""

    lay_out: Callable[[Mapping[str, Measured]], PrintedTable]
    parts: tuple[str, ...]


#: The paper's tables by number; another table is another entry.
TABLES = {
    1: Table(table1.lay_out, ("counts", "correlations")),
    2: Table(table2.lay_out, ("counts", "classification", "regression")),
    3: Table(table3.lay_out, ("regression",)),
}


def make_table(
    number: int, runs: Sequence[Run], *, engine: str = PAPER_PROTOCOL.engine
) -> PrintedTable:
    """A table of the paper; what a run cannot give is n/a, and the caption says why.

    Parameters
    ----------
    number : int
    runs : sequence of Run
    engine : {"lars", "reference"}
        Solver of the logistic fits: exact, or with the authors' own scikit-learn calls.

    Raises
    ------
    InputError
        If there is no such table, or no run gives any number of it.
    DataFormatError
        If a run's file is broken or has no ground truth.
    """
    if number not in TABLES:
        known = ", ".join(map(str, TABLES))
        raise InputError(f"table: expected one of {known}, got {number}; the paper has no other")
    table = TABLES[number]
    measured = {
        name: collect(run, table.parts, engine=engine) for name, run in name_runs(runs).items()
    }
    reasons = {f"{name}: {text}": None for name, m in measured.items() for text in m.missing}
    if not any(m.values.keys() - table1.COUNTS for m in measured.values()):
        raise InputError(f"table {number}: {'; '.join(reasons)}")
    printed = table.lay_out(measured)
    if not reasons:
        return printed
    return replace(printed, caption=f"{printed.caption} Not available: {'; '.join(reasons)}.")


def name_runs(runs: Sequence[Run]) -> dict[str, Run]:
    """Runs by the names of their folders, with the folder above where two are called the same."""
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        names = ["/".join(run.address.split("/")[-2:]) for run in runs]
    return dict(zip(names, runs, strict=True))


def store_printed(printed: PrintedTable, run: Run) -> list[Path]:
    """Write a table as CSV, Markdown and LaTeX into ``RUN/tables/``."""
    return [
        run.write_text(f"tables/{printed.title}.{suffix}", text)
        for suffix, text in printed.formats().items()
    ]


def store_table(
    number: int,
    printed: PrintedTable,
    runs: Sequence[Run],
    *,
    engine: str = PAPER_PROTOCOL.engine,
) -> list[Path]:
    """Write a table into the first run's folder and the scores behind it into each run's own.

    Returns
    -------
    list of Path
        ``tables/table2.csv``, ``.md`` and ``.tex``; for tables of scores also
        ``tables/evaluation.csv`` and ``evaluation_clipped.csv``.
    """
    paths = store_printed(printed, runs[0])
    if "regression" in TABLES[number].parts:
        scored = [run for run in runs if collect(run, ("regression",)).values]
        paths += [path for run in scored for path in _store_evaluation(run, engine)]
    return paths


def _store_evaluation(run: Run, engine: str) -> list[Path]:
    evaluation = evaluate_run(run, engine=engine)
    frames = {"evaluation": evaluation.tidy(), "evaluation_clipped": evaluation.clipped()}
    return [run.write_text(f"tables/{name}.csv", csv_text(frame)) for name, frame in frames.items()]
