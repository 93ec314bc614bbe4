import numpy as np
import pytest
from protocol_twin import fit_linear_slowly

from metaseg_tf.paper.figures import figure3
from metaseg_tf.segments.columns import METRIC_COLUMNS


@pytest.fixture(scope="module")
def segments(evaluation, table):
    return figure3.frame(evaluation, table)


def test_predictions_are_those_of_the_authors_first_run(table, segments):
    """Transcribed from the protocol: the half where rand < 0.5 trains the regression."""
    kept = table[table["S_in"] > 0]
    features = kept[[*METRIC_COLUMNS, *[f"cprob{j}" for j in range(5)]]].to_numpy()
    features = (features - features.mean(0)) / features.std(0)
    np.random.seed(0)  # noqa: NPY002 (the authors' protocol)
    trains = np.random.rand(len(kept)) < 0.5  # noqa: NPY002
    predict = fit_linear_slowly(features[trains], kept["iou_adj"].to_numpy()[trains])
    np.testing.assert_allclose(segments["predicted"], predict(features), atol=1e-6)
    np.testing.assert_array_equal(segments["part"] == "train", trains)
    np.testing.assert_array_equal(segments["iou_adj"], kept["iou_adj"])
    np.testing.assert_array_equal(segments["segment"], kept["segment"])


def test_dots_lie_at_true_and_predicted_with_areas_by_size(segments, ax):
    points = figure3.plot(segments, segments["S"].max(), ax)
    ordered = segments.sort_values("S", ascending=False, kind="stable")
    np.testing.assert_array_equal(points.get_offsets(), ordered[["iou_adj", "predicted"]])
    areas, S = points.get_sizes(), ordered["S"].to_numpy()
    shown = areas > areas.min()
    np.testing.assert_allclose(areas[shown] / S[shown], areas[0] / S[0])


def test_dots_of_both_panels_have_one_scale(segments, ax):
    whole = figure3.plot(segments, 10 * segments["S"].max(), ax).get_sizes().max()
    assert figure3.plot(segments, segments["S"].max(), ax).get_sizes().max() == 10 * whole


def test_networks_stand_side_by_side(runs, segments):
    drawing = figure3.draw(runs)
    titles = [ax.get_title().splitlines()[0] for ax in drawing.figure.axes]
    assert titles == ["XC", "MN"]
    assert (drawing.frames[""]["network"] == "XC").sum() == len(segments)
