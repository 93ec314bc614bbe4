"""The diagnostics of a run as files: ``RUN/diagnostics/`` with texts, CSV and pictures."""

from pathlib import Path

from metaseg_tf.analysis.diagnostics import Diagnostics, diagnose
from metaseg_tf.paper import figures
from metaseg_tf.runs.run import Run, csv_text, load_run

__all__ = ["diagnose_run", "store_diagnostics"]


def diagnose_run(run: Run, **options) -> Diagnostics:
    """Diagnose the fits of a run; options and errors as `metaseg_tf.diagnose`."""
    return diagnose(load_run(run.path), **options)


def store_diagnostics(found: Diagnostics, run: Run) -> list[Path]:
    """Write all texts, tables and pictures and return where they lie."""
    files = {f"{name}.txt": f"{text}\n" for name, text in found.texts().items()}
    files |= {f"{name}.csv": csv_text(frame) for name, frame in found.frames().items()}
    paths = [run.write_text(f"diagnostics/{name}", text) for name, text in files.items()]
    return [*paths, *figures.make_diagnostic_figures(found, run)]
