"""The verbs that measure segments: ``extract``, and ``predict``, which judges them as well."""

from pathlib import Path

import typer

from metaseg_tf.cli import console, options
from metaseg_tf.errors import InputError, number_of
from metaseg_tf.networks.options import DEFAULTS, NetworkOptions

__all__ = ["compact", "extract", "predict"]

#: Classes that are listed at most; of more, the best and the worst.
_LISTED = 24


@options.bundled
def extract(
    context: typer.Context,
    out: options.Out,
    softmax: options.dump_option(
        Path | None, help="Folder of softmax dumps: MetaSeg's HDF5, .npz or .npy."
    ) = None,
    dumps: dict | None = None,
    network: options.Network = None,
    images: options.folder_option(
        Path | None,
        metavar="DIR",
        help="Folder of images, with subfolders; measured without ground truth unless --masks "
        "is given.",
    ) = None,
    masks: options.folder_option(
        Path | None,
        metavar="DIR",
        help="Folder of masks (class ids or colours) with the images' names.",
    ) = None,
    mask_suffix: options.folder_option(
        str | None, help="What follows an image's name in that of its mask: _mask."
    ) = None,
    cityscapes: options.Cityscapes = None,
    split: options.option(str | None, help="Split of Cityscapes; default: val.") = None,
    city: options.option(str | None, help="Use only this city of Cityscapes.") = None,
    limit: options.option(
        int | None, min=1, metavar="N", help="Use only the first N images."
    ) = None,
    network_options: NetworkOptions = DEFAULTS,
    classes: options.Classes = None,
    void: options.Void = None,
    ignore_colour: options.IgnoreColour = None,
    reduce_zero_label: options.ReduceZeroLabel = False,
    convention: options.Convention = "reference",
    connectivity: options.Connectivity = 8,
    labeller: options.Labeller = "skimage",
    metrics: options.Metrics = None,
    on_error: options.OnError = "stop",
    keep_maps: options.KeepMaps = 20,
    pack: options.Pack = None,
    cluster: dict | None = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure the segments of every image and store them in a run folder.

    Repeat an interrupted command to continue.
    """
    _check_source(softmax, network, images, cityscapes)
    given = options.dump_settings(softmax, network_options, dumps)
    _refuse_useless(context)
    console.start_tensorflow()
    from metaseg_tf.data.classes import VOID, load_classes
    from metaseg_tf.data.softmax import open_dumps
    from metaseg_tf.runs import extraction, sources
    from metaseg_tf.segments import columns

    table = None if classes is None else load_classes(classes)
    if softmax is not None:
        source = open_dumps(softmax, limit=limit, classes=table, **given)
    elif images is not None:
        code = {"mask_suffix": mask_suffix or "", "ignore_colours": ignore_colour or ()}
        code |= {"void": void, "reduce_zero_label": reduce_zero_label}
        source = sources.open_folders(
            network, images, masks, network_options, classes=table, limit=limit, **code
        )
        # Masks become class ids while they are read.
        void, reduce_zero_label = None, False
    else:
        source = sources.open_cityscapes(
            network, cityscapes, network_options, split=split or "val", city=city, limit=limit
        )
    void = VOID if void is None else void
    groups = columns.read_metrics(metrics or columns.DEFAULT_METRICS, source.passes)
    if metrics is None and source.passes:
        groups = (*groups, columns.DISAGREEMENT)
    settings = extraction.MeasureSettings(
        convention, void, connectivity, labeller, reduce_zero_label, columns.spell_metrics(groups)
    )
    run = extraction.open_run(out, source, settings)
    with console.long_work(out, **cluster) as cluster:
        how = {"skip_errors": on_error == "skip", "keep_maps": keep_maps, "pack": pack}
        results = extraction.extract(source, run, settings, **how, cluster=cluster)
        finished = console.show_progress(results, len(source), "measuring", quiet=quiet)
    summary = console.summarise(out, "measured", finished)
    if as_json:
        console.print_json(summary | {"results": run.manifest.results})
    else:
        console.print_outcomes("measured", summary, quiet=quiet)
        if not quiet:
            _print_miou(run)


def _check_source(
    softmax: Path | None, network: str | None, images: Path | None, cityscapes: Path | None
) -> None:
    if (softmax is None) == (network is None):
        raise InputError(
            "extract: expected either --softmax FOLDER or --network NAME with --images DIR or "
            f"--cityscapes ROOT, got {'both' if softmax else 'neither'}; give one of them"
        )
    if network is not None and images is None and cityscapes is None:
        raise InputError(
            "extract: expected --images DIR or --cityscapes ROOT with --network, got none; name "
            "the folder of images, or that which holds leftImg8bit and gtFine"
        )


def _refuse_useless(context: typer.Context) -> None:
    """Refuse options that do nothing with the source of images that is chosen."""
    given = {name: value or None for name, value in context.params.items()}
    if context.get_parameter_source("cityscapes").name != "COMMANDLINE":
        # An environment variable may name Cityscapes for other commands.
        given["cityscapes"] = None
    softmax, images, masks = (given[name] for name in ("softmax", "images", "masks"))
    for needed, missing, *unused in (
        ("--network NAME", not given["network"], "images"),
        ("--images DIR", not images, "masks"),
        ("--masks DIR", not masks, "mask_suffix", "ignore_colour"),
        ("--softmax or --images", not (softmax or images), "classes"),
        ("--softmax or --masks", not (softmax or masks), "reduce_zero_label"),
        ("--masks DIR", images and not masks, "void"),
        ("--cityscapes ROOT", softmax or images, "split", "city"),
        ("--network NAME alone", softmax or images, "cityscapes"),
    ):
        if missing:
            options.refuse_unused(needed, **{name: given[name] for name in unused})


def _print_miou(run) -> None:
    """Class-wise IoU and mIoU over the run, and the published mIoU of the paper's runs."""
    from metaseg_tf.data.classes import shorten
    from metaseg_tf.paper.published import IMAGES, find_published, paper_network

    results = run.manifest.results
    if "miou" not in results:
        return
    rows = [*zip(run.classes.names, results["class_iou"], strict=True)]
    if len(rows) > _LISTED:
        rated = sorted((row for row in rows if row[1] is not None), key=lambda row: -row[1])
        rows = rated[: _LISTED // 2] + rated[_LISTED // 2 :][-_LISTED // 2 :]
        typer.echo(f"  the best and worst of {len(run.classes)} classes; run.json has all")
    rows = [(shorten(name, 50), iou) for name, iou in rows]
    width = max(14, *(len(name) for name, _ in rows))
    for name, iou in rows:
        typer.echo(f"  {name:{width}} " + ("  n/a" if iou is None else f"{iou:7.2%}"))
    images = number_of(results["images"], "image")
    typer.echo(f"  {'mIoU':{width}} {results['miou']:7.2%} over {images}")
    if role := paper_network(run.manifest):
        published = find_published("section 3", role, "miou").value
        typer.echo(f"  {'published':{width}} {published:7.2%} over {IMAGES} images")


def compact(
    run: options.RunFolder,
    images: options.option(int, min=1, help="Images per packed file.") = 1000,
) -> None:
    """Pack a run's many small files into a few large ones.

    The run can still be read and continued.
    """
    from metaseg_tf.runs.run import Run

    opened = Run(run)
    packed = opened.compact(images)
    typer.echo(f"{run}: {number_of(packed, 'image')} packed, {len(opened.done())} in the run")


@options.bundled
def predict(
    model: options.argument(Path, help="Meta model written by fit."),
    out: options.Out,
    images: options.option(
        list[Path] | None, help="Image or folder of images; may be repeated."
    ) = None,
    network: options.Network = None,
    softmax: options.dump_option(
        Path | None, help="Folder of softmax dumps, instead of images and a network."
    ) = None,
    dumps: dict | None = None,
    network_options: NetworkOptions = DEFAULTS,
    reject_below: options.option(
        float | None,
        help="Also write the prediction with segments below this predicted IoU_adj set to void.",
    ) = None,
    guaranteed: options.option(
        bool,
        "--guaranteed",
        help="Also write the prediction with segments set to void that the model, by its promise, "
        "does not trust.",
    ) = False,
    on_error: options.OnError = "stop",
    keep_maps: options.KeepMaps = 20,
    pack: options.Pack = None,
    cluster: dict | None = None,
    quiet: options.Quiet = False,
) -> None:
    """Judge every segment of images without ground truth.

    Repeat an interrupted command to continue.
    """
    if (softmax is None) == (network is None) or (network is None) != (not images):
        sources = {"--softmax": softmax, "--network": network, "--images": images}
        given = " and ".join(name for name, value in sources.items() if value) or "none of them"
        raise InputError(
            f"predict: expected either --softmax, or --network and --images, got {given}; name the "
            "dumps or the images to judge"
        )
    given = options.dump_settings(softmax, network_options, dumps)
    from metaseg_tf.meta import load_model

    judge = load_model(model)
    console.start_tensorflow()
    from metaseg_tf.data.softmax import open_dumps
    from metaseg_tf.meta import predict as prediction
    from metaseg_tf.runs.sources import open_photographs

    settings = prediction.PredictSettings(reject_below, guaranteed)
    if softmax is not None:
        source = open_dumps(softmax, **given)
    else:
        source = open_photographs(network, images, network_options)
    if differing := judge.other_settings(source.settings):
        typer.echo(
            "note: the model was fitted on a network with other settings "
            f"({'; '.join(differing)}): its held-out scores do not apply here",
            err=True,
        )
    run = prediction.open_prediction(out, source, judge, settings)
    with console.long_work(out, **cluster) as cluster:
        how = {"skip_errors": on_error == "skip", "keep_maps": keep_maps, "pack": pack}
        results = prediction.predict(source, judge, run, settings, **how, cluster=cluster)
        finished = console.show_progress(results, len(source), "judging", quiet=quiet)
    written, notes = prediction.write_judged(run, judge)
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    console.print_outcomes("judged", console.summarise(out, "judged", finished), quiet=quiet)
    if not quiet:
        console.print_paths(written)
