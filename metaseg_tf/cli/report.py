"""``metaseg-tf report``: a page to look at."""

from pathlib import Path
from typing import Annotated

import typer

from metaseg_tf.cli.options import RunFolders
from metaseg_tf.errors import InputError

__all__ = ["report"]


def report(
    runs: RunFolders,
    model: Annotated[
        Path | None, typer.Option(help="A meta model whose verdicts are shown, made by fit.")
    ] = None,
    images: Annotated[
        int, typer.Option(min=0, help="Images of each run that can be explored.")
    ] = 12,
) -> None:
    """Make a page of one or two runs: overview, segment explorer, scatter; opens from disk."""
    if len(runs) > 2:
        raise InputError(f"report: expected one or two runs, got {len(runs)}; name two of them")
    from metaseg_tf.meta import load_model
    from metaseg_tf.report.page import write_report
    from metaseg_tf.runs.run import Run

    judge = None if model is None else load_model(model)
    opened = [Run(path) for path in runs]
    typer.echo(f"wrote {write_report(opened, judge, images=images)}: open it in a browser")
    if not any(run.with_maps() for run in opened):
        typer.echo(
            "no image can be explored, since the runs keep no maps: run extract again with "
            "--keep-maps 20"
        )
