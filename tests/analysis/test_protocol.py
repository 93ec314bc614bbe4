"""The paper's settings, and settings that cannot be."""

import numpy as np
import pytest

from metaseg_tf.analysis.protocol import PAPER_PROTOCOL, Protocol
from metaseg_tf.errors import InputError


def test_the_papers_path():
    assert len(PAPER_PROTOCOL.C) == 50
    exponents = np.log10(PAPER_PROTOCOL.C)
    np.testing.assert_allclose(np.diff(exponents), 5 / 49)
    np.testing.assert_allclose(exponents[[0, -1]], [-4.2, 0.8])
    assert PAPER_PROTOCOL.runs == 10


@pytest.mark.parametrize(
    "setting",
    [
        {"runs": 0},
        {"C": ()},
        {"C": (0.1, 0.1)},
        {"C": (0.0, 1.0)},
        {"splits": "thirds"},
        {"fit_on": "half"},
        {"classes": "some"},
        {"engine": "saga"},
    ],
)
def test_settings_that_cannot_be(setting):
    with pytest.raises(InputError, match=f"{next(iter(setting))}: expected"):
        Protocol(**setting)


def test_splits_and_scales_follow_the_settings(design):
    assert PAPER_PROTOCOL.draw_splits(design).shape == (10, len(design))
    by_image = Protocol(runs=2, splits="image").draw_splits(design)
    assert all(len(set(mask[design.image == design.image[0]])) == 1 for mask in by_image)
    assert PAPER_PROTOCOL.features(design, by_image[0]) is design.X
    halved = Protocol(fit_on="train").features(design, by_image[0])
    np.testing.assert_allclose(halved[by_image[0]].mean(axis=0), 0, atol=1e-12)
