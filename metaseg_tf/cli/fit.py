"""``metaseg-tf fit``: fit and save a meta model that judges segments without ground truth."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from metaseg_tf.cli.console import print_json, print_paths, print_text
from metaseg_tf.cli.options import AsJson, RunFolder
from metaseg_tf.errors import InputError, number_of, restate

__all__ = ["fit"]


def fit(
    run: RunFolder,
    out: Annotated[Path, typer.Option("--out", help="Model file to write (JSON).")],
    meta: Annotated[
        Literal["linear", "boosting", "best"],
        typer.Option(
            help="Linear models, boosted trees, or 'best': boosted trees if they are better on "
            "held-out images by more than chance."
        ),
    ] = "linear",
    promise: Annotated[
        str | None,
        typer.Option(
            metavar="KIND=SHARE",
            help="Trust segments so that a new image is expected to have at most this share of its "
            "false positives trusted (false-positives=0.1), or of its other segments not trusted "
            "(missed-trust=0.1). Sets a third of the images aside.",
        ),
    ] = None,
    intervals: Annotated[
        float | None,
        typer.Option(
            metavar="LEVEL",
            help="Intervals that are expected to hold the adjusted IoU of at least this share of a "
            "new image's segments, by size, in place of those of 95 %. Sets a third aside, too.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fit a meta model on a run with ground truth and save it.

    It gives the probability that a segment is a false positive and predicts its adjusted IoU.
    """
    from metaseg_tf.meta import fit_meta_model, save_model
    from metaseg_tf.runs.run import Run, load_run
    from metaseg_tf.runs.storage import LocalFolder

    promised = None
    if promise is not None:
        kind, _, share = promise.partition("=")
        said = f"--promise: expected KIND=SHARE, got {promise!r}"
        with restate(ValueError, InputError, said, "false-positives=0.1 is usual"):
            promised = {kind: float(share)}
    opened = Run(run)
    LocalFolder(out.parent).probe(out.name)
    table = load_run(run)
    kept = {"meta": meta, "promise": promised, "intervals": intervals}
    model = fit_meta_model(table, **kept, manifest=opened.manifest, name=opened.name)
    save_model(model, out)
    if as_json:
        print_json(model.provenance)
    else:
        facts = model.provenance
        print_paths([out])
        print_text(
            f"{facts['meta']} model, fitted on {number_of(facts['with_interior'], 'segment')} with "
            f"interior of {number_of(facts['images'], 'image')}, {facts['false_positives']} of "
            "them false positives; on held-out images:"
        )
        for score in ("auroc", "ece", "r2", "sigma"):
            value, low, high = facts["held_out"][score].values()
            interval = "" if low is None else f" [{low:.4f}, {high:.4f}]"
            typer.echo(f"  {score:6} {value:.4f}{interval}")
        print_text("in brackets 95 % intervals by bootstrap over images")
        if found := facts.get("against_linear"):
            print_text(f"{found['meta']} less linear, on the same images:")
            for score in ("auroc", "r2"):
                value, low, high = found[score].values()
                interval = "" if low is None else f" [{low:+.4f}, {high:+.4f}]"
                typer.echo(f"  {score:6} {value:+.4f}{interval}")
            verdict = "is better" if found["better"] else "is not better"
            kept = f"; kept: {facts['meta']}" if meta == "best" else ""
            print_text(f"{found['meta']} {verdict} by more than chance{kept}")
        for name in ("promise", "intervals"):
            if made := getattr(model, name):
                print_text(f"{name}: {made.sentence}")
