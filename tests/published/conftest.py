"""Finished runs of the paper's networks over Cityscapes, where the environment names them."""

import os
from functools import cache

import pytest

from metaseg_tf.paper.measured import collect
from metaseg_tf.paper.published import PUBLISHED
from metaseg_tf.paper.verify import compare
from metaseg_tf.runs.run import Run


@cache
def compare_run(role, path):
    """Printed numbers of one network, and the run's own: (place, quantity) -> Comparison."""
    comparisons = compare(PUBLISHED, {role: collect(Run(path))})
    return {(c.published.place, c.published.quantity): c for c in comparisons}


@pytest.fixture
def comparison(published):
    """The run's own number beside ``published``; skips where no run is named."""
    variable = f"METASEG_TF_{published.network}_RUN"
    path = os.environ.get(variable)
    if not path:
        pytest.skip(f"{variable} does not name a finished run on Cityscapes")
    return compare_run(published.network, path)[published.place, published.quantity]
