"""Arguments and options that several verbs share."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Convention", "Labeller", "OnError", "Out", "Quiet", "RunFolder", "RunFolders"]


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


RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, made by extract.")]
RunFolders = Annotated[
    list[Path], typer.Argument(metavar="RUN [RUN]", help="Run folders, made by extract.")
]
Out = Annotated[Path, typer.Option("--out", help="The run folder to make or to continue.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")]
