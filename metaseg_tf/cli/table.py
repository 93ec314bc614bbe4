"""``metaseg-tf table``: a table of the paper from one or more runs."""

from typing import Annotated

import typer

from metaseg_tf.cli.console import print_table
from metaseg_tf.cli.options import RunFolders

__all__ = ["table"]


def table(
    number: Annotated[int, typer.Argument(min=1, max=1, help="The table's number in the paper.")],
    runs: RunFolders,
) -> None:
    """Make a table of the paper: on the screen, and as CSV, Markdown and LaTeX in RUN/tables/."""
    from metaseg_tf.paper.tables import TABLE_1_COLUMNS, table_1
    from metaseg_tf.run import Run, load_run

    opened = [Run(path) for path in runs]
    printed = table_1({run.name: load_run(run.path, TABLE_1_COLUMNS) for run in opened})
    print_table(printed)
    for suffix, text in printed.formats().items():
        path = opened[0].write_text(f"tables/{printed.title}.{suffix}", text)
        typer.echo(f"wrote {path}")
