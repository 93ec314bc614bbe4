"""The verbs that do the whole job: ``reproduce`` on Cityscapes, ``demo`` on drawn scenes."""

from collections.abc import Collection
from functools import partial
from pathlib import Path

import typer

from metaseg_tf.cli import console
from metaseg_tf.cli.options import Cityscapes, Quiet, option
from metaseg_tf.errors import InputError, suggest

__all__ = ["demo", "reproduce", "run_plan"]

_SKIPPED = ("figures", "diagnostics", "report", "review")


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
    from metaseg_tf.paper.reproduction import Plan, choose_networks
    from metaseg_tf.runs.helper import open_helper

    plan = Plan(choose_networks(networks), cityscapes, out, limit=limit)
    with open_helper() as helper:
        code = run_plan(plan, quiet=quiet, helper=helper)
    raise typer.Exit(code)


def run_plan(plan, *, quiet: bool = False, helper=None) -> int:
    """Go through all stages of a `metaseg_tf.paper.reproduction.Plan` and show what came out.

    Gives the exit code: 1 if a result could not be made, or if a number is off and the plan is not
    limited to some images. Raises typer.Exit with code 130 if interrupted.
    """
    return _show_results(plan, _take_stages(plan, quiet=quiet, helper=helper), quiet=quiet)


def _take_stages(
    plan, *, quiet: bool, skip: Collection[str] = (), helper=None, begun: dict | None = None
) -> list:
    """Measure the images and make the results, as `make_results` does, unless they are there."""
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
                console.show_progress(measured, total, network.name, quiet=quiet)
                if network != plan.networks[-1]:
                    begun |= reproduction.begin_results(helper, plan, network, skip)
        options = {"skip": skip, "formats": plan.formats, "helper": helper, "begun": begun}
        for result in reproduction.make_results(plan.open_runs(), plan.out, **options):
            results.append(result)
            if not quiet:
                typer.echo(f"{result.name}: {result.outcome}", err=True)
    return results


def _load() -> None:
    import metaseg_tf.demo.plan  # noqa: F401


def _measure(plan, network) -> None:
    """Measure what is left of a network's images, as a helper does."""
    console.start_tensorflow()
    from metaseg_tf.paper import reproduction

    if not reproduction.is_measured(plan, network):
        console.show_progress(reproduction.measure(plan, network), 0, "", quiet=True)


def _show_results(plan, results: list, *, quiet: bool) -> int:
    """Print how the runs compare, if the plan asks for it, and what was made; see `run_plan`."""
    from metaseg_tf.paper.tables import store_printed
    from metaseg_tf.paper.verify import verify

    passed = True
    if plan.printed:
        runs = plan.open_runs()
        verification = verify(runs, plan.printed)
        passed = verification.passed or bool(plan.limit)
        store_printed(verification.table(), next(iter(runs.values())))
        console.print_verification(verification, headlines=True)
        typer.echo(f"every number: {plan.run_folder(plan.networks[0]) / 'tables' / 'verify.md'}")
    failed = [result for result in results if result.outcome == "failed"]
    if not quiet:
        typer.echo(f"\n{len(results) - len(failed)} of {len(results)} results made:")
        for folder in sorted({path.parent for result in results for path in result.paths}):
            typer.echo(f"  {folder}")
    for result in failed:
        console.print_text(f"  not made: {result.name}: {result.reason}")
    return int(bool(failed) or not passed)


def demo(
    out: option(Path, help="Folder for the scenes and the two runs.") = Path("runs/demo"),
    limit: option(
        int | None,
        min=2,
        metavar="N",
        help="Draw only N scenes: a trial without comparison or PDF files.",
    ) = None,
    scenes: option(
        int | None,
        min=2,
        metavar="N",
        help="Also compare groups of metrics and estimators, as ablate does, on N more scenes.",
    ) = None,
    skip: option(
        str, metavar="NAMES", help=f"What to leave out, separated by commas: {', '.join(_SKIPPED)}."
    ) = "",
    quiet: Quiet = False,
) -> None:
    """Do the whole job offline, on drawn street scenes with two small networks.

    Makes every table, figure and diagnosis of the paper, compares the numbers with recorded ones,
    lists what the networks missed and which labels are wrong, after errors were planted into them,
    and ends with a picture, a report and a few numbers.
    """
    skipped = {name.strip() for name in skip.split(",") if name.strip()}
    if unknown := min(skipped - {*_SKIPPED}, default=""):
        raise InputError(
            f"--skip: expected some of {', '.join(_SKIPPED)}, got {unknown!r}; "
            + suggest(unknown, _SKIPPED, "separate names by commas")
        )
    from metaseg_tf.runs import helper as processes

    with console.interruptible(), processes.open_helper() as helper:
        beside = partial(processes.beside, helper)
        if helper:  # it loads its modules while this process loads them, too
            helper.submit(_load)
        from metaseg_tf.demo import plan as stages
        from metaseg_tf.paper import reproduction
        from metaseg_tf.paper.figures import FIGURES
        from metaseg_tf.report.page import write_report
        from metaseg_tf.runs.storage import LocalFolder

        LocalFolder(out).probe("steps.json")
        images = limit or stages.DEMO_IMAGES
        plan = stages.demo_plan(out, images=images)
        first, half = plan.networks[0], max(2, images // 2)
        fresh = stages.other_plan(plan, "fresh", half, [first])
        show = partial(console.show_progress, quiet=quiet)
        # Either process draws and then measures with one of the networks, as far as there are two.
        drawn = helper and beside(stages.draw_from_end, plan, fresh)
        show(stages.draw_all(plan, fresh), images + half, "drawing scenes")
        if drawn:
            drawn()
        begun, others = {}, []
        for other in plan.networks[1:]:
            others.append(beside(_measure, plan, other))
            begun |= reproduction.begin_results(helper, plan, other, skipped)
        console.start_tensorflow()
        from metaseg_tf.runs.sources import ProcessNetwork

        network = ProcessNetwork(first.source)
        if not reproduction.is_measured(plan, first):
            show(reproduction.measure(plan, first, network), images, first.name)
        fitted = beside(stages.fit_demo_model, plan, plan.run_folder(first) / "meta_model.json")
        if "review" not in skipped:
            reviewed = beside(stages.review_planted, plan)
        measured = stages.measure_fresh(plan, fresh, network)
        show(measured, half, f"{first.name}, other scenes")
        # So that no process holds two networks at once.
        del network, measured
        for wait in others:
            wait()
        missed = [
            beside(stages.describe_misses, plan.run_folder(network), plan.formats)
            for network in plan.networks
        ]
        results = _take_stages(plan, quiet=quiet, skip=skipped, helper=helper, begun=begun)
        made = {result.name: result.paths for result in results}
        figures = {n: made[f"figure {n}"] for n in FIGURES if f"figure {n}" in made}
        page = None
        if "report" not in skipped:
            page = write_report([*plan.open_runs().values()], figures=figures)
        found = [tell() for tell in missed] + ([] if "review" in skipped else [reviewed()])
        model = fitted()
        ablations = []
        if scenes:
            more, ablated = stages.other_plan(plan, "more", scenes, plan.networks), []
            show(stages.draw_all(more), scenes, "drawing more scenes")
            for other in more.networks:
                if not reproduction.is_measured(more, other):
                    show(reproduction.measure(more, other), scenes, other.name)
                ablated.append(beside(stages.ablate_run, more.run_folder(other)))
            ablations = [table for tables in ablated for table in tables()]
    code = _show_results(plan, results, quiet=quiet)
    if figures.get(5):
        typer.echo(f"picture: {figures[5][0]}")
    if page:
        typer.echo(f"report: {page.resolve().as_uri()}")
    for line in (*stages.describe_success(plan, fresh, model), *found):
        typer.echo(line)
    for table in ablations:
        console.print_table(table, titles=2)
    raise typer.Exit(code)
