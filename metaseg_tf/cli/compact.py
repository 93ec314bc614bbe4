"""``metaseg-tf compact``: pack the many small files of a run into few large ones."""

from typing import Annotated

import typer

__all__ = ["compact"]


def compact(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run folder, made by extract.")],
    images: Annotated[int, typer.Option(min=1, help="Images per file.")] = 1000,
) -> None:
    """Pack the tables of single images into larger files; extract can still continue the run."""
    from metaseg_tf.runs.run import Run

    opened = Run(run)
    packed = opened.compact(images)
    typer.echo(f"{run}: {packed} images packed, {len(opened.done())} in the run")
