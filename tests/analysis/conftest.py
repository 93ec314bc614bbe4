"""A small design shared by the tests of the analysis."""

import pytest
from tables import make_table

from metaseg_tf.analysis.design import build_design


@pytest.fixture(scope="session")
def table():
    return make_table(1500, seed=3, n_images=8)


@pytest.fixture(scope="session")
def design(table):
    return build_design(table)
