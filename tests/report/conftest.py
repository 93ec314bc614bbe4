"""Two small runs with maps, and their page."""

import pytest
from mapped_runs import make_judged, make_run

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


@pytest.fixture(scope="session")
def judged(tmp_path_factory):
    """Four judged scenes, of which three keep their maps."""
    return make_judged(tmp_path_factory.mktemp("judged") / "drive", range(4), keep=3)


@pytest.fixture(scope="session")
def judged_path(judged):
    """The page of the judged scenes, of which two can be explored."""
    return page.write_report([judged], images=2)
