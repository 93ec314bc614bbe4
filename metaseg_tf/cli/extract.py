"""``metaseg-tf extract``: measure the segments of a data set into a run folder."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from metaseg_tf.cli.console import (
    interruptible,
    print_json,
    print_outcomes,
    show_progress,
    spread,
    start_tensorflow,
    summarise,
)
from metaseg_tf.cli.options import (
    AsJson,
    ChannelsFirst,
    Cityscapes,
    Convention,
    Crop,
    Flip,
    InputRange,
    KeepMaps,
    Keys,
    Labeller,
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

__all__ = ["extract"]


def extract(
    out: Out,
    softmax: Annotated[
        Path | None, typer.Option(help="Folder with softmax dumps: MetaSeg's HDF5, npz or npy.")
    ] = None,
    logits: Logits = False,
    channels_first: ChannelsFirst = False,
    keys: Keys = None,
    classes: Annotated[
        str | None,
        typer.Option(
            help="Names of the dumps' classes: a file (text, CSV or JSON), or cityscapes."
        ),
    ] = None,
    network: Network = None,
    cityscapes: Cityscapes = None,
    split: Annotated[str, typer.Option(help="Split of the data set.")] = "val",
    city: Annotated[str | None, typer.Option(help="Only this city.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first images.")] = None,
    output_stride: OutputStride = None,
    scales: Scales = None,
    flip: Flip = None,
    crop: Crop = None,
    tile: Tile = None,
    overlap: Overlap = 0,
    input_range: InputRange = None,
    convention: Annotated[
        Convention,
        typer.Option(help="What made the published numbers, or the printed definitions."),
    ] = Convention.reference,
    connectivity: Annotated[int, typer.Option(help="Neighbours of a pixel: 8 or 4.")] = 8,
    labeller: Annotated[
        Labeller, typer.Option(help="What numbers the components; tfa knows 4 neighbours only.")
    ] = Labeller.skimage,
    void: Annotated[int, typer.Option(help="The id of pixels without ground truth.")] = 255,
    reduce_zero_label: Annotated[
        bool, typer.Option("--reduce-zero-label", help="In the dumps 0 is void, 1 the first class.")
    ] = False,
    on_error: OnError = OnErrorChoice.stop,
    keep_maps: KeepMaps = 20,
    workers: Workers = None,
    scheduler: Scheduler = None,
    worker_resources: WorkerResources = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure the segments of every image into a run folder; continues where it stopped."""
    _check_source(softmax, network, cityscapes, classes)
    options = dump_settings(softmax, logits, channels_first, keys, reduce_zero_label)
    start_tensorflow()
    from metaseg_tf.data.classes import load_classes
    from metaseg_tf.runs import extraction, sources

    settings = extraction.MeasureSettings(
        convention.value, void, connectivity, labeller.value, reduce_zero_label
    )
    if softmax is not None:
        table = None if classes is None else load_classes(classes)
        source = sources.open_dumps(softmax, limit=limit, classes=table, **options)
    else:
        source = sources.open_cityscapes(
            network,
            cityscapes,
            split=split,
            city=city,
            limit=limit,
            **network_settings(output_stride, scales, flip, crop, tile, overlap, input_range),
        )
    run = extraction.open_run(out, source, settings)
    measure = partial(
        extraction.extract,
        source,
        run,
        settings,
        skip_errors=on_error is OnErrorChoice.skip,
        keep_maps=keep_maps,
    )
    with interruptible(out), spread(scheduler, workers, worker_resources) as cluster:
        results = measure(cluster=cluster)
        finished = list(show_progress(results, total=len(source), what="measuring", quiet=quiet))
    summary = summarise(out, "measured", finished)
    if as_json:
        print_json(summary | {"results": run.manifest.results})
    else:
        print_outcomes("measured", summary)
        _print_miou(run, network)


def _check_source(
    softmax: Path | None, network: str | None, cityscapes: Path | None, classes: str | None
) -> None:
    if (softmax is None) == (network is None):
        raise InputError(
            "extract: expected either --softmax DIR or --network NAME with --cityscapes ROOT, got "
            f"{'both' if softmax else 'neither'}; give one of them"
        )
    if network is not None and cityscapes is None:
        raise InputError(
            "extract: expected --cityscapes ROOT beside --network, got none; name the folder that "
            "holds leftImg8bit and gtFine, or set METASEG_TF_CITYSCAPES"
        )
    if classes is not None and softmax is None:
        raise InputError(
            f"extract: expected --classes together with --softmax, got --classes {classes} with a "
            "network for Cityscapes, whose classes have names; leave it out"
        )


def _print_miou(run, network: str | None) -> None:
    """Class-wise IoU and mIoU over the run, beside the published one where there is one."""
    from metaseg_tf.paper.published import CATALOGUE_NAMES, find_published

    results = run.manifest.results
    if "miou" not in results:
        return
    width = max(14, *map(len, run.classes.names))
    for name, iou in zip(run.classes.names, results["class_iou"], strict=True):
        typer.echo(f"  {name:{width}} " + ("  n/a" if iou is None else f"{iou:7.2%}"))
    typer.echo(f"  {'mIoU':{width}} {results['miou']:7.2%} over {results['images']} images")
    if network in CATALOGUE_NAMES:
        published = find_published("section 3", CATALOGUE_NAMES[network], "miou").value
        typer.echo(f"  {'published':{width}} {published:7.2%} over 500 images")
