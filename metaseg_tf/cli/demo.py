"""``metaseg-tf demo``: the whole job on drawn street scenes, offline."""

from pathlib import Path

import typer

from metaseg_tf.cli import console
from metaseg_tf.cli.options import Quiet, option
from metaseg_tf.cli.reproduce import show_results, take_stages
from metaseg_tf.errors import InputError, suggest

__all__ = ["demo"]

_SKIPPED = ("figures", "diagnostics", "report")


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
    lists what the networks missed, and ends with a picture, a report and a few numbers.
    """
    skipped = {name.strip() for name in skip.split(",") if name.strip()}
    if unknown := min(skipped - {*_SKIPPED}, default=""):
        raise InputError(
            f"--skip: expected some of {', '.join(_SKIPPED)}, got {unknown!r}; "
            + suggest(unknown, _SKIPPED, "separate names by commas")
        )
    from metaseg_tf.demo import plan as stages
    from metaseg_tf.paper.figures import FIGURES
    from metaseg_tf.paper.reproduction import (
        begin_results,
        beside,
        is_measured,
        measure,
        open_helper,
    )
    from metaseg_tf.report.page import write_report
    from metaseg_tf.runs.storage import LocalFolder

    LocalFolder(out).probe("steps.json")
    images = limit or stages.DEMO_IMAGES
    plan = stages.demo_plan(out, images=images)
    fresh = stages.fresh_plan(plan, images)
    total, first = images + fresh.limit, plan.networks[0]

    with console.interruptible(), open_helper() as helper:
        drawn = helper and beside(helper, stages.finish_scenes, plan, fresh)
        console.start_tensorflow()
        from metaseg_tf.runs.sources import ProcessNetwork

        network, is_new = ProcessNetwork(first.source), not is_measured(plan, first)
        if drawn:
            if is_new:
                network.loaded  # noqa: B018 - loading takes as long as drawing
            drawn()
        drawing = stages.draw_all(plan, fresh)
        list(console.show_progress(drawing, total, "drawing scenes", quiet=quiet))
        begun = {}
        if is_new:
            measured = measure(plan, first, network)
            list(console.show_progress(measured, images, first.name, quiet=quiet))
            begun = begin_results(helper, plan, first, skipped)
        target = plan.run_folder(first) / "meta_model.json"
        fitted = beside(helper, stages.fit_demo_model, plan, target)
        measured = stages.measure_fresh(plan, fresh, network)
        label = f"{first.name}, other scenes"
        list(console.show_progress(measured, fresh.limit, label, quiet=quiet))
        # So that two networks are never in memory at once.
        del network, measured
        results = take_stages(plan, quiet=quiet, skip=skipped, helper=helper, begun=begun)
        made = {result.name: result.paths for result in results}
        figures = {n: made[f"figure {n}"] for n in FIGURES if f"figure {n}" in made}
        page = None
        if "report" not in skipped:
            page = write_report([*plan.open_runs().values()], figures=figures)
        missed = list(stages.describe_misses(plan))
        model = fitted()
        ablations = compare_on_more(plan, scenes, quiet, helper) if scenes else []
    code = show_results(plan, results, quiet=quiet)
    if figures.get(5):
        typer.echo(f"picture: {figures[5][0]}")
    if page:
        typer.echo(f"report: {page.resolve().as_uri()}")
    for line in (*stages.describe_success(plan, fresh, model), *missed):
        typer.echo(line)
    for table in ablations:
        console.print_table(table, titles=2)
    raise typer.Exit(code)


def compare_on_more(plan, scenes: int, quiet: bool, helper) -> list:
    """Tables of `metaseg_tf.ablate` of both networks on more scenes than those of the plan."""
    from metaseg_tf.demo import plan as stages
    from metaseg_tf.paper.reproduction import beside, is_measured, measure
    from metaseg_tf.runs.run import Run

    more = stages.more_plan(plan, scenes)
    drawing = stages.draw_all(more)
    list(console.show_progress(drawing, scenes, "drawing more scenes", quiet=quiet))
    begun = []
    for network in more.networks:
        if not is_measured(more, network):
            measured = measure(more, network)
            list(console.show_progress(measured, scenes, network.name, quiet=quiet))
        run = Run(more.run_folder(network))
        begun.append(beside(helper, stages.ablate_run, run))
    return [table for tables in begun for table in tables()]
