"""``metaseg-tf misses``: what a network found of the ground truth, and what it missed."""

import json

from metaseg_tf.cli.console import print_json, print_paths, print_table
from metaseg_tf.cli.options import AsJson, RunFolder

__all__ = ["misses"]


def misses(run: RunFolder, as_json: AsJson = False) -> None:
    """Count what a network found of the ground truth and what it missed, by class and size.

    Recall and F1 over thresholds of sIoU (SegmentMeIfYouCan), panoptic quality, recall curves, and
    a list of what was missed are written to RUN/misses/.
    """
    from metaseg_tf.paper.misses import store_misses
    from metaseg_tf.runs.run import Run

    scores, table, paths = store_misses(Run(run))
    if as_json:
        print_json(json.loads(scores.to_json(orient="records")))
        return
    print_table(table)
    print_paths(paths)
