"""``metaseg-tf compact``: pack the many small files of a run into a few large ones."""

import typer

from metaseg_tf.cli.options import RunFolder, option
from metaseg_tf.errors import number_of

__all__ = ["compact"]


def compact(
    run: RunFolder,
    images: option(int, min=1, help="Images per packed file.") = 1000,
) -> None:
    """Pack a run's many small files into a few large ones.

    The run can still be read and continued.
    """
    from metaseg_tf.runs.run import Run

    opened = Run(run)
    packed = opened.compact(images)
    typer.echo(f"{run}: {number_of(packed, 'image')} packed, {len(opened.done())} in the run")
