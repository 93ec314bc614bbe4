"""``metaseg-tf report``: a web page of one or two runs, or of judged images."""

from pathlib import Path

import typer

from metaseg_tf.cli.console import print_paths, print_text
from metaseg_tf.cli.options import argument, option
from metaseg_tf.errors import InputError

__all__ = ["report"]


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
    print_paths([page])
    # The page of a run elsewhere, such as in a bucket, is an address already.
    address = page.resolve().as_uri() if isinstance(page, Path) else page
    typer.echo(f"open {address} in a browser")
    if not any(run.with_maps() for run in opened):
        print_text(
            "no image can be explored, because the runs keep no pixel maps: repeat extract or "
            "predict with --keep-maps 20, then report"
        )
