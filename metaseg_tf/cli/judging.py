"""The verbs that fit and score meta models, which judge segments without ground truth."""

from functools import partial
from pathlib import Path
from typing import Literal

import typer

from metaseg_tf.cli import console
from metaseg_tf.cli.options import AsJson, Quiet, RunFolder, RunFolders, option
from metaseg_tf.errors import InputError, number_of, restate

__all__ = ["ablate", "fit", "score"]


def fit(
    run: RunFolder,
    out: option(Path, help="Model file to write (JSON)."),
    meta: option(
        Literal["linear", "boosting", "best"],
        help="Linear models, boosted trees, or 'best': boosted trees if they are better on "
        "held-out images by more than chance.",
    ) = "linear",
    promise: option(
        str | None,
        metavar="KIND=SHARE",
        help="Trust segments so that a new image is expected to have at most this share of its "
        "false positives trusted (false-positives=0.1), or of its other segments not trusted "
        "(missed-trust=0.1). Sets a third of the images aside.",
    ) = None,
    intervals: option(
        float | None,
        metavar="LEVEL",
        help="Intervals that are expected to hold the adjusted IoU of at least this share of a "
        "new image's segments, by size, in place of those of 95 %. Sets a third aside, too.",
    ) = None,
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
    kept = {"meta": meta, "promise": promised, "intervals": intervals}
    model = fit_meta_model(load_run(run), **kept, manifest=opened.manifest, name=opened.name)
    save_model(model, out)
    facts = model.provenance
    if as_json:
        console.print_json(facts)
        return
    console.print_paths([out])
    console.print_text(
        f"{facts['meta']} model, fitted on {number_of(facts['with_interior'], 'segment')} with "
        f"interior of {number_of(facts['images'], 'image')}, {facts['false_positives']} of "
        "them false positives; on held-out images:"
    )
    _print_scores(facts["held_out"], "auroc", "ece", "r2", "sigma")
    console.print_text("in brackets 95 % intervals by bootstrap over images")
    if found := facts.get("against_linear"):
        console.print_text(f"{found['meta']} less linear, on the same images:")
        _print_scores(found, "auroc", "r2", sign="+")
        verdict = "is better" if found["better"] else "is not better"
        said = f"; kept: {facts['meta']}" if meta == "best" else ""
        console.print_text(f"{found['meta']} {verdict} by more than chance{said}")
    for name in ("promise", "intervals"):
        if made := getattr(model, name):
            console.print_text(f"{name}: {made.sentence}")


def _print_scores(found, *names: str, sign: str = "") -> None:
    for name in names:
        value, low, high = found[name].values()
        interval = "" if low is None else f" [{low:{sign}.4f}, {high:{sign}.4f}]"
        typer.echo(f"  {name:6} {value:{sign}.4f}{interval}")


def score(
    runs: RunFolders,
    model: option(
        list[Path] | None,
        help="Meta model written by fit, or a folder of predict that keeps one; give two to "
        "compare them.",
    ) = None,
    cost: option(
        str,
        metavar="FP:FN",
        help="Cost of rejecting a segment that is right, and of keeping a false positive.",
    ) = "1:1",
    draws: option(int, min=100, help="Bootstrap draws of images behind the intervals.") = 1000,
    as_json: AsJson = False,
) -> None:
    """Score the verdicts of a meta model on a run with ground truth.

    Every score has a 95 % interval by bootstrap over images. Two models, or two runs of the same
    images, are compared by paired differences. Tables and figures are written to RUN/scores/.
    """
    from metaseg_tf.meta import load_model
    from metaseg_tf.meta.file import load_kept
    from metaseg_tf.meta.score import compare_scores, score_run
    from metaseg_tf.paper.scores import lay_out_differences, lay_out_scores, store_scores
    from metaseg_tf.runs.run import Run

    paths = model or [None]
    n = max(len(runs), len(paths))
    if n > 2:
        raise InputError(
            f"score: expected at most two runs and two models, got {len(runs)} and {len(paths)}; "
            "compare two at a time"
        )
    remedy = "write 1:5 if keeping a false positive costs five times as much as rejecting a segment"
    with restate(ValueError, InputError, f"--cost: expected FP:FN, got {cost!r}", remedy):
        rejected, kept = (float(part) for part in cost.split(":"))
    models = [p and (load_kept(Run(p)) if p.is_dir() else load_model(p)) for p in paths]
    found = {}
    for i in range(n):
        run, judge = Run(runs[i % len(runs)]), models[i % len(models)]
        title = f"{run.name}, {paths[i].name}" if len(paths) == 2 else run.name
        # Two folders or files may have one name.
        title = title if title not in found else f"{title} (second)"
        found[title] = score_run(run, judge, cost=(rejected, kept), draws=draws)
    differences = compare_scores(*found.values()) if n == 2 else None
    written = store_scores(Run(runs[0]), found, differences)
    if as_json:
        parts = {title: scores.table for title, scores in found.items()}
        console.print_json(parts | ({} if differences is None else {"difference": differences}))
        return
    for title, scores in found.items():
        for table in lay_out_scores(scores, title):
            console.print_table(table)
    if differences is not None:
        console.print_table(lay_out_differences(differences, tuple(found)))
    console.print_paths(written)


def ablate(run: RunFolder, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Compare groups of metrics and estimators on a run with ground truth.

    Fits linear models and boosting on the paper's metrics, on these with one further group that the
    run holds, and on all, scores them on images held out, and compares each with the linear model
    of the paper's metrics. Tables and a picture are written to RUN/ablation/.
    """
    from metaseg_tf.meta.ablate import ablate
    from metaseg_tf.paper.scores import lay_out_ablation, store_ablation
    from metaseg_tf.runs.run import Run, load_run

    opened, table = Run(run), load_run(run)
    show = partial(console.show_progress, what="fitting", quiet=quiet)
    found, images = ablate(table, progress=show), table["image"].nunique()
    paths = store_ablation(found, opened, images)
    if as_json:
        console.print_json(found)
        return
    for each in lay_out_ablation(found, opened, images):
        console.print_table(each, titles=2)
    console.print_paths(paths)
