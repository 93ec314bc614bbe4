"""``metaseg-tf table``: a table of the paper from one or more runs."""

from metaseg_tf.cli.console import print_json, print_paths, print_table
from metaseg_tf.cli.options import AsJson, Engine, RunFolders, argument

__all__ = ["table"]


def table(
    number: argument(int, min=1, max=3, help="Number of the table in the paper."),
    runs: RunFolders,
    engine: Engine = None,
    as_json: AsJson = False,
) -> None:
    """Make a table of the paper.

    It is printed, and written to RUN/tables/ of the first run as CSV, Markdown and LaTeX.
    """
    from metaseg_tf.paper.tables import make_table, store_table
    from metaseg_tf.runs.run import Run

    opened = [Run(path) for path in runs]
    options = {} if engine is None else {"engine": engine}
    printed = make_table(number, opened, **options)
    paths = store_table(number, printed, opened, **options)
    if as_json:
        print_json({"caption": printed.caption, "rows": printed.to_records()})
    else:
        print_table(printed)
        print_paths(paths)
