"""``metaseg-tf fit``: fit and save a meta model that judges segments without ground truth."""

from pathlib import Path
from typing import Annotated

import typer

from metaseg_tf.cli.console import print_json
from metaseg_tf.cli.options import AsJson, RunFolder

__all__ = ["fit"]


def fit(
    run: RunFolder,
    out: Annotated[Path, typer.Option("--out", help="Model file to write (JSON).")],
    as_json: AsJson = False,
) -> None:
    """Fit a meta model on a run with ground truth and save it.

    It gives the probability that a segment is a false positive and predicts its adjusted IoU.
    """
    from metaseg_tf.meta import fit_meta_model, save_model
    from metaseg_tf.runs.run import Run, load_run

    opened = Run(run)
    model = fit_meta_model(load_run(run), manifest=opened.manifest, name=opened.name)
    save_model(model, out)
    if as_json:
        print_json(model.provenance)
    else:
        facts = model.provenance
        typer.echo(
            f"wrote {out}, fitted on {facts['with_interior']} segments with interior of "
            f"{facts['images']} images, {facts['false_positives']} of them false positives"
        )
        for score in ("auroc", "ece", "r2", "sigma"):
            value, low, high = facts["held_out"][score].values()
            interval = "" if low is None else f" [{low:.4f}, {high:.4f}]"
            typer.echo(f"  {score:6} {value:.4f}{interval}")
        typer.echo("on held-out images, with 95 % intervals by bootstrap over images")
