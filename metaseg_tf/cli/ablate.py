"""``metaseg-tf ablate``: what each group of metrics and each estimator adds to the verdicts."""

import json
from functools import partial

from metaseg_tf.cli.console import print_json, print_paths, print_table, show_progress
from metaseg_tf.cli.options import AsJson, Quiet, RunFolder

__all__ = ["ablate"]


def ablate(run: RunFolder, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Compare groups of metrics and estimators on a run with ground truth.

    Fits linear models and boosting on the paper's metrics, on these with one further group that the
    run holds, and on all, scores them on images held out, and compares each with the linear model
    of the paper's metrics. Tables and a picture are written to RUN/ablation/.
    """
    from metaseg_tf.meta.ablate import ablate
    from metaseg_tf.paper.ablation import lay_out_ablation, store_ablation
    from metaseg_tf.runs.run import Run, load_run

    opened, table = Run(run), load_run(run)
    show = partial(show_progress, what="fitting", quiet=quiet)
    found, images = ablate(table, progress=show), table["image"].nunique()
    paths = store_ablation(found, opened, images)
    if as_json:
        print_json(json.loads(found.to_json(orient="records")))
        return
    for each in lay_out_ablation(found, opened, images):
        print_table(each, titles=2)
    print_paths(paths)
