"""``metaseg-tf demo``: the whole job on drawn street scenes, offline."""

from pathlib import Path
from typing import Annotated

import typer

from metaseg_tf.cli.console import interruptible, print_table, show_progress, start_tensorflow
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
    start_tensorflow()
    from metaseg_tf.demo.plan import DEMO_IMAGES, demo_plan, draw_scenes, keep_softmax
    from metaseg_tf.paper.tables import make_table
    from metaseg_tf.report.page import write_report

    images = limit or DEMO_IMAGES
    plan = demo_plan(out, images=images)
    scenes = draw_scenes(plan.cityscapes, images=images)
    with interruptible():
        for _ in show_progress(scenes, total=images, what="drawing scenes", quiet=quiet):
            pass
        code = run_plan(plan, quiet=quiet)
        keep_softmax(plan)
        _try_on_fresh_scenes(plan, images, quiet)
        runs = list(plan.open_runs().values())
        print_table(make_table(1, runs))
        typer.echo(f"everything is in {plan.out}; open {write_report(runs)} in a browser")
    raise typer.Exit(code)


def _try_on_fresh_scenes(plan, images: int, quiet: bool) -> None:
    """Save a meta model, and print how well it judges scenes that it has never seen."""
    from metaseg_tf.demo.plan import FRESH_IMAGES, fit_demo_model, measure_fresh, try_model

    path = plan.run_folder(plan.networks[0]) / "meta_model.json"
    model = fit_demo_model(plan, path)
    count = min(images, FRESH_IMAGES)
    results = measure_fresh(plan, images=count)
    for _ in show_progress(results, total=count, what="fresh scenes", quiet=quiet):
        pass
    trial = try_model(plan, model)
    typer.echo(
        f"meta model {path}: AUROC {trial.fresh_auroc:.4f} and R2 {trial.fresh_r2:.4f} on {count} "
        f"fresh scenes; {trial.held_out_auroc:.4f} and {trial.held_out_r2:.4f} on held-out images"
    )
