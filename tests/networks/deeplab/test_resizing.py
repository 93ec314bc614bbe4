"""Resizing against the slow twin."""

import numpy as np
import pytest
import slow_deeplab
from hypothesis import given, settings
from hypothesis import strategies as st

from metaseg_tf.networks.deeplab.resizing import resize_bilinear, scale_dimension

sides = st.integers(1, 40)


@settings(deadline=None, max_examples=50)
@given(old=st.tuples(sides, sides), new=st.tuples(sides, sides), seed=st.integers(0, 99))
def test_resizing_equals_the_slow_twin(old, new, seed):
    x = np.random.default_rng(seed).normal(size=(1, *old, 2)).astype(np.float32)
    np.testing.assert_allclose(
        resize_bilinear(x, new)[0], slow_deeplab.bilinear(x[0], new), atol=1e-5
    )


def test_corners_keep_their_values():
    x = np.arange(12, dtype=np.float32).reshape(1, 3, 4, 1)
    y = resize_bilinear(x, (9, 31)).numpy()
    assert [y[0, r, c, 0] for r in (0, -1) for c in (0, -1)] == [0, 3, 8, 11]


@pytest.mark.parametrize(
    ("size", "scale", "expected"),
    [(1025, 0.75, 769), (2049, 1.25, 2561), (1025, 1 / 8, 129), (97, 1.25 / 16, 8), (66, 0.5, 33)],
)
def test_sizes_are_truncated(size, scale, expected):
    assert scale_dimension(size, scale) == expected
