"""Disagreement of passes: against a slow twin in float64, at its bounds, and hostile arrays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from slow_disagreement import slow_disagreement

from metaseg_tf import segment_metrics
from metaseg_tf.errors import InputError, ShapeError
from metaseg_tf.segments.disagreement import MEASURES, check_disagreement, compare_passes
from metaseg_tf.segments.table import measure_image


def draw_passes(shape, seed, concentration=0.5):
    *size, n_classes = shape
    probs = np.random.default_rng(seed).dirichlet(np.full(n_classes, concentration), size)
    return probs.astype(np.float32)


@settings(deadline=None, max_examples=20)
@given(
    n=st.integers(1, 5),
    size=st.tuples(st.integers(1, 70), st.integers(1, 6)),
    n_classes=st.sampled_from([2, 3, 7]),
    seed=st.integers(0, 99),
)
def test_the_maps_are_those_of_the_slow_twin(n, size, n_classes, seed):
    passes = draw_passes((n, *size, n_classes), seed)
    found = compare_passes(passes.mean(0), passes)
    assert found.shape == (*size, 3)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, slow_disagreement(passes), atol=3e-6)


def test_passes_that_agree_disagree_by_nothing_and_opposed_ones_by_all():
    certain = np.eye(2, dtype=np.float32)[:, None, None]
    same = compare_passes(certain[0], [certain[0]] * 3)
    np.testing.assert_allclose(same, 0, atol=1e-6)
    opposed = compare_passes(certain.mean(0), certain)
    np.testing.assert_allclose(opposed[0, 0], [1, 0.5, 0.5], atol=1e-6)


def test_void_pixels_need_no_distribution():
    passes, void = draw_passes((2, 5, 6, 3), 0), np.zeros((5, 6), bool)
    passes[:, 2, 3], void[2, 3] = np.nan, True
    with pytest.raises(InputError, match=r"got nan at pixel \(2, 3\)"):
        compare_passes(passes.mean(0), passes)
    found = compare_passes(passes.mean(0), passes, void=void)
    assert (found[2, 3] == 0).all()
    passes[:, 2, 3] = 1 / 3
    np.testing.assert_allclose(found, compare_passes(passes.mean(0), passes), atol=1e-6)


def test_the_table_holds_the_means_over_each_segment():
    passes, gt = draw_passes((3, 20, 30, 4), 0, 0.1), np.zeros((20, 30), int)
    gt[:4, :5] = 255
    passes[:, :4, :5] = np.nan
    found = measure_image(passes, gt, metrics="all")
    plain = measure_image(passes.mean(0), gt, metrics="all").table
    assert_frame_equal(found.table.drop(columns=[*MEASURES]), plain)
    known = np.where(gt[..., None] == 255, 0, np.nan_to_num(passes))
    for segment in found.table.itertuples():
        inside = found.segments == segment.segment
        expected = slow_disagreement(known[:, inside][:, None])[0].mean(0)
        np.testing.assert_allclose([getattr(segment, m) for m in MEASURES], expected, atol=5e-6)
    again = measure_image(
        passes.mean(0), gt, metrics="disagreement", disagreement=found.disagreement
    )
    for name in MEASURES:
        np.testing.assert_array_equal(again.table[name], found.table[name])


def test_a_single_pass_has_no_disagreement():
    one = draw_passes((4, 5, 3), 0)
    assert not {*MEASURES} & {*segment_metrics(one, metrics="all")}
    with pytest.raises(InputError, match="expected several passes over an image") as caught:
        segment_metrics(one, metrics="disagreement")
    assert "\n" not in str(caught.value)


def test_passes_without_channels_last_are_refused():
    turned = np.moveaxis(draw_passes((2, 8, 9, 3), 0), -1, 1)
    with pytest.raises(ShapeError, match="channels first"):
        segment_metrics(turned)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (np.zeros((4, 5)), ShapeError, r"floats \[4, 5, 3\] as probs, got float64 \[4, 5\]"),
        (np.zeros((5, 4, 3)), ShapeError, r"got float64 \[5, 4, 3\]"),
        (np.zeros((4, 5, 3), int), ShapeError, "got int64"),
        (np.full((4, 5, 3), np.nan), InputError, r"in \[0, 1\], got nan"),
        (np.full((4, 5, 3), 1.5), InputError, "got 1.5 to 1.5"),
        (np.full((4, 5, 3), -0.1), InputError, "divide entropies by log C"),
    ],
)
def test_what_is_no_disagreement_is_refused_in_one_line(given, error, message):
    with pytest.raises(error, match=message) as caught:
        check_disagreement(given, (4, 5))
    assert "\n" not in str(caught.value)
