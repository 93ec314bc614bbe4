"""``metaseg-tf demo``: the whole job on drawn street scenes, offline and in minutes."""

from pathlib import Path
from typing import Annotated

import typer

from metaseg_tf.cli.options import Quiet

__all__ = ["demo"]


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the scenes and the two runs.")] = Path(
        "runs/demo"
    ),
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only so many scenes: a trial, not compared.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Draw street scenes, run both demo networks over them, and make everything of the paper."""
    from metaseg_tf.cli.console import print_table, show_progress
    from metaseg_tf.cli.stages import run_plan
    from metaseg_tf.paper.tables import make_table
    from metaseg_tf.reproduction.demo import DEMO_IMAGES, demo_plan, draw_scenes

    images = limit or DEMO_IMAGES
    plan = demo_plan(out, images=images)
    scenes = draw_scenes(plan.cityscapes, images=images)
    for _ in show_progress(scenes, total=images, what="drawing scenes", quiet=quiet):
        pass
    run_plan(plan, quiet=quiet)
    print_table(make_table(1, list(plan.open_runs().values())))
