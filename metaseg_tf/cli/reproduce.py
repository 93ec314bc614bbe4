"""``metaseg-tf reproduce``: the whole paper, from images to verified numbers."""

from collections.abc import Collection
from pathlib import Path

import typer

from metaseg_tf.cli import console
from metaseg_tf.cli.options import Cityscapes, Quiet, option

__all__ = ["reproduce", "run_plan", "show_results", "take_stages"]


def reproduce(
    cityscapes: Cityscapes,
    out: option(Path, help="Folder for the runs, one per network."),
    networks: option(
        str, help="Which of the paper's networks to use, separated by commas."
    ) = "mobilenetv2,xception65",
    limit: option(
        int | None, min=1, metavar="N", help="Use only N images: a trial whose numbers may be off."
    ) = None,
    quiet: Quiet = False,
) -> None:
    """Reproduce the whole paper on Cityscapes.

    Downloads the networks, measures the images, makes all tables, figures and diagnostics, and
    compares every number with the printed one. Repeat an interrupted command to continue. Exit
    code 1 if a result could not be made or a number is off.
    """
    from metaseg_tf.paper.reproduction import Plan, choose_networks, open_helper

    plan = Plan(choose_networks(networks), cityscapes, out, limit=limit)
    with open_helper() as helper:
        code = run_plan(plan, quiet=quiet, helper=helper)
    raise typer.Exit(code)


def run_plan(plan, *, quiet: bool = False, helper=None) -> int:
    """Go through all stages of a `metaseg_tf.paper.reproduction.Plan` and show what came out.

    Gives the exit code: 1 if a result could not be made, or if a number is off and the plan is not
    limited to some images. Raises typer.Exit with code 130 if interrupted.
    """
    return show_results(plan, take_stages(plan, quiet=quiet, helper=helper), quiet=quiet)


def take_stages(
    plan, *, quiet: bool = False, skip: Collection[str] = (), helper=None, begun=None
) -> list:
    """Measure the images and make the results, see `make_results`; finished ones are skipped.

    A ``helper`` may have ``begun`` with the results of runs that were finished before.
    """
    console.start_tensorflow()
    from metaseg_tf.paper import reproduction
    from metaseg_tf.runs.storage import LocalFolder

    total, begun, results = len(reproduction.list_images(plan)), dict(begun or {}), []
    LocalFolder(plan.out).probe("steps.json")
    with console.interruptible():
        for entry in reproduction.checkpoints_of(plan):
            console.download_with_bar(entry, quiet=quiet)
        for network in plan.networks:
            if not reproduction.is_measured(plan, network):
                measured = reproduction.measure(plan, network)
                list(console.show_progress(measured, total, network.name, quiet=quiet))
                if network != plan.networks[-1]:
                    begun |= reproduction.begin_results(helper, plan, network, skip)
        runs = plan.open_runs()
        options = {"skip": skip, "formats": plan.formats, "helper": helper, "begun": begun}
        for result in reproduction.make_results(runs, plan.out, **options):
            results.append(result)
            if not quiet:
                typer.echo(f"{result.name}: {result.outcome}", err=True)
    return results


def show_results(plan, results: list, *, quiet: bool = False) -> int:
    """Print how the runs compare, if the plan asks for it, and what was made; see `run_plan`."""
    from metaseg_tf.paper.tables import store_printed
    from metaseg_tf.paper.verify import verify

    passed = True
    if plan.printed:
        runs = plan.open_runs()
        verification = verify(runs, plan.printed)
        passed = verification.passed or bool(plan.limit)
        store_printed(verification.table(), next(iter(runs.values())))
        console.print_text("\n".join(verification.foreword()))
        console.print_table(verification.table(headlines=True, differences=False), titles=2)
        for hint in verification.hints:
            console.print_text(f"- {hint}")
        typer.echo(f"every number: {plan.run_folder(plan.networks[0]) / 'tables' / 'verify.md'}")
    failed = [result for result in results if result.outcome == "failed"]
    if not quiet:
        typer.echo(f"\n{len(results) - len(failed)} of {len(results)} results made:")
        for folder in sorted({path.parent for result in results for path in result.paths}):
            typer.echo(f"  {folder}")
    for result in failed:
        console.print_text(f"  not made: {result.name}: {result.reason}")
    return int(bool(failed) or not passed)
