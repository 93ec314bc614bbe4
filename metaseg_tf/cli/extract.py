"""``metaseg-tf extract``: measure the segments of a data set."""

from pathlib import Path
from typing import Annotated

import typer

from metaseg_tf.cli import console, options
from metaseg_tf.errors import InputError, number_of
from metaseg_tf.networks.options import DEFAULTS, NetworkOptions

__all__ = ["extract"]


@options.with_network_options
def extract(
    out: options.Out,
    softmax: Annotated[
        Path | None,
        options.dump_option(help="Folder of softmax dumps: MetaSeg's HDF5, .npz or .npy."),
    ] = None,
    logits: options.Logits = False,
    channels_first: options.ChannelsFirst = False,
    keys: options.Keys = None,
    classes: options.Classes = None,
    network: options.Network = None,
    cityscapes: options.Cityscapes = None,
    split: Annotated[str, typer.Option(help="Split of the data set.")] = "val",
    city: Annotated[str | None, typer.Option(help="Use only this city.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Use only the first N images.")
    ] = None,
    network_options: NetworkOptions = DEFAULTS,
    convention: options.Convention = "reference",
    connectivity: options.Connectivity = 8,
    labeller: options.Labeller = "skimage",
    void: options.Void = 255,
    reduce_zero_label: options.ReduceZeroLabel = False,
    on_error: options.OnError = "stop",
    keep_maps: options.KeepMaps = 20,
    workers: options.Workers = None,
    scheduler: options.Scheduler = None,
    worker_resources: options.WorkerResources = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure the segments of every image and store them in a run folder.

    Repeat an interrupted command to continue.
    """
    _check_source(softmax, network, cityscapes, classes)
    given = options.dump_settings(
        softmax, network_options, logits, channels_first, keys, reduce_zero_label
    )
    console.start_tensorflow()
    from metaseg_tf.data.classes import load_classes
    from metaseg_tf.data.softmax import open_dumps
    from metaseg_tf.runs import extraction, sources

    settings = extraction.MeasureSettings(
        convention, void, connectivity, labeller, reduce_zero_label
    )
    if softmax is not None:
        table = None if classes is None else load_classes(classes)
        source = open_dumps(softmax, limit=limit, classes=table, **given)
    else:
        source = sources.open_cityscapes(
            network, cityscapes, network_options, split=split, city=city, limit=limit
        )
    run = extraction.open_run(out, source, settings)
    with console.long_work(out, scheduler, workers, worker_resources) as cluster:
        skip = on_error == "skip"
        results = extraction.extract(
            source, run, settings, skip_errors=skip, keep_maps=keep_maps, cluster=cluster
        )
        finished = list(console.show_progress(results, len(source), "measuring", quiet=quiet))
    summary = console.summarise(out, "measured", finished)
    if as_json:
        console.print_json(summary | {"results": run.manifest.results})
    else:
        console.print_outcomes("measured", summary, quiet=quiet)
        if not quiet:
            _print_miou(run)


def _check_source(
    softmax: Path | None, network: str | None, cityscapes: Path | None, classes: str | None
) -> None:
    if (softmax is None) == (network is None):
        raise InputError(
            "extract: expected either --softmax FOLDER or --network NAME with --cityscapes ROOT, "
            f"got {'both' if softmax else 'neither'}; give one of them"
        )
    if network is not None and cityscapes is None:
        raise InputError(
            "extract: expected --cityscapes ROOT with --network, got none; name the folder that "
            "holds leftImg8bit and gtFine, or set METASEG_TF_CITYSCAPES"
        )
    if classes is not None and softmax is None:
        raise InputError(
            f"extract: expected --classes only with --softmax, got --classes {classes} with "
            "--network; leave it out, because the classes of Cityscapes have names"
        )


def _print_miou(run) -> None:
    """Class-wise IoU and mIoU over the run, and the published mIoU of the paper's runs."""
    from metaseg_tf.paper.published import find_published, paper_network

    results = run.manifest.results
    if "miou" not in results:
        return
    width = max(14, *map(len, run.classes.names))
    for name, iou in zip(run.classes.names, results["class_iou"], strict=True):
        typer.echo(f"  {name:{width}} " + ("  n/a" if iou is None else f"{iou:7.2%}"))
    images = number_of(results["images"], "image")
    typer.echo(f"  {'mIoU':{width}} {results['miou']:7.2%} over {images}")
    if role := paper_network(run.manifest):
        published = find_published("section 3", role, "miou").value
        typer.echo(f"  {'published':{width}} {published:7.2%} over 500 images")
