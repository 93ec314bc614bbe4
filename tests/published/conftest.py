"""Finished runs of the paper's networks over Cityscapes, where the environment names them."""

import os
from functools import cache

import pytest

from metaseg_tf.paper.measured import collect
from metaseg_tf.paper.published import PUBLISHED
from metaseg_tf.paper.verify import compare
from metaseg_tf.runs.run import Run


@pytest.fixture
def find_run():
    """The finished run of a network ("XC", "MN"); skips where none is named."""

    def find(network):
        variable = f"METASEG_TF_{network}_RUN"
        path = os.environ.get(variable)
        if not path:
            pytest.skip(f"{variable} does not name a finished run on Cityscapes")
        return Run(path)

    return find


@cache
def compare_run(role, address):
    """Printed numbers of one network, and the run's own: (place, quantity) -> Comparison."""
    comparisons = compare(PUBLISHED, {role: collect(Run(address))})
    return {(c.published.place, c.published.quantity): c for c in comparisons}


@pytest.fixture
def comparison(published, find_run):
    """The run's own number beside ``published``."""
    compared = compare_run(published.network, find_run(published.network).address)
    return compared[published.place, published.quantity]
