"""``metaseg-tf extract``: measure the segments of a data set into a run folder."""

from pathlib import Path
from typing import Annotated

import typer

from metaseg_tf.cli.console import show_progress, start_tensorflow
from metaseg_tf.cli.options import Convention, KeepMaps, Labeller, OnError, Out, Quiet

__all__ = ["extract"]


def extract(
    out: Out,
    softmax: Annotated[
        Path, typer.Option(help="Folder with softmax dumps: MetaSeg's HDF5 files, or npz.")
    ],
    convention: Annotated[
        Convention,
        typer.Option(help="What made the published numbers, or the printed definitions."),
    ] = Convention.reference,
    connectivity: Annotated[int, typer.Option(help="Neighbours of a pixel: 8 or 4.")] = 8,
    labeller: Annotated[
        Labeller, typer.Option(help="What numbers the components; tfa knows 4 neighbours only.")
    ] = Labeller.skimage,
    void: Annotated[int, typer.Option(help="The id of pixels without ground truth.")] = 255,
    on_error: Annotated[
        OnError, typer.Option(help="Stop at a bad image, or skip it and list it at the end.")
    ] = OnError.stop,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first images.")] = None,
    keep_maps: KeepMaps = 20,
    quiet: Quiet = False,
) -> None:
    """Measure the segments of every image into a run folder; continues where it stopped."""
    start_tensorflow()
    from metaseg_tf import extraction
    from metaseg_tf.run import Run
    from metaseg_tf.softmax import find_dumps

    settings = extraction.MeasureSettings(convention.value, void, connectivity, labeller.value)
    jobs = extraction.dump_jobs(find_dumps(softmax)[:limit])
    run = Run.create(out, {"source": "softmax", **vars(settings)})
    skip = on_error is OnError.skip
    results = extraction.extract(jobs, run, settings, skip_errors=skip, keep_maps=keep_maps)
    try:
        finished = list(show_progress(results, total=len(jobs), what="measuring", quiet=quiet))
    except KeyboardInterrupt:
        typer.echo(f"stopped; what was measured is kept: repeat the command to go on ({out})")
        raise typer.Exit(130) from None
    _print_summary(out, finished)


def _print_summary(out: Path, results: list) -> None:
    outcomes = [result.outcome for result in results]
    segments = sum(result.segments for result in results)
    typer.echo(
        f"{out}: {outcomes.count('measured')} images measured ({segments} segments), "
        f"{outcomes.count('kept')} kept from before, {outcomes.count('failed')} failed"
    )
    for result in results:
        if result.outcome == "failed":
            typer.echo(f"skipped {result.reason}")
