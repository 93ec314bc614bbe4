"""Two small runs with maps, and their page."""

import pytest
from mapped_runs import make_run

from metaseg_tf.report import overview, page


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Two runs; the second lacks photographs."""
    root = tmp_path_factory.mktemp("runs")
    return [
        make_run(root / "XC", range(8), keep=3),
        make_run(root / "MN", range(8, 16), photographs=False, keep=2),
    ]


@pytest.fixture(scope="session")
def page_path(runs):
    """The page of both runs, with one figure only to save time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overview, "FIGURES", {3: overview.FIGURES[3]})
        return page.write_report(runs)
