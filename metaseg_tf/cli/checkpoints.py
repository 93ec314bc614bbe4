"""``metaseg-tf checkpoints``: the published networks, and what a frozen graph holds."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from metaseg_tf.cli.console import print_json
from metaseg_tf.cli.options import AsJson

__all__ = ["app"]

app = typer.Typer(help="List, download and inspect DeepLab checkpoints.", no_args_is_help=True)

Folder = Annotated[
    Path | None,
    typer.Option(
        "--dir",
        metavar="FOLDER",
        help="Where checkpoints are kept; without it METASEG_TF_CHECKPOINTS or the repository.",
    ),
]


@app.command("list")
def list_checkpoints(folder: Folder = None, as_json: AsJson = False) -> None:
    """Show the networks that the paper used."""
    from metaseg_tf.networks.checkpoints import CATALOGUE, checkpoint_folder

    home = checkpoint_folder(folder)
    here = {entry.name: (home / entry.folder).is_dir() for entry in CATALOGUE}
    if as_json:
        print_json([_as_dict(entry, here[entry.name]) for entry in CATALOGUE])
    else:
        _print_catalogue(CATALOGUE, here)


@app.command()
def download(
    name: Annotated[str, typer.Argument(help="A name that `list` shows.")], folder: Folder = None
) -> None:
    """Fetch, check and unpack a checkpoint; one that was interrupted can be started again."""
    from metaseg_tf.cli.progress import DownloadBar
    from metaseg_tf.networks.checkpoints import download as fetch
    from metaseg_tf.networks.checkpoints import find

    entry = find(name)
    with DownloadBar(f"{entry.name}, about {entry.size} MB") as bar:
        path = fetch(entry, folder, progress=bar)
    print(path)


@app.command()
def inspect(
    path: Annotated[Path, typer.Argument(help="A frozen graph (.pb) or an archive with one.")],
    as_json: AsJson = False,
) -> None:
    """Say what a frozen graph computes, from which node, and at which cost."""
    from metaseg_tf.networks.graph import load_graph_def
    from metaseg_tf.networks.inspection import inspect_graph

    report = inspect_graph(load_graph_def(path))
    if as_json:
        print_json(asdict(report))
    else:
        _print_rows(str(path), report.rows())


def _as_dict(entry, here: bool) -> dict:
    return asdict(entry) | {"url": entry.url, "downloaded": here}


def _print_catalogue(entries, here: dict[str, bool]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    headers = ("name", "OS", "scales", "flip", "mIoU", "size", "here")
    table = Table(*headers, box=box.SIMPLE)
    for entry in entries:
        for row in entry.zoo:
            table.add_row(*_zoo_cells(entry, row, here[entry.name]))
    Console().print(table)
    Console().print("mIoU on the Cityscapes validation set; * marks the settings of the paper.")


def _zoo_cells(entry, row, here: bool) -> tuple[str, ...]:
    mark = " *" if row.miou == entry.paper_miou else ""
    return (
        entry.name,
        str(row.output_stride),
        ", ".join(f"{scale:g}" for scale in row.scales),
        "yes" if row.flip else "no",
        f"{row.miou:.2%}{mark}",
        f"{entry.size} MB",
        "yes" if here else "no",
    )


def _print_rows(title: str, rows: dict[str, str]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table("", title, box=box.SIMPLE)
    for name, text in rows.items():
        table.add_row(name, text)
    Console().print(table)
