"""Arguments and options that several verbs share."""

import inspect
import sys
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Annotated, Literal

import typer

from metaseg_tf.errors import InputError
from metaseg_tf.networks.checkpoints import CATALOGUE
from metaseg_tf.networks.formats import list_formats
from metaseg_tf.networks.options import NetworkOptions

__all__ = [
    "DATA_VARIABLES", "AsJson", "Cityscapes", "Classes", "Connectivity", "Convention", "Engine",
    "IgnoreColour", "JudgedFolder", "KeepMaps", "Labeller", "Metrics", "Network", "OnError", "Out",
    "Pack", "Quiet", "ReduceZeroLabel", "RunFolder", "RunFolders", "Void", "argument", "bundled",
    "dump_option", "dump_settings", "folder_option", "option", "refuse_unused",
]  # fmt: skip

#: Environment variables that may name the Cityscapes folder; the first one set counts. The second
#: is used by the data set's own scripts.
DATA_VARIABLES = ("METASEG_TF_CITYSCAPES", "CITYSCAPES_DATASET")


def option(kind: type, *names: str, declare: Callable = typer.Option, **settings) -> type:
    """An option of that type as the annotation of a parameter; ``settings`` are those of typer."""
    return Annotated[kind, declare(*names, **settings)]


#: An argument as the annotation of a parameter.
argument = partial(option, declare=typer.Argument)
#: Options below headings of their own in the help of verbs that have many.
dump_option = partial(option, rich_help_panel="From softmax dumps")
folder_option = partial(option, rich_help_panel="From folders of images and masks")
_truth = partial(option, rich_help_panel="Classes and ground truth")
_definition = partial(option, rich_help_panel="Definitions")
_network = partial(option, rich_help_panel="Through a network")
_spread = partial(option, rich_help_panel="On several cores or machines")


def parse_keep_maps(text: str | int) -> int:
    """A number of images; "all" is more than any run has."""
    if text == "all":
        return sys.maxsize
    if not str(text).isdecimal():
        raise typer.BadParameter(f"expected a number of images or 'all', got {text!r}")
    return int(text)


RunFolders = argument(list[str], metavar="RUN [RUN]", help="Run folders written by extract.")
RunFolder = argument(str, metavar="RUN", help="Run folder written by extract.")
JudgedFolder = argument(str, metavar="JUDGED", help="Folder written by predict.")
Engine = option(
    Literal["lars", "reference"] | None,
    help="Solver of the logistic fits. 'lars' (the default): exact, by scikit-learn's LARS "
    "path; 'reference': the authors' own scikit-learn calls, which are far slower.",
    show_default=False,
)
AsJson = option(bool, "--json", help="Print JSON instead of text.")
Out = option(
    str, "--out", help="Run folder to create or continue; may be an address such as s3://bucket/XC."
)
OnError = option(
    Literal["stop", "skip"], help="Stop at a bad image, or skip it and list it at the end."
)
Quiet = option(bool, "--quiet", "-q", help="Print only results, warnings and errors.")
KeepMaps = option(
    int,
    parser=parse_keep_maps,
    metavar="N|all",
    help="Keep the pixel maps of the first N images, for figures and the report.",
)
Pack = option(
    int | None,
    min=1,
    max=10_000,
    metavar="N",
    help="Store the segments of N images per file, as compact does, for very many images. If the "
    "process is killed, the images of unfinished files are measured again. Default: one file per "
    "image.",
)

Cityscapes = option(
    Path | None,
    "--cityscapes",
    envvar=list(DATA_VARIABLES),
    show_envvar=False,
    help="Cityscapes folder with leftImg8bit and gtFine; default: the environment variable "
    f"{' or '.join(DATA_VARIABLES)}.",
)
Classes = _truth(
    str | None,
    help="Names, colours and kinds of the classes of dumps or images: a text, CSV or JSON "
    "file, or 'cityscapes', 'voc' or 'ade20k'.",
)
ReduceZeroLabel = _truth(
    bool, "--reduce-zero-label", help="In dumps or masks, 0 is void and 1 is the first class."
)
Network = _network(
    str | None,
    help=f"Name of a published network ({', '.join(entry.name for entry in CATALOGUE)}), "
    f"or a path: {list_formats()}.",
)
Convention = _definition(
    Literal["reference", "paper"],
    help="'reference': as the authors' code computes it; 'paper': as printed.",
)
Connectivity = _definition(int, help="Neighbours of a pixel within a segment: 8 or 4.")
Labeller = _definition(
    Literal["skimage", "runs", "tfa"],
    help="Connected-component algorithm; tfa knows 4 neighbours only.",
)
Metrics = _definition(
    str | None,
    metavar="paper|all|GROUP,...",
    help="Metrics to measure: only those of the 'paper', 'all', or also those of some groups: "
    "neighbours, geometry, spread, or disagreement if there are several passes over an image; "
    "default: all but spread.",
)
Void = _truth(
    int | None,
    "--void",
    "--ignore-label",
    help="Class id that marks pixels without ground truth; default: 255.",
)
IgnoreColour = _truth(
    list[str] | None,
    metavar="#RRGGBB",
    help="In masks in colour, a colour that marks pixels without ground truth; may be repeated.",
)


def _numbers(separator: str, kind: type, example: str, *, one: bool = False) -> Callable:
    """Parser of numbers with separators between them, or of ``one`` alone."""

    def parse(text: str) -> int | tuple:
        try:
            numbers = tuple(kind(part) for part in text.split(separator))
        except ValueError:
            said = f"expected numbers such as {example}, got {text!r}"
            raise typer.BadParameter(said) from None
        return numbers[0] if one and len(numbers) == 1 else numbers

    return parse


def parse_passes(text: str) -> dict[str, int]:
    """Fields of `NetworkOptions` for passes over an image, such as "flip" or "dropout:8"."""
    found: dict[str, int] = {}
    for word in text.split(","):
        name, _, number = word.partition(":")
        if word != "flip" and not (name == "dropout" and number.isdecimal() and len(number) < 9):
            raise typer.BadParameter(f"expected flip or dropout:T such as dropout:8, got {word!r}")
        found[name] = int(number) if number else True
    return found


_DUMPS = {
    "logits": dump_option(bool | None, "--logits", help="Dumps hold logits, not probabilities."),
    "channels_first": dump_option(
        bool | None, "--channels-first", help="Dumps hold [C, H, W] arrays."
    ),
    "keys": dump_option(
        str | None, help="Names of the arrays in the dumps, such as probs=softmax,gt=label."
    ),
}
#: The fields of `NetworkOptions`; ``passes`` stands for several of them.
_NETWORK_OPTIONS = {
    "output_stride": _network(int | None, help="8 or 16; rebuilds the network from its weights."),
    "scales": _network(
        str | None,
        parser=_numbers(",", float, "0.75,1.0,1.25"),
        metavar="NUMBERS",
        help="Scales to average over, such as 0.75,1.0,1.25.",
    ),
    "passes": _network(
        str | None,
        parser=parse_passes,
        metavar="flip|dropout:T",
        help="Also see the mirrored image, or T samples of DeepLab's dropout: probabilities are "
        "the mean over all passes, which the metrics of disagreement compare.",
    ),
    "flip": _network(
        bool | None, "--flip/--no-flip", help="The same as --passes flip, or without it."
    ),
    "crop": _network(
        str | None,
        parser=_numbers("x", int, "1025x2049"),
        metavar="HxW",
        help="Height and width of the largest image, such as 1025x2049.",
    ),
    "tile": _network(
        str | None,
        parser=_numbers("x", int, "513 or 513x1025", one=True),
        metavar="N|HxW",
        help="Cut images larger than a fixed-size network into tiles of this size.",
    ),
    "overlap": _network(int | None, help="Least overlap of the tiles in pixels; default: 0."),
    "input_range": _network(
        str | None,
        help="Pixel range that a network expects, DeepLab's apart: 0..255, 0..1, -1..1, "
        "imagenet, or mean=R,G,B,std=R,G,B for pixels in 0..1.",
    ),
}
_CLUSTER = {
    "workers": _spread(int | None, min=1, help="Number of worker processes; they share the cores."),
    "scheduler": _spread(str | None, help="Address of a Dask scheduler whose workers do the work."),
    "worker_resources": _spread(
        str | None, help="Resources of a Dask worker that each image needs, such as GPU=1."
    ),
}
#: By the argument of a verb that stands for them.
_BUNDLES = {"dumps": _DUMPS, "network_options": _NETWORK_OPTIONS, "cluster": _CLUSTER}


def bundled(verb: Callable) -> Callable:
    """Give a verb the options of ``_BUNDLES`` in place of the arguments that stand for them."""

    @wraps(verb)
    def called(**values):
        for argument, bundle in _BUNDLES.items():
            values[argument] = {name: values.pop(name) for name in bundle}
        given = values["network_options"]
        passes = given.pop("passes") or {}
        if given["flip"] is False and "flip" in passes:
            raise InputError("--passes: expected none that flip, got flip and --no-flip; drop one")
        # An overlap of 0 is what networks have anyway.
        given |= passes | {"overlap": given["overlap"] or None}
        return verb(**values | {"network_options": NetworkOptions(**given)})

    parameters = []
    for one in inspect.signature(verb).parameters.values():
        bundle = _BUNDLES.get(one.name, {one.name: one.annotation}).items()
        default = None if one.name in _BUNDLES else one.default
        parameters += [one.replace(name=n, default=default, annotation=a) for n, a in bundle]
    called.__signature__ = inspect.Signature(parameters)
    called.__annotations__ = {p.name: p.annotation for p in parameters}
    return called


def refuse_unused(needed: str, **given: object) -> None:
    """Raise an InputError if an option is given that does nothing without the one ``needed``."""
    for name, value in given.items():
        # --no-flip asks for nothing.
        if value not in (None, False, []):
            option = "passes" if name == "dropout" else name.replace("_", "-")
            raise InputError(f"--{option}: expected {needed} with it, got none; leave it out")


def dump_settings(softmax: Path | None, network_options: NetworkOptions, dumps: dict) -> dict:
    """Keyword arguments of `metaseg_tf.data.softmax.load_dump` for the options given.

    Raises InputError for options of dumps without dumps, or options of a network with them.
    """
    given = {name: value for name, value in dumps.items() if value}
    if softmax is None:
        refuse_unused("--softmax FOLDER", **given)
    else:
        refuse_unused("--network NAME", **vars(network_options))
    if keys := given.get("keys"):
        given["keys"] = pairs = dict(part.partition("=")[::2] for part in keys.split(","))
        if not all(pairs.values()) or len(pairs) <= keys.count(","):
            raise InputError(
                f"--keys: expected PART=KEY, got {keys!r}; write probs=softmax,gt=label"
            )
    return given
