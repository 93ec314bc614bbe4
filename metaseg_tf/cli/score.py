"""``metaseg-tf score``: how good a meta model's verdicts are, with intervals."""

import json
from pathlib import Path

from metaseg_tf.cli.console import print_json, print_paths, print_table
from metaseg_tf.cli.options import AsJson, RunFolders, option
from metaseg_tf.errors import InputError, restate

__all__ = ["score"]


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
        parts |= {} if differences is None else {"difference": differences}
        print_json({name: json.loads(x.to_json(orient="records")) for name, x in parts.items()})
        return
    for title, scores in found.items():
        for table in lay_out_scores(scores, title):
            print_table(table)
    if differences is not None:
        print_table(lay_out_differences(differences, tuple(found)))
    print_paths(written)
