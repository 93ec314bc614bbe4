"""``metaseg-tf figure``: a figure of the paper from one or more runs."""

from typing import Annotated

import typer

from metaseg_tf.cli.console import print_paths
from metaseg_tf.cli.options import Engine, RunFolders

__all__ = ["figure"]


def figure(
    number: Annotated[int, typer.Argument(help="Number of the figure in the paper.")],
    runs: RunFolders,
    image: Annotated[
        str | None,
        typer.Option(help="Image for figures 2, 5 and 7; default: the most informative one."),
    ] = None,
    engine: Engine = None,
) -> None:
    """Make a figure of the paper.

    PNG, PDF and the data as CSV are written to RUN/figures/ of the first run.
    """
    from metaseg_tf.paper.figures import make_figure
    from metaseg_tf.runs.run import Run

    opened = [Run(path) for path in runs]
    print_paths(make_figure(number, opened, image=image, engine=engine))
