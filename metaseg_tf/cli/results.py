"""The verbs that make tables, figures, pages and comparisons of finished runs."""

from pathlib import Path

import typer

from metaseg_tf.cli import console
from metaseg_tf.cli.options import AsJson, Engine, RunFolder, RunFolders, argument, option
from metaseg_tf.errors import InputError, MetaSegError

__all__ = ["diagnose", "figure", "misses", "report", "table", "verify"]


def table(
    number: argument(int, min=1, max=3, help="Number of the table in the paper."),
    runs: RunFolders,
    engine: Engine = "lars",
    as_json: AsJson = False,
) -> None:
    """Make a table of the paper.

    It is printed, and written to RUN/tables/ of the first run as CSV, Markdown and LaTeX. Of more
    than 500,000 segments, logistic fits are of a sample of images.
    """
    from metaseg_tf.paper.tables import make_table, store_table
    from metaseg_tf.runs.run import Run

    opened = [Run(path) for path in runs]
    printed = make_table(number, opened, engine=engine)
    paths = store_table(number, printed, opened, engine=engine)
    if as_json:
        console.print_json({"caption": printed.caption, "rows": printed.to_records()})
    else:
        console.print_table(printed)
        console.print_paths(paths)


def figure(
    number: argument(str, help="Number of the figure in the paper, or a range such as 1..7."),
    runs: RunFolders,
    image: option(
        str | None, help="Image for figures 2, 5 and 7; default: the most informative one."
    ) = None,
    engine: Engine = None,
) -> None:
    """Make a figure of the paper, or several.

    PNG, PDF and the data as CSV are written to RUN/figures/ of the first run. A figure of a range
    that cannot be made does not stop the others.
    """
    from metaseg_tf.paper.figures import make_figure
    from metaseg_tf.runs.run import Run

    first, dots, last = number.partition("..")
    last = last if dots else first
    if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
        raise InputError(
            f"figure: expected a number or a range such as 1..7, got {number!r}; choose a figure"
        )
    opened = [Run(path) for path in runs]
    failed = []
    for each in range(int(first), int(last) + 1):
        try:
            console.print_paths(make_figure(each, opened, image=image, engine=engine))
        except MetaSegError as error:
            failed.append(f"figure {each}: " + str(error).removeprefix(f"figure {each}: "))
    for reason in failed:
        console.print_error(reason)
    if failed:
        raise typer.Exit(2)


def report(
    runs: argument(
        list[str], metavar="RUN [RUN]", help="Folders written by extract, or by predict."
    ),
    model: option(Path | None, help="Meta model, written by fit, whose verdicts are shown.") = None,
    images: option(int, min=0, help="Number of images per run that can be explored.") = 12,
    image: option(list[str] | None, help="Image to be among them; may be repeated.") = None,
) -> None:
    """Make a web page of one or two runs: overview, segment explorer and scatter plot.

    Also of images that predict has judged. It opens from disk, without a server.
    """
    if len(runs) > 2:
        raise InputError(f"report: expected one or two runs, got {len(runs)}; name two of them")
    from metaseg_tf.meta import load_model
    from metaseg_tf.report.page import write_report
    from metaseg_tf.runs.run import Run

    judge = None if model is None else load_model(model)
    opened = [Run(path) for path in runs]
    page = write_report(opened, judge, images=images, wanted=image or ())
    console.print_paths([page])
    # The page of a run elsewhere, such as in a bucket, is an address already.
    address = page.resolve().as_uri() if isinstance(page, Path) else page
    typer.echo(f"open {address} in a browser")
    if not any(run.with_maps() for run in opened):
        console.print_text(
            "no image can be explored, because the runs keep no pixel maps: repeat extract or "
            "predict with --keep-maps 20, then report"
        )


def misses(run: RunFolder, as_json: AsJson = False) -> None:
    """Count what a network found of the ground truth and what it missed, by class and size.

    Recall and F1 over thresholds of sIoU (SegmentMeIfYouCan), panoptic quality, recall curves, and
    a list of what was missed are written to RUN/misses/.
    """
    from metaseg_tf.paper.misses import store_misses
    from metaseg_tf.runs.run import Run

    scores, printed, paths = store_misses(Run(run))
    if as_json:
        console.print_json(scores)
    else:
        console.print_table(printed)
        console.print_paths(paths)


def diagnose(run: RunFolder, engine: Engine = "lars") -> None:
    """Test the assumptions behind the fits of a run.

    Texts, CSV files and plots are written to RUN/diagnostics/.
    """
    from metaseg_tf.analysis import diagnostics
    from metaseg_tf.analysis.evaluation import load_segments
    from metaseg_tf.paper.figures import store_diagnostics
    from metaseg_tf.runs.run import Run

    opened = Run(run)
    found = diagnostics.diagnose(load_segments(opened), classes=opened.classes, engine=engine)
    paths = store_diagnostics(found, opened)
    console.print_text(f"{found}\n\n")
    console.print_paths(paths)


def verify(
    xception65: argument(str, metavar="XC_RUN", help="Run of Xception65, or - for none."),
    mobilenetv2: argument(str, metavar="MN_RUN", help="Run of MobileNetV2, or - for none.") = "-",
    as_json: AsJson = False,
) -> None:
    """Compare two runs with every number printed in the paper.

    Exit code 1 if a number is off or missing, or a run has a fault that no number shows.
    """
    from metaseg_tf.paper.published import IMAGES, NETWORKS, paper_network
    from metaseg_tf.paper.tables import store_printed
    from metaseg_tf.paper.verify import verify as compare_runs
    from metaseg_tf.runs.run import Run

    given = {"XC": xception65, "MN": mobilenetv2}
    runs = {role: Run(path) for role, path in given.items() if path != "-"}
    for role, run in runs.items():
        if paper_network(run.manifest) != role:
            typer.echo(
                f"note: {run.path} is not a run of {NETWORKS[role]} on all {IMAGES} images of the "
                "Cityscapes validation set, and is compared because you ask for it",
                err=True,
            )
    verification = compare_runs(runs)
    paths = store_printed(verification.table(), next(iter(runs.values())))
    if as_json:
        console.print_json(verification.to_json())
    else:
        console.print_verification(verification)
        console.print_paths(paths)
    if not verification.passed:
        raise typer.Exit(1)
