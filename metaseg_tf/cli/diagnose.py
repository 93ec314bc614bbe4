"""``metaseg-tf diagnose``: what may be concluded from the regressions of a run."""

from metaseg_tf.cli.console import print_paths, print_text
from metaseg_tf.cli.options import Engine, RunFolder

__all__ = ["diagnose"]


def diagnose(run: RunFolder, engine: Engine = None) -> None:
    """Test the assumptions behind the fits of a run.

    Texts, CSV files and plots are written to RUN/diagnostics/.
    """
    from metaseg_tf.analysis import diagnostics
    from metaseg_tf.paper.figures import store_diagnostics
    from metaseg_tf.runs.run import Run, load_run

    options = {} if engine is None else {"engine": engine}
    opened = Run(run)
    found = diagnostics.diagnose(load_run(run), classes=opened.classes, **options)
    paths = store_diagnostics(found, opened)
    print_text(f"{found}\n\n")
    print_paths(paths)
