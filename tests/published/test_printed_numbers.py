"""One case for each number that the paper prints; see conftest.py for the runs they need."""

import pytest

from metaseg_tf.analysis.evaluation import load_segments
from metaseg_tf.paper.published import NETWORKS, PUBLISHED
from metaseg_tf.paper.verify import FAILURES, find_faults


@pytest.mark.published
@pytest.mark.parametrize(
    "published", PUBLISHED, ids=lambda n: f"{n.place}-{n.network}-{n.quantity}".replace(" ", "")
)
def test_the_number_is_reproduced(published, comparison):
    assert comparison.verdict not in FAILURES, (
        f"{published.place}, {published.network}, {published.quantity}: printed "
        f"{published.value} (± {published.deviation}), got {comparison.value}; the fingerprint is "
        f"{comparison.fingerprint}"
    )


@pytest.mark.published
@pytest.mark.parametrize("network", NETWORKS)
def test_the_run_has_no_fault(network, find_run):
    assert find_faults(load_segments(find_run(network))) == []
