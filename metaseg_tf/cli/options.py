"""Arguments and options that several verbs share."""

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from metaseg_tf.errors import InputError

__all__ = [
    "DATA_VARIABLES",
    "AsJson",
    "ChannelsFirst",
    "Cityscapes",
    "Convention",
    "Crop",
    "Engine",
    "EngineChoice",
    "Flip",
    "InputRange",
    "KeepMaps",
    "Keys",
    "Labeller",
    "Logits",
    "Network",
    "OnError",
    "OnErrorChoice",
    "Out",
    "OutputStride",
    "Overlap",
    "Quiet",
    "RunFolder",
    "RunFolders",
    "Scales",
    "Scheduler",
    "Tile",
    "WorkerResources",
    "Workers",
    "dump_settings",
    "network_settings",
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
        help="A name in the catalogue (mobilenetv2, xception65), a frozen graph, an archive or "
        "checkpoint of DeepLab, a SavedModel, a Keras or a TensorFlow Lite file."
    ),
]
OutputStride = Annotated[
    int | None, typer.Option(help="8 or 16; rebuilds the network from its weights.")
]
Scales = Annotated[str | None, typer.Option(help="Scales to average over, such as 0.75,1.0,1.25.")]
Flip = Annotated[
    bool | None, typer.Option("--flip/--no-flip", help="Average over the mirrored image, too.")
]
Crop = Annotated[
    str | None, typer.Option(help="The largest image, as HEIGHTxWIDTH, such as 1025x2049.")
]
Tile = Annotated[
    str | None,
    typer.Option(
        help="Run a fixed-size network over larger images in tiles of this size, as N or "
        "HEIGHTxWIDTH."
    ),
]
Overlap = Annotated[int, typer.Option(help="By how many pixels tiles overlap.")]
InputRange = Annotated[
    str | None,
    typer.Option(
        help="The range of pixels that a Keras, SavedModel or TensorFlow Lite network expects: "
        "0..255, 0..1, -1..1, imagenet, or mean=R,G,B,std=R,G,B of pixels in 0..1."
    ),
]


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


def network_settings(
    output_stride: int | None,
    scales: str | None,
    flip: bool | None,
    crop: str | None,
    tile: str | None,
    overlap: int,
    input_range: str | None,
) -> dict:
    """Keyword arguments of `metaseg_tf.load_network` for the options that were given."""
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
