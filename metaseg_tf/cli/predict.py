"""``metaseg-tf predict``: judge the segments of images that nobody has labelled."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from metaseg_tf.cli.console import (
    interruptible,
    print_outcomes,
    print_paths,
    show_progress,
    spread,
    start_tensorflow,
    summarise,
)
from metaseg_tf.cli.options import (
    ChannelsFirst,
    Crop,
    Flip,
    InputRange,
    Keys,
    Logits,
    Network,
    OnError,
    OnErrorChoice,
    Out,
    OutputStride,
    Overlap,
    Quiet,
    Scales,
    Scheduler,
    Tile,
    WorkerResources,
    Workers,
    dump_settings,
    network_settings,
)
from metaseg_tf.errors import InputError

__all__ = ["predict"]


class Colours(str, Enum):
    """From low to high predicted quality."""

    red_green = "red-green"
    orange_blue = "orange-blue"


def predict(
    model: Annotated[Path, typer.Argument(help="A meta model, made by fit.")],
    out: Out,
    images: Annotated[
        list[Path] | None, typer.Option(help="An image or a folder with images; can be repeated.")
    ] = None,
    network: Network = None,
    softmax: Annotated[
        Path | None, typer.Option(help="Folder with softmax dumps, in place of images.")
    ] = None,
    logits: Logits = False,
    channels_first: ChannelsFirst = False,
    keys: Keys = None,
    output_stride: OutputStride = None,
    scales: Scales = None,
    flip: Flip = None,
    crop: Crop = None,
    tile: Tile = None,
    overlap: Overlap = 0,
    input_range: InputRange = None,
    reject_below: Annotated[
        float | None,
        typer.Option(help="Write the prediction with segments of less predicted IoU_adj as void."),
    ] = None,
    colours: Annotated[
        Colours, typer.Option(help="Of the overlays; orange-blue is safe for the colour-blind.")
    ] = Colours.red_green,
    on_error: OnError = OnErrorChoice.stop,
    workers: Workers = None,
    scheduler: Scheduler = None,
    worker_resources: WorkerResources = None,
    quiet: Quiet = False,
) -> None:
    """Judge every segment without ground truth; continues where it stopped."""
    if (softmax is None) == (network is None) or (network is None) != (not images):
        raise InputError(
            "predict: expected either --softmax FOLDER, or --network with --images; give one"
        )
    options = dump_settings(softmax, logits, channels_first, keys)
    from metaseg_tf.meta import load_model

    judge = load_model(model)
    start_tensorflow()
    from metaseg_tf.meta import predict as prediction
    from metaseg_tf.runs.photographs import open_photographs
    from metaseg_tf.runs.sources import open_dumps

    settings = prediction.PredictSettings(reject_below, colours.value)
    if softmax is not None:
        source = open_dumps(softmax, **options)
    else:
        options = network_settings(output_stride, scales, flip, crop, tile, overlap, input_range)
        source = open_photographs(network, images, **options)
    if differing := judge.other_settings(source.settings):
        typer.echo(
            "note: the model was fitted on a network with other settings "
            f"({'; '.join(differing)}): its held-out scores do not apply here",
            err=True,
        )
    run = prediction.open_prediction(out, source, judge, settings)
    skip = on_error is OnErrorChoice.skip
    with interruptible(out), spread(scheduler, workers, worker_resources) as cluster:
        results = prediction.predict(
            source, judge, run, settings, skip_errors=skip, cluster=cluster
        )
        finished = list(show_progress(results, total=len(source), what="judging", quiet=quiet))
    written = prediction.write_judged(run)
    print_outcomes("judged", summarise(out, "judged", finished))
    print_paths(written)
