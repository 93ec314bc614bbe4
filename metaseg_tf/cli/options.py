"""Arguments and options that several verbs share."""

import functools
import inspect
import sys
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from metaseg_tf.errors import InputError
from metaseg_tf.networks.checkpoints import CATALOGUE
from metaseg_tf.networks.formats import list_formats
from metaseg_tf.networks.options import NetworkOptions

__all__ = [
    "DATA_VARIABLES",
    "AsJson",
    "ChannelsFirst",
    "Cityscapes",
    "Convention",
    "Engine",
    "EngineChoice",
    "KeepMaps",
    "Keys",
    "Labeller",
    "Logits",
    "Network",
    "OnError",
    "OnErrorChoice",
    "Out",
    "Quiet",
    "RunFolder",
    "RunFolders",
    "Scheduler",
    "WorkerResources",
    "Workers",
    "dump_settings",
    "with_network_options",
]

#: Environment variables that may name the Cityscapes folder; the first that is set counts. The
#: second is that of the data set's own scripts.
DATA_VARIABLES = ("METASEG_TF_CITYSCAPES", "CITYSCAPES_DATASET")


class Convention(str, Enum):
    """See docs/decisions/0001 to 0003."""

    reference = "reference"
    paper = "paper"


class Labeller(str, Enum):
    """What numbers the components."""

    skimage = "skimage"
    runs = "runs"
    tfa = "tfa"


class OnErrorChoice(str, Enum):
    """What to do with a bad image."""

    stop = "stop"
    skip = "skip"


class EngineChoice(str, Enum):
    """Solver of the logistic fits, see docs/decisions/0020."""

    lars = "lars"
    reference = "reference"


def parse_keep_maps(text: str | int) -> int:
    """A number of images; "all" is more than any run has."""
    if text == "all":
        return sys.maxsize
    if not str(text).isdecimal():
        raise typer.BadParameter(f"expected a number of images or 'all', got {text!r}")
    return int(text)


RunFolders = Annotated[
    list[str], typer.Argument(metavar="RUN [RUN]", help="Run folders, made by extract.")
]
RunFolder = Annotated[str, typer.Argument(metavar="RUN", help="A run folder, made by extract.")]
Engine = Annotated[
    EngineChoice | None,
    typer.Option(
        help="Solver of the logistic fits. 'lars' (the default): exact, by scikit-learn's LARS "
        "path; 'reference': the authors' own scikit-learn calls, which take some 100 times longer.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON in place of a table.")]
Out = Annotated[
    str,
    typer.Option(
        "--out", help="The run folder to make or to continue; also an address like s3://bucket/XC."
    ),
]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Number of worker processes, which share the cores.")
]
Scheduler = Annotated[
    str | None, typer.Option(help="Work on the workers of the Dask scheduler at this address.")
]
WorkerResources = Annotated[
    str | None,
    typer.Option(help="What an image occupies of what Dask workers declare, such as GPU=1."),
]
OnError = Annotated[
    OnErrorChoice, typer.Option(help="Stop at a bad image, or skip it and list it at the end.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")]
KeepMaps = Annotated[
    int,
    typer.Option(
        parser=parse_keep_maps,
        metavar="N|all",
        help="Keep the maps of the first N images, for figures and the report.",
    ),
]

Cityscapes = Annotated[
    Path | None,
    typer.Option(
        "--cityscapes",
        envvar=list(DATA_VARIABLES),
        help="Cityscapes folder with leftImg8bit and gtFine; without it that of "
        f"{' or '.join(DATA_VARIABLES)}.",
    ),
]
Logits = Annotated[bool, typer.Option("--logits", help="The dumps hold logits, not softmax.")]
ChannelsFirst = Annotated[bool, typer.Option("--channels-first", help="Dumps hold [C, H, W].")]
Keys = Annotated[
    str | None, typer.Option(help="What dumps call their parts, such as probs=softmax,gt=label.")
]
Network = Annotated[
    str | None,
    typer.Option(
        help=f"A name in the catalogue ({', '.join(entry.name for entry in CATALOGUE)}), "
        f"{list_formats()}."
    ),
]


def _parse_numbers(name: str, text: str, separator: str, kind: type) -> tuple:
    try:
        return tuple(kind(part) for part in text.split(separator))
    except ValueError as error:
        example = "0.75,1.0,1.25" if name == "scales" else "1025x2049"
        raise InputError(
            f"--{name}: expected numbers such as {example}, got {text!r}; write it like that"
        ) from error


def _parse_tile(text: str) -> int | tuple:
    sides = _parse_numbers("tile", text, "x", int)
    return sides[0] if len(sides) == 1 else sides


#: Field of `NetworkOptions` -> its option on the command line, and the parser of its value.
_NETWORK_OPTIONS = {
    "output_stride": (
        Annotated[int | None, typer.Option(help="8 or 16; rebuilds the network from its weights.")],
        None,
    ),
    "scales": (
        Annotated[str | None, typer.Option(help="Scales to average over, such as 0.75,1.0,1.25.")],
        lambda text: _parse_numbers("scales", text, ",", float),
    ),
    "flip": (
        Annotated[
            bool | None,
            typer.Option("--flip/--no-flip", help="Average over the mirrored image, too."),
        ],
        None,
    ),
    "crop": (
        Annotated[
            str | None,
            typer.Option(help="The largest image, as HEIGHTxWIDTH, such as 1025x2049."),
        ],
        lambda text: _parse_numbers("crop", text, "x", int),
    ),
    "tile": (
        Annotated[
            str | None,
            typer.Option(
                help="Run a fixed-size network over larger images in tiles of this size, as N or "
                "HEIGHTxWIDTH."
            ),
        ],
        _parse_tile,
    ),
    "overlap": (
        Annotated[int | None, typer.Option(help="Least overlap of tiles in pixels.")],
        lambda pixels: pixels or None,
    ),
    "input_range": (
        Annotated[
            str | None,
            typer.Option(
                help="Range of pixels that a network other than DeepLab expects: 0..255, 0..1, "
                "-1..1, imagenet, or mean=R,G,B,std=R,G,B of pixels in 0..1."
            ),
        ],
        None,
    ),
}


def with_network_options(verb: Callable) -> Callable:
    """Give a verb all options of `NetworkOptions` in place of its argument ``options``."""

    @functools.wraps(verb)
    def called(**values):
        given = {}
        for name, (_, parse) in _NETWORK_OPTIONS.items():
            value = values.pop(name)
            given[name] = value if value is None or parse is None else parse(value)
        return verb(**values, options=NetworkOptions(**given))

    signature = inspect.signature(verb)
    parameters = []
    for parameter in signature.parameters.values():
        if parameter.name != "options":
            parameters.append(parameter)
            continue
        for name, (annotation, _) in _NETWORK_OPTIONS.items():
            parameters.append(
                inspect.Parameter(name, parameter.kind, default=None, annotation=annotation)
            )
    called.__signature__ = signature.replace(parameters=parameters)
    called.__annotations__ = {p.name: p.annotation for p in parameters}
    return called


def dump_settings(
    softmax: Path | None,
    logits: bool,
    channels_first: bool,
    keys: str | None,
    reduce_zero_label: bool = False,
) -> dict:
    """Keyword arguments of `metaseg_tf.data.softmax.load_dump` for the options that were given.

    Raises an InputError where they, or ``reduce_zero_label``, are given without dumps.
    """
    given = {"logits": logits, "channels_first": channels_first, "keys": keys}
    given = {name: value for name, value in given.items() if value}
    if softmax is None and (given or reduce_zero_label):
        option = next(iter(given), "reduce_zero_label").replace("_", "-")
        raise InputError(f"--{option}: expected --softmax FOLDER with it, got none; leave it out")
    if keys:
        given["keys"] = pairs = dict(part.partition("=")[::2] for part in keys.split(","))
        if not all(pairs.values()) or len(pairs) <= keys.count(","):
            raise InputError(
                f"--keys: expected PART=KEY, got {keys!r}; write probs=softmax,gt=label"
            )
    return given
