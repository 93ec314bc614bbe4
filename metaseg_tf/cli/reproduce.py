"""``metaseg-tf reproduce``: the whole paper, from images to verified numbers."""

from pathlib import Path
from typing import Annotated

import typer

from metaseg_tf.cli import console
from metaseg_tf.cli.options import Cityscapes, Quiet

__all__ = ["reproduce", "run_plan"]


def reproduce(
    cityscapes: Cityscapes,
    out: Annotated[Path, typer.Option(help="Folder for the runs, one per network.")],
    networks: Annotated[
        str, typer.Option(help="Which of the paper's networks to use, separated by commas.")
    ] = "mobilenetv2,xception65",
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Use only N images: a trial whose numbers may be off."
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Reproduce the whole paper on Cityscapes.

    Downloads the networks, measures the images, makes all tables, figures and diagnostics, and
    compares every number with the printed one. Repeat an interrupted command to continue. Exit
    code 1 if a result could not be made or a number is off.
    """
    from metaseg_tf.paper.reproduction import Plan, choose_networks

    plan = Plan(choose_networks(networks), cityscapes, out, limit=limit)
    raise typer.Exit(run_plan(plan, quiet=quiet))


def run_plan(plan, *, quiet: bool = False) -> int:
    """Go through all stages of a `metaseg_tf.paper.reproduction.Plan`; finished ones are skipped.

    Gives the exit code: 1 if a result could not be made, or if a number is off and the plan is not
    limited to some images. Raises typer.Exit with code 130 if interrupted.
    """
    console.start_tensorflow()
    from metaseg_tf.paper import reproduction
    from metaseg_tf.paper.tables import store_printed
    from metaseg_tf.paper.verify import verify

    total, results = reproduction.count_images(plan), []
    with console.interruptible():
        for entry in reproduction.checkpoints_of(plan):
            console.download_with_bar(entry)
        for network in plan.networks:
            if not reproduction.is_measured(plan, network):
                measured = reproduction.measure(plan, network)
                list(console.show_progress(measured, total, network.name, quiet=quiet))
        runs = plan.open_runs()
        for result in reproduction.make_results(runs, plan.out):
            results.append(result)
            if not quiet:
                typer.echo(f"{result.name}: {result.outcome}", err=True)
        verification = verify(runs, plan.printed)
        store_printed(verification.table(), next(iter(runs.values())))
    console.print_text(verification.foreword())
    console.print_table(verification.table(headlines=True))
    console.print_text(verification.hints, mark="- ")
    failed = [result for result in results if result.outcome == "failed"]
    typer.echo(f"\n{len(results) - len(failed)} of {len(results)} results made:")
    for folder in sorted({path.parent for result in results for path in result.paths}):
        typer.echo(f"  {folder}")
    for result in failed:
        typer.echo(f"  not made: {result.name}: {result.reason}")
    first = plan.run_folder(plan.networks[0])
    typer.echo(f"  every number: {first / 'tables' / 'verify.md'}")
    return int(bool(failed) or not (verification.passed or plan.limit))
