"""``metaseg-tf select``: what to label next."""

import re

import typer

from metaseg_tf.cli.options import JudgedFolder, option
from metaseg_tf.errors import number_of

__all__ = ["select"]


def parse_budget(text: str) -> tuple[int, str]:
    """Amount and unit of a budget such as 500clicks."""
    found = re.fullmatch(r"([1-9]\d{0,11}) ?(clicks|images)", text)
    if not found:
        raise typer.BadParameter(f"expected a budget such as 500clicks or 20images, got {text!r}")
    return int(found[1]), found[2]


def select(
    judged: JudgedFolder,
    budget: option(
        str,
        parser=parse_budget,
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
