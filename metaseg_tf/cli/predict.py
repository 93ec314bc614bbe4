"""``metaseg-tf predict``: judge the segments of images without ground truth."""

from pathlib import Path

import typer

from metaseg_tf.cli import console, options
from metaseg_tf.errors import InputError
from metaseg_tf.networks.options import DEFAULTS, NetworkOptions

__all__ = ["predict"]


@options.with_network_options
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
    logits: options.Logits = False,
    channels_first: options.ChannelsFirst = False,
    keys: options.Keys = None,
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
    workers: options.Workers = None,
    scheduler: options.Scheduler = None,
    worker_resources: options.WorkerResources = None,
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
    given = options.dump_settings(softmax, network_options, logits, channels_first, keys)
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
    with console.long_work(out, scheduler, workers, worker_resources) as cluster:
        skip = on_error == "skip"
        results = prediction.predict(
            source, judge, run, settings, skip_errors=skip, keep_maps=keep_maps, cluster=cluster
        )
        finished = console.show_progress(results, len(source), "judging", quiet=quiet)
    written, notes = prediction.write_judged(run, judge)
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    console.print_outcomes("judged", console.summarise(out, "judged", finished), quiet=quiet)
    if not quiet:
        console.print_paths(written)
