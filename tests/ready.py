"""A process that has imported what most tests in processes of their own need, to fork them from.

There is one for each process of pytest: of two lists of imports the first would be forgotten.
"""

from multiprocessing import get_context

__all__ = ["READY"]

READY = get_context("forkserver")
READY.set_forkserver_preload(
    [
        "tensorflow",
        "metaseg_tf.cli",
        "metaseg_tf.report.page",
        "metaseg_tf.runs.extraction",
        "hypothesis.strategies",
        "pytest",
    ]
)
