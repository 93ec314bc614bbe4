"""Finished runs of drawn tables, shared by the tests of the paper's tables."""

import pytest
from small_runs import make_run
from tables import make_table


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """A run in the part of either network."""
    folder = tmp_path_factory.mktemp("runs")
    return {
        "XC": make_run(folder / "XC", miou=0.8),
        "MN": make_run(folder / "MN", make_table(500, seed=1, n_images=5)),
    }


@pytest.fixture(scope="session")
def one_outcome(tmp_path_factory):
    """A run without false positives, so that there is nothing to classify."""
    table = make_table(400, seed=2, n_images=4)
    folder = tmp_path_factory.mktemp("one_outcome")
    return make_run(folder / "good", table[table["iou_adj"] > 0])
