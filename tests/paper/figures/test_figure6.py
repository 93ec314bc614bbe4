import numpy as np
import pytest

from metaseg_tf.paper.figures import figure6
from metaseg_tf.paper.measured import compute_correlations
from metaseg_tf.segments.columns import METRIC_COLUMNS


def test_the_frame_holds_the_segments_with_interior(table):
    segments = figure6.frame(table)
    assert list(segments) == ["image", "segment", *METRIC_COLUMNS, "iou_adj"]
    assert len(segments) == (table["S_in"] > 0).sum()


@pytest.mark.parametrize(("metric", "scale"), [("D", "linear"), ("S", "log"), ("E_rel", "asinh")])
def test_a_panel_shows_a_metric_and_its_correlation(table, metric, scale, ax):
    segments = figure6.frame(table)
    points = figure6.plot(segments, metric, 0.5, ax)
    np.testing.assert_array_equal(points.get_offsets(), segments[[metric, "iou_adj"]])
    assert "0.50000" in ax.get_title()
    assert ax.get_xscale() == scale
    low, high = ax.get_xlim()
    assert low <= segments[metric].min() <= segments[metric].max() <= high


def test_relative_dispersions_of_zero_are_on_the_axis(table, ax):
    figure6.plot(figure6.frame(table).assign(E_rel=0.0), "E_rel", np.nan, ax)
    assert ax.get_xlim()[0] < 0
    assert "undefined" in ax.get_title()


def test_all_metrics_with_the_correlations_of_table_1(run, table):
    drawing = figure6.draw([run])
    assert len(drawing.figure.axes) == 15
    rho = drawing.frames["rho"].set_index("metric")["rho"]
    np.testing.assert_array_equal(rho, compute_correlations(table)[rho.index])
