import numpy as np
import pandas as pd
import pytest
from scenes import make_scene

from metaseg_tf import segment_metrics
from metaseg_tf.errors import InputError
from metaseg_tf.paper.tables import compute_correlations, count_segments, table_1
from metaseg_tf.schema import METRIC_COLUMNS, empty_table


@pytest.fixture(scope="module")
def segments():
    return pd.concat([segment_metrics(*make_scene(seed=i)) for i in range(5)], ignore_index=True)


def test_correlations_are_pearsons_over_segments_with_interior(segments):
    inner = segments[segments.S_in > 0]
    rho = compute_correlations(segments)
    assert list(rho.index) == list(METRIC_COLUMNS)
    for name in METRIC_COLUMNS:
        assert rho[name] == pytest.approx(np.corrcoef(inner[name], inner.iou_adj)[0, 1], abs=1e-12)


def test_table_1_is_laid_out_as_printed(segments):
    printed = table_1({"XC": segments, "MN": segments})
    assert printed.header == ("metric", "XC", "MN", "metric", "XC", "MN")
    assert [(row[0], row[3]) for row in printed.rows][:3] == [
        ("E", "D"),
        ("E_bd", "D_bd"),
        ("E_in", "D_in"),
    ]
    shown = {row[i] for row in printed.rows for i in (0, 3)} - {""}
    assert shown == set(METRIC_COLUMNS)
    assert printed.rows[0][1] == printed.rows[0][2] == f"{compute_correlations(segments)['E']:.5f}"
    assert printed.rows[-1][3:] == ("", "", "")


def test_counts(segments):
    inner = segments[segments.S_in > 0]
    counts = count_segments(segments)
    assert counts["segments"] == len(segments)
    assert counts["with_interior"] == len(inner)
    assert counts["false_positives"] == (inner.iou_adj == 0).sum() > 0
    assert f"{counts['false_positives']} with IoU_adj = 0" in table_1({"run": segments}).caption


def test_a_constant_column_has_no_correlation(segments):
    printed = table_1({"run": segments.assign(E=0.1)})
    assert printed.rows[0][1] == "n/a"
    constant = compute_correlations(segments.assign(iou_adj=1.0))
    assert constant.isna().all()


def test_too_few_segments_are_refused():
    with pytest.raises(InputError, match="at least 2 segments with interior, got 0"):
        compute_correlations(empty_table(3))


def test_a_table_without_ground_truth_is_refused(segments):
    with pytest.raises(InputError, match="extract with ground truth"):
        compute_correlations(segments.drop(columns=["iou", "iou_adj"]))
