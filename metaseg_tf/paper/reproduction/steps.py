"""The quick half of a reproduction: tables, figures and diagnostics of finished runs.

What was made is noted in ``OUT/steps.json`` with a fingerprint of the runs; a step whose runs and
files are still there as they were is not taken again.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from metaseg_tf import __version__
from metaseg_tf.errors import MetaSegError
from metaseg_tf.paper import figures
from metaseg_tf.paper.diagnosis import diagnose_run, store_diagnostics
from metaseg_tf.paper.tables import TABLES, make_table, store_table
from metaseg_tf.runs.run import Run, parse_json, write_json

__all__ = ["StepResult", "make_results"]

_RECORD = "steps.json"


class StepResult(NamedTuple):
    """What became of a step: "made", "kept" from before, or "failed" for a reason.

    One failed step keeps no other from being taken: a table of one outcome still has figures.
    """

    name: str
    outcome: str
    paths: tuple[Path, ...] = ()
    reason: str = ""


def make_results(runs: Mapping[str, Run], out: Path) -> Iterator[StepResult]:
    """Make all tables, figures and diagnostics.

    Parameters
    ----------
    runs : mapping
        Role -> finished run; files of several runs together go to the first.
    out : Path
        Folder for the record of what was made.

    Yields
    ------
    StepResult
    """
    record = _read_record(out)
    state = _fingerprint(runs)
    for name, make in _steps(runs).items():
        noted = record.get(name, {})
        if noted.get("state") == state and all((out / path).exists() for path in noted["paths"]):
            yield StepResult(name, "kept", tuple(out / path for path in noted["paths"]))
            continue
        result = _take(name, make)
        if result.outcome == "made":
            paths = [str(path.relative_to(out)) for path in result.paths]
            record[name] = {"state": state, "paths": paths}
            write_json(out / _RECORD, record)
        yield result


def _steps(runs: Mapping[str, Run]) -> dict[str, Callable[[], list[Path]]]:
    """Name of a step -> what makes its files; another result is another entry."""
    opened = list(runs.values())
    tables = {f"table {n}": partial(_make_table, n, opened) for n in TABLES}
    pictures = {f"figure {n}": partial(figures.make_figure, n, opened) for n in figures.FIGURES}
    diagnostics = {f"diagnostics {role}": partial(_diagnose, run) for role, run in runs.items()}
    return tables | pictures | diagnostics


def _make_table(number: int, runs: list[Run]) -> list[Path]:
    return store_table(number, make_table(number, runs), runs)


def _diagnose(run: Run) -> list[Path]:
    return store_diagnostics(diagnose_run(run), run)


def _take(name: str, make: Callable[[], list[Path]]) -> StepResult:
    try:
        return StepResult(name, "made", tuple(make()))
    except MetaSegError as error:
        return StepResult(name, "failed", reason=str(error))


def _fingerprint(runs: Mapping[str, Run]) -> str:
    states = [(role, run.fingerprint()) for role, run in runs.items()]
    return hashlib.sha256(repr((__version__, states)).encode()).hexdigest()


def _read_record(out: Path) -> dict[str, Any]:
    # A record that cannot be read only means that everything is made anew.
    try:
        record = parse_json((out / _RECORD).read_bytes())
        paths = [path for noted in record.values() for path in noted["paths"]]
        return record if all(isinstance(path, str) for path in paths) else {}
    except (OSError, ValueError, TypeError, KeyError):
        return {}
