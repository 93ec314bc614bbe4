"""``metaseg-tf figure``: a figure of the paper from one or more runs."""

import typer

from metaseg_tf.cli.console import print_error, print_paths
from metaseg_tf.cli.options import Engine, RunFolders, argument, option
from metaseg_tf.errors import InputError, MetaSegError

__all__ = ["figure"]


def figure(
    number: argument(str, help="Number of the figure in the paper, or a range such as 1..7."),
    runs: RunFolders,
    image: option(
        str | None, help="Image for figures 2, 5 and 7; default: the most informative one."
    ) = None,
    engine: Engine = None,
) -> None:
    """Make a figure of the paper, or several.

    PNG, PDF and the data as CSV are written to RUN/figures/ of the first run. A figure of a range
    that cannot be made does not stop the others.
    """
    from metaseg_tf.paper.figures import make_figure
    from metaseg_tf.runs.run import Run

    first, dots, last = number.partition("..")
    last = last if dots else first
    if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
        raise InputError(
            f"figure: expected a number or a range such as 1..7, got {number!r}; choose a figure"
        )
    opened = [Run(path) for path in runs]
    failed = []
    for each in range(int(first), int(last) + 1):
        try:
            print_paths(make_figure(each, opened, image=image, engine=engine))
        except MetaSegError as error:
            failed.append(f"figure {each}: " + str(error).removeprefix(f"figure {each}: "))
    for reason in failed:
        print_error(reason)
    if failed:
        raise typer.Exit(2)
