"""``metaseg-tf fit``: fit and save a meta model that judges segments without ground truth."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from metaseg_tf.cli.console import print_json, print_paths, print_text
from metaseg_tf.cli.options import AsJson, RunFolder
from metaseg_tf.errors import number_of

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
    as_json: AsJson = False,
) -> None:
    """Fit a meta model on a run with ground truth and save it.

    It gives the probability that a segment is a false positive and predicts its adjusted IoU.
    """
    from metaseg_tf.meta import fit_meta_model, save_model
    from metaseg_tf.runs.run import Run, load_run
    from metaseg_tf.runs.storage import LocalFolder

    opened = Run(run)
    LocalFolder(out.parent).probe(out.name)
    table = load_run(run)
    model = fit_meta_model(table, meta=meta, manifest=opened.manifest, name=opened.name)
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
