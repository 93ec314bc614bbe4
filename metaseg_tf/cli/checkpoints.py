"""``metaseg-tf checkpoints``: the published networks, and the contents of frozen graphs."""

from dataclasses import asdict
from pathlib import Path

import typer

from metaseg_tf.cli.console import download_with_bar, print_json, print_table, start_tensorflow
from metaseg_tf.cli.options import AsJson, Quiet, argument, option
from metaseg_tf.paper.layout import PrintedTable

__all__ = ["app"]

app = typer.Typer(
    name="checkpoints",
    rich_markup_mode=None,
    help="List, download and inspect DeepLab checkpoints.",
    no_args_is_help=True,
)

Folder = option(
    Path | None,
    "--dir",
    metavar="FOLDER",
    help="Folder of the checkpoints; default: METASEG_TF_CHECKPOINTS or the repository's own.",
)


@app.command("list")
def list_checkpoints(folder: Folder = None, as_json: AsJson = False) -> None:
    """List the networks that the paper uses."""
    from metaseg_tf.networks.checkpoints import CATALOGUE, checkpoint_folder

    home = checkpoint_folder(folder)
    here = {entry.name: (home / entry.folder).is_dir() for entry in CATALOGUE}
    if as_json:
        print_json([asdict(e) | {"url": e.url, "downloaded": here[e.name]} for e in CATALOGUE])
        return
    rows, yes = [], {True: "yes", False: "no"}
    for entry in CATALOGUE:
        stored = f"{entry.size} MB", yes[here[entry.name]]
        for row in entry.zoo:
            scales = ", ".join(f"{scale:g}" for scale in row.scales)
            miou = f"{row.miou:.2%}" + (" *" if row.miou == entry.paper_miou else "")
            rows.append((entry.name, str(row.output_stride), scales, yes[row.flip], miou, *stored))
    caption = "mIoU on the Cityscapes validation set; * marks the settings of the paper."
    header = ("name", "OS", "scales", "flip", "mIoU", "size", "here")
    print_table(PrintedTable("checkpoints", caption, header, tuple(rows)))


@app.command()
def download(
    name: argument(str, help="Name of a network, as shown by list."),
    folder: Folder = None,
    quiet: Quiet = False,
) -> None:
    """Download, check and unpack a checkpoint.

    Repeat an interrupted download to complete it.
    """
    from metaseg_tf.networks.checkpoints import find

    print(download_with_bar(find(name), folder, quiet=quiet))


@app.command()
def inspect(
    path: argument(Path, help="Frozen graph (.pb), or an archive that contains one."),
    as_json: AsJson = False,
) -> None:
    """Show what a frozen graph computes and at what cost."""
    start_tensorflow()
    from metaseg_tf.networks.deeplab.frozen_graph import GraphReport
    from metaseg_tf.networks.graph import load_graph_def

    report = GraphReport(load_graph_def(path))
    if as_json:
        print_json(report.to_json())
    else:
        print_table(PrintedTable("graph", "", ("", str(path)), tuple(report.rows().items())))
