import numpy as np
import pandas as pd
import pytest
from scenes import make_scene

from metaseg_tf import segment_metrics
from metaseg_tf.errors import InputError
from metaseg_tf.paper.correlations import compute_correlations, count_segments
from metaseg_tf.segments.columns import METRIC_COLUMNS, empty_table


@pytest.fixture(scope="module")
def segments():
    tables = [segment_metrics(*make_scene(seed=i)).assign(image=f"i{i}") for i in range(5)]
    return pd.concat(tables, ignore_index=True)


def test_correlations_are_pearsons_over_segments_with_interior(segments):
    inner = segments[segments.S_in > 0]
    rho = compute_correlations(segments)
    assert list(rho.index) == list(METRIC_COLUMNS)
    for name in METRIC_COLUMNS:
        assert rho[name] == pytest.approx(np.corrcoef(inner[name], inner.iou_adj)[0, 1], abs=1e-12)


def test_counts(segments):
    inner = segments[segments.S_in > 0]
    counts = count_segments(segments)
    assert counts["all_segments"] == len(segments)
    assert counts["segments"] == len(inner)
    assert counts["false_positives"] == (inner.iou_adj == 0).sum() > 0


def test_constants_have_no_correlation(segments):
    assert np.isnan(compute_correlations(segments.assign(E=0.1))["E"])
    assert compute_correlations(segments.assign(iou_adj=1.0)).isna().all()


def test_too_few_segments_are_refused(segments):
    with pytest.raises(InputError, match="at least 2 segments with interior, got 1"):
        compute_correlations(segments[segments["S_in"] > 0].head(1))
    with pytest.raises(InputError, match="no pixel of any image has ground truth"):
        compute_correlations(empty_table(3))


def test_a_table_without_ground_truth_is_refused(segments):
    with pytest.raises(InputError, match="extract with ground truth"):
        compute_correlations(segments.drop(columns=["iou", "iou_adj"]))


def test_nan_is_named_with_column_and_image(segments):
    row = np.flatnonzero(segments["S_in"] > 0)[7]
    broken = segments.copy()
    broken.loc[row, "D"] = np.nan
    with pytest.raises(InputError, match=f"column D .first in image '{broken.image[row]}'"):
        compute_correlations(broken)
