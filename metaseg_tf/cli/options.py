"""Arguments and options that several verbs share."""

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Convention", "KeepMaps", "Labeller", "OnError", "Out", "Quiet", "RunFolders"]


class Convention(str, Enum):
    """See docs/decisions/0001 to 0003."""

    reference = "reference"
    paper = "paper"


class Labeller(str, Enum):
    """What numbers the components."""

    skimage = "skimage"
    runs = "runs"
    tfa = "tfa"


class OnError(str, Enum):
    """What to do with an image that cannot be measured."""

    stop = "stop"
    skip = "skip"


def parse_keep_maps(text: str | int) -> int:
    """A number of images; "all" is more than any run has."""
    if text == "all":
        return sys.maxsize
    if not str(text).isdecimal():
        raise typer.BadParameter(f"expected a number of images or 'all', got {text!r}")
    return int(text)


RunFolders = Annotated[
    list[Path], typer.Argument(metavar="RUN [RUN]", help="Run folders, made by extract.")
]
Out = Annotated[Path, typer.Option("--out", help="The run folder to make or to continue.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")]
KeepMaps = Annotated[
    int,
    typer.Option(
        parser=parse_keep_maps,
        metavar="N|all",
        help="Keep the maps of the first N images, for figures and the report.",
    ),
]
