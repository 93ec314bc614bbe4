"""``metaseg-tf demo``: the whole job on drawn street scenes, offline."""

from concurrent.futures import wait
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
    skip: option(
        str, metavar="NAMES", help=f"What to leave out, separated by commas: {', '.join(_SKIPPED)}."
    ) = "",
    quiet: Quiet = False,
) -> None:
    """Do the whole job offline, on drawn street scenes with two small networks.

    Makes every table, figure and diagnosis of the paper, compares the numbers with recorded ones,
    and ends with a picture, a report and three numbers.
    """
    skipped = {name.strip() for name in skip.split(",") if name.strip()}
    if unknown := min(skipped - {*_SKIPPED}, default=""):
        raise InputError(
            f"--skip: expected some of {', '.join(_SKIPPED)}, got {unknown!r}; "
            + suggest(unknown, _SKIPPED, "separate names by commas")
        )
    from metaseg_tf.demo import plan as stages
    from metaseg_tf.paper.figures import FIGURES
    from metaseg_tf.paper.reproduction import beside, open_helper
    from metaseg_tf.report.page import write_report
    from metaseg_tf.runs.storage import LocalFolder

    LocalFolder(out).probe("steps.json")
    images = limit or stages.DEMO_IMAGES
    plan = stages.demo_plan(out, images=images)
    fresh = stages.fresh_plan(plan, images)
    total, first = images + fresh.limit, plan.networks[0]

    def draw():
        other = {"seed": stages.FRESH_SEED, "city": "freshtown"}
        yield from stages.draw_scenes(fresh.cityscapes, images=fresh.limit, **other)
        if drawn_ahead:
            wait([drawn_ahead])
        yield from stages.draw_scenes(plan.cityscapes, images=images)

    with console.interruptible(), open_helper() as helper:
        drawn_ahead = helper and helper.submit(stages.finish_scenes, plan.cityscapes, images=images)
        console.start_tensorflow()
        list(console.show_progress(draw(), total, "drawing scenes", quiet=quiet))
        measured = stages.measure_first(plan, fresh)
        list(console.show_progress(measured, total, first.name, quiet=quiet))
        results = take_stages(plan, quiet=quiet, skip=skipped, helper=helper)
        target = plan.run_folder(first) / "meta_model.json"
        fitted = beside(helper, stages.fit_demo_model, plan, target)
        made = {result.name: result.paths for result in results}
        figures = {n: made[f"figure {n}"] for n in FIGURES if f"figure {n}" in made}
        page = None
        if "report" not in skipped:
            page = write_report([*plan.open_runs().values()], figures=figures)
        model = fitted()
    code = show_results(plan, results, quiet=quiet)
    if figures.get(5):
        typer.echo(f"picture: {figures[5][0]}")
    if page:
        typer.echo(f"report: {page.resolve().as_uri()}")
    for line in stages.describe_success(plan, fresh, model):
        typer.echo(line)
    raise typer.Exit(code)
