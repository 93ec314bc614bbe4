"""The verbs that improve labels: which are wrong, what to label next, and files for the tools."""

import re
from pathlib import Path

import typer

from metaseg_tf.cli import console
from metaseg_tf.cli.options import JudgedFolder, Quiet, RunFolder, option
from metaseg_tf.errors import DataFormatError, RunError, number_of, restate

__all__ = ["export", "review", "select"]


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
        console.print_paths(correct_run(opened, apply, out))
        return
    if not folder.is_empty():
        raise RunError(
            f"{out}: expected a new folder or an empty one, got one with files, such as another "
            "queue; choose another --out"
        )
    steps, n = measure_labels(opened, errors=errors), len(opened.with_maps())
    measured = console.show_progress(steps, n, "comparing", quiet=quiet)
    found = review_labels(measured, opened.classes)
    console.print_paths(write_queue(found, opened, out, shown))
    console.print_text(describe_best(found))
    typer.echo(f"open {(out / 'index.html').resolve().as_uri()} in a browser")


def _parse_budget(text: str) -> tuple[int, str]:
    """Amount and unit of a budget such as 500clicks."""
    found = re.fullmatch(r"([1-9]\d{0,11}) ?(clicks|images)", text)
    if not found:
        raise typer.BadParameter(f"expected a budget such as 500clicks or 20images, got {text!r}")
    return int(found[1]), found[2]


def select(
    judged: JudgedFolder,
    budget: option(
        str,
        parser=_parse_budget,
        metavar="<N>clicks|<N>images",
        help="What to spend: clicks, on segments worth most per click, or whole images.",
    ),
) -> None:
    """Choose what to label next: where labels are expected to mend most wrong pixels.

    The choice is written to JUDGED/selection.csv, the most worthwhile first; export takes it.
    """
    from metaseg_tf.meta import select as selecting
    from metaseg_tf.runs.run import Run, csv_text

    run, (amount, unit) = Run(judged), budget
    table = selecting.load_judged(run)
    chosen = selecting.select(table, amount, unit)
    written = run.write_text("selection.csv", csv_text(chosen, "%.7g"))
    every = selecting.rank_segments(table)[["expected_wrong", "S"]].sum()
    expected, images = chosen["expected_wrong"].sum(), chosen["image"].nunique()
    what = f"{number_of(len(chosen), 'segment')} in " if unit == "clicks" else ""
    typer.echo(
        f"{what}{number_of(images, 'image')}, about {chosen['clicks'].sum()} clicks: "
        f"{expected:.0f} wrong pixels expected, {expected / every['expected_wrong']:.1%} of all, "
        f"in {chosen['S'].sum() / every['S']:.1%} of the area"
    )
    typer.echo(f"wrote {written}")


def export(
    judged: JudgedFolder,
    to: option(str, metavar="coco|label-studio|cvat", help="The format, or the tool."),
    images: option(
        list[Path] | None,
        help="Image or folder of images, as for predict: the tool gets their paths within it. "
        "Default: the image's name and .png.",
    ) = None,
    prefix: option(
        str,
        help="What each path or address begins with, such as '/data/local-files/?d=' for Label "
        "Studio.",
    ) = "",
    selection: option(
        Path | None, help="A selection.csv of select: export that alone, in its order."
    ) = None,
) -> None:
    """Write judged segments, with their scores, for a labelling tool: the worst first.

    The files are written to JUDGED/export/.
    """
    import pandas as pd

    from metaseg_tf.data.photographs import find_photographs
    from metaseg_tf.meta.export import export
    from metaseg_tf.runs.run import Run, inert_cell
    from metaseg_tf.untrusted.arrays import READ_ERRORS

    run, chosen = Run(judged), None
    files = {name: f"{prefix}{name}.png" for name in run.done()}
    for photograph in find_photographs(images or ()):
        within = photograph.path.relative_to(photograph.folder or photograph.path.parent)
        files[photograph.name] = prefix + within.as_posix()
    if selection is not None:
        said = f"{selection}: expected a selection.csv of metaseg-tf select, got something else"
        with restate(READ_ERRORS, DataFormatError, said, "select again"):
            kinds = {"image": str, "segment": int}
            wanted = {"usecols": lambda name: name in kinds, "keep_default_na": False}
            chosen = pd.read_csv(selection, dtype=kinds, **wanted)
            # Names that a spreadsheet would take for formulas were given a sign in front.
            names = {inert_cell(name): name for name in run.done()}
            chosen["image"] = chosen["image"].map(lambda name: names.get(name, name))
    written = export(run, to, files=files, selection=chosen).items()
    console.print_paths([run.write_bytes(f"export/{name}", content) for name, content in written])
