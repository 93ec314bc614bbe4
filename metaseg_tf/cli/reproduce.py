"""``metaseg-tf reproduce``: the whole paper, from images to verified numbers."""

from pathlib import Path
from typing import Annotated

import typer

from metaseg_tf.cli.options import Cityscapes, Quiet

__all__ = ["reproduce"]


def reproduce(
    cityscapes: Cityscapes,
    out: Annotated[Path, typer.Option(help="Folder for the runs, one a network.")],
    networks: Annotated[
        str, typer.Option(help="Which of the paper's networks, separated by commas.")
    ] = "mobilenetv2,xception65",
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first images: a trial, not compared.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Download, measure, and make all tables, figures, diagnostics and the comparison with print.

    Every stage is taken up where it was left. Exit code 1 if a result could not be made or a
    number is off.
    """
    from metaseg_tf.cli.stages import run_plan
    from metaseg_tf.paper.reproduction import Plan, choose_networks

    plan = Plan(choose_networks(networks), cityscapes, out, limit=limit)
    raise typer.Exit(run_plan(plan, quiet=quiet))
