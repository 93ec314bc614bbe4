"""``metaseg-tf demo``: the whole job on drawn street scenes, offline."""

from pathlib import Path
from typing import Annotated

import typer

from metaseg_tf.cli import console
from metaseg_tf.cli.options import Quiet
from metaseg_tf.cli.reproduce import run_plan

__all__ = ["demo"]


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the scenes and the two runs.")] = Path(
        "runs/demo"
    ),
    limit: Annotated[
        int | None,
        typer.Option(
            min=2, metavar="N", help="Draw only N scenes: a trial whose numbers may be off."
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Do the whole job offline, on drawn street scenes with two small networks.

    Makes every table, figure and diagnosis of the paper, and compares the numbers with recorded
    ones.
    """
    console.start_tensorflow()
    from metaseg_tf.demo import plan as stages
    from metaseg_tf.paper.tables import make_table
    from metaseg_tf.report.page import write_report

    images = limit or stages.DEMO_IMAGES
    fresh = min(images, stages.FRESH_IMAGES)
    plan = stages.demo_plan(out, images=images)
    scenes = stages.draw_scenes(plan.cityscapes, images=images)
    with console.interruptible():
        list(console.show_progress(scenes, images, "drawing scenes", quiet=quiet))
        code = run_plan(plan, quiet=quiet)
        stages.keep_softmax(plan)
        # How well a meta model judges scenes that it has never seen.
        path = plan.run_folder(plan.networks[0]) / "meta_model.json"
        model = stages.fit_demo_model(plan, path)
        measured = stages.measure_fresh(plan, images=fresh)
        list(console.show_progress(measured, fresh, "fresh scenes", quiet=quiet))
        trial = stages.try_model(plan, model)
        typer.echo(
            f"meta model {path}: AUROC {trial.fresh_auroc:.4f} and R2 {trial.fresh_r2:.4f} on "
            f"{fresh} fresh scenes; {trial.held_out_auroc:.4f} and {trial.held_out_r2:.4f} on "
            "held-out images"
        )
        runs = list(plan.open_runs().values())
        console.print_table(make_table(1, runs))
        typer.echo(f"everything is in {plan.out}; open {write_report(runs)} in a browser")
    raise typer.Exit(code)
