"""``metaseg-tf review``: which labels are probably wrong."""

from pathlib import Path

import typer

from metaseg_tf.cli.console import print_paths, print_text, show_progress
from metaseg_tf.cli.options import Quiet, RunFolder, option
from metaseg_tf.errors import RunError

__all__ = ["review"]


def review(
    run: RunFolder,
    out: option(Path, help="New folder for the queue and its page, or for corrected labels."),
    apply: option(
        Path | None,
        "--apply",
        help="Decisions exported by the page: write the corrected labels to OUT/corrected.",
    ) = None,
    errors: option(
        float, help="Share of the labels' components that are assumed to be wrong."
    ) = 0.1,
    shown: option(int, "--show", min=1, help="Number of regions on the page.") = 200,
    quiet: Quiet = False,
) -> None:
    """Rank the regions of a run's labels that are probably wrong, to be looked at one by one.

    Of images that keep their maps: make the run with --keep-maps all. OUT/index.html opens from
    disk and is worked by keyboard; its decisions, exported, correct the labels by --apply.
    """
    from metaseg_tf.meta.review import correct_run, measure_labels, review_labels
    from metaseg_tf.report.review import describe_best, write_queue
    from metaseg_tf.runs.run import Run
    from metaseg_tf.runs.storage import LocalFolder

    opened, folder = Run(run), LocalFolder(out)
    folder.probe("queue.csv")
    if apply is not None:
        print_paths(correct_run(opened, apply, out))
        return
    if not folder.is_empty():
        raise RunError(
            f"{out}: expected a new folder or an empty one, got one with files, such as another "
            "queue; choose another --out"
        )
    steps, n = measure_labels(opened, errors=errors), len(opened.with_maps())
    measured = list(show_progress(steps, n, "comparing", quiet=quiet))
    found = review_labels(measured, opened.classes)
    print_paths(write_queue(found, opened, out, shown))
    print_text(describe_best(found))
    typer.echo(f"open {(out / 'index.html').resolve().as_uri()} in a browser")
