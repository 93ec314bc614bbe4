"""Arguments and options that several verbs share."""

import sys
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from metaseg_tf.errors import InputError

__all__ = [
    "DATA_VARIABLES", "AsJson", "ChannelsFirst", "Cityscapes", "Classes", "Connectivity",
    "Convention", "ConventionChoice", "Crop", "Engine", "EngineChoice", "Flip", "InputRange",
    "KeepMaps", "Keys", "Labeller", "LabellerChoice", "Logits", "Network", "OnError",
    "OnErrorChoice", "Out", "OutputStride", "Overlap", "Quiet", "ReduceZeroLabel", "RunFolder",
    "RunFolders", "Scales", "Scheduler", "Tile", "Void", "WorkerResources", "Workers",
    "dump_option", "dump_settings", "network_settings",
]  # fmt: skip

#: Environment variables that may name the Cityscapes folder; the first one set counts. The second
#: is used by the data set's own scripts.
DATA_VARIABLES = ("METASEG_TF_CITYSCAPES", "CITYSCAPES_DATASET")


class ConventionChoice(str, Enum):
    """See docs/decisions/0001 to 0003."""

    reference = "reference"
    paper = "paper"


class LabellerChoice(str, Enum):
    """Connected-component algorithm."""

    skimage = "skimage"
    runs = "runs"
    tfa = "tfa"


class OnErrorChoice(str, Enum):
    """How to treat a bad image."""

    stop = "stop"
    skip = "skip"


class EngineChoice(str, Enum):
    """Solver of the logistic fits, see docs/decisions/0020."""

    lars = "lars"
    reference = "reference"


#: Options below headings of their own in the help of verbs that have many.
dump_option = partial(typer.Option, rich_help_panel="From softmax dumps")
_definition_option = partial(typer.Option, rich_help_panel="Definitions")
_network_option = partial(typer.Option, rich_help_panel="Through a network")
_spread_option = partial(typer.Option, rich_help_panel="On several cores or machines")


def parse_keep_maps(text: str | int) -> int:
    """A number of images; "all" is more than any run has."""
    if text == "all":
        return sys.maxsize
    if not str(text).isdecimal():
        raise typer.BadParameter(f"expected a number of images or 'all', got {text!r}")
    return int(text)


RunFolders = Annotated[
    list[str], typer.Argument(metavar="RUN [RUN]", help="Run folders written by extract.")
]
RunFolder = Annotated[str, typer.Argument(metavar="RUN", help="Run folder written by extract.")]
Engine = Annotated[
    EngineChoice | None,
    typer.Option(
        help="Solver of the logistic fits. 'lars' (the default): exact, by scikit-learn's LARS "
        "path; 'reference': the authors' own scikit-learn calls, which are far slower.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Out = Annotated[
    str,
    typer.Option(
        "--out", help="Run folder to create or continue; may be an address such as s3://bucket/XC."
    ),
]
Workers = Annotated[
    int | None, _spread_option(min=1, help="Number of worker processes; they share the cores.")
]
Scheduler = Annotated[
    str | None, _spread_option(help="Address of a Dask scheduler whose workers do the work.")
]
WorkerResources = Annotated[
    str | None,
    _spread_option(help="Resources of a Dask worker that each image needs, such as GPU=1."),
]
OnError = Annotated[
    OnErrorChoice, typer.Option(help="Stop at a bad image, or skip it and list it at the end.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress bar.")]
KeepMaps = Annotated[
    int,
    typer.Option(
        parser=parse_keep_maps,
        metavar="N|all",
        help="Keep the pixel maps of the first N images, for figures and the report.",
    ),
]

Cityscapes = Annotated[
    Path | None,
    typer.Option(
        "--cityscapes",
        envvar=list(DATA_VARIABLES),
        show_envvar=False,
        help="Cityscapes folder with leftImg8bit and gtFine; default: the environment variable "
        f"{' or '.join(DATA_VARIABLES)}.",
    ),
]
Logits = Annotated[bool, dump_option("--logits", help="Dumps hold logits, not probabilities.")]
ChannelsFirst = Annotated[
    bool, dump_option("--channels-first", help="Dumps hold [C, H, W] arrays.")
]
Keys = Annotated[
    str | None,
    dump_option(help="Names of the arrays in the dumps, such as probs=softmax,gt=label."),
]
Classes = Annotated[
    str | None,
    dump_option(help="Names of the dumps' classes: a text, CSV or JSON file, or 'cityscapes'."),
]
ReduceZeroLabel = Annotated[
    bool,
    dump_option("--reduce-zero-label", help="In the dumps, 0 is void and 1 is the first class."),
]
Network = Annotated[
    str | None,
    _network_option(
        help="Name of a published network (mobilenetv2, xception65), or a path: frozen graph, "
        "DeepLab archive or checkpoint, SavedModel, Keras or TensorFlow Lite model."
    ),
]
OutputStride = Annotated[
    int | None, _network_option(help="8 or 16; rebuilds the network from its weights.")
]
Scales = Annotated[
    str | None, _network_option(help="Scales to average over, such as 0.75,1.0,1.25.")
]
Flip = Annotated[
    bool | None, _network_option("--flip/--no-flip", help="Also average over the mirrored image.")
]
Crop = Annotated[
    str | None,
    _network_option(help="Size of the largest image, as HEIGHTxWIDTH, such as 1025x2049."),
]
Tile = Annotated[
    str | None,
    _network_option(
        help="Cut images larger than a fixed-size network into tiles of this size, given as N "
        "or HEIGHTxWIDTH."
    ),
]
Overlap = Annotated[int, _network_option(help="Overlap of the tiles in pixels.")]
InputRange = Annotated[
    str | None,
    _network_option(
        help="Pixel range that a Keras, SavedModel or TensorFlow Lite network expects: 0..255, "
        "0..1, -1..1, imagenet, or mean=R,G,B,std=R,G,B for pixels in 0..1."
    ),
]
Convention = Annotated[
    ConventionChoice,
    _definition_option(help="'reference': as the authors' code computes it; 'paper': as printed."),
]
Connectivity = Annotated[
    int, _definition_option(help="Neighbours of a pixel within a segment: 8 or 4.")
]
Labeller = Annotated[
    LabellerChoice,
    _definition_option(help="Connected-component algorithm; tfa knows 4 neighbours only."),
]
Void = Annotated[int, _definition_option(help="Class id that marks pixels without ground truth.")]


def dump_settings(
    softmax: Path | None,
    logits: bool,
    channels_first: bool,
    keys: str | None,
    reduce_zero_label: bool = False,
) -> dict:
    """Keyword arguments of `metaseg_tf.data.softmax.load_dump` for the options given.

    Raises InputError if they, or ``reduce_zero_label``, are given without dumps.
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


def network_settings(
    output_stride: int | None,
    scales: str | None,
    flip: bool | None,
    crop: str | None,
    tile: str | None,
    overlap: int,
    input_range: str | None,
) -> dict:
    """Keyword arguments of `metaseg_tf.load_network` for the options given."""
    sides = None if tile is None else _parse("tile", tile, "x", int)
    given = {
        "output_stride": output_stride,
        "scales": None if scales is None else _parse("scales", scales, ",", float),
        "flip": flip,
        "crop": None if crop is None else _parse("crop", crop, "x", int),
        "tile": sides[0] if sides and len(sides) == 1 else sides,
        "overlap": overlap or None,
        "input_range": input_range,
    }
    return {name: value for name, value in given.items() if value is not None}


def _parse(name: str, text: str, separator: str, kind: type) -> tuple:
    try:
        return tuple(kind(part) for part in text.split(separator))
    except ValueError as error:
        example = "0.75,1.0,1.25" if name == "scales" else "1025x2049"
        raise InputError(
            f"--{name}: expected numbers such as {example}, got {text!r}; write it like that"
        ) from error
