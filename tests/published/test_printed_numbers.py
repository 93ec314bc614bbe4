"""One case for each number that the paper prints; see conftest.py for the runs they need."""

import pytest

from metaseg_tf.paper.published import PUBLISHED
from metaseg_tf.paper.verify import FAILURES


@pytest.mark.published
@pytest.mark.parametrize(
    "published", PUBLISHED, ids=lambda n: f"{n.place}-{n.network}-{n.quantity}".replace(" ", "")
)
def test_the_number_is_reproduced(published, comparison):
    assert comparison.verdict not in FAILURES, (
        f"{published.place}, {published.network}, {published.quantity}: printed "
        f"{published.value} (± {published.deviation}), got {comparison.value}"
    )
