import numpy as np
import pandas as pd
import pytest
from tables import make_table

from metaseg_tf.analysis.diagnostics import diagnose
from metaseg_tf.paper.figures import diagnostics, drawing, store_diagnostics
from metaseg_tf.runs.run import Run


@pytest.fixture(scope="module")
def found():
    return diagnose(make_table(800, seed=1, n_classes=6))


def test_all_texts_tables_and_pictures_are_stored(found, tmp_path, monkeypatch):
    run, titles, store = Run.create(tmp_path / "mine", {}), [], drawing.store_drawing
    monkeypatch.setattr(
        drawing,
        "store_drawing",
        lambda drawn, *to: titles.append(drawn.figure.get_suptitle()) or store(drawn, *to),
    )
    paths = store_diagnostics(found, run)
    assert titles == ["mine"] * 6
    assert {path.name for path in paths if path.suffix == ".txt"} == {
        "summary.txt",
        "ols.txt",
        "logit.txt",
    }
    names = {
        "residuals_fitted",
        "normal_quantiles",
        "scale_location",
        "leverage_residual",
        "partial_regression",
        "calibration",
    }
    for suffix in (".png", ".pdf", ".csv"):
        assert names <= {path.stem for path in paths if path.suffix == suffix}
    assert all(path.parent == run.path / "diagnostics" for path in paths)
    partial = pd.read_csv(run.path / "diagnostics" / "partial_regression.csv")
    assert {"D", "E"} <= set(partial["column"])
    assert not any(name.startswith("cprob") for name in set(partial["column"]))


def test_a_model_that_cannot_be_made_has_no_picture():
    table = make_table(300, seed=2, n_classes=4)
    one_outcome = diagnose(table.assign(iou_adj=table["iou_adj"].clip(lower=0.1)))
    names = dict(diagnostics.draw_diagnostics(one_outcome))
    assert "residuals_fitted" in names
    assert "calibration" not in names


@pytest.mark.parametrize(
    ("plot", "x", "y"),
    [
        (diagnostics.plot_residuals, "fitted", "residual"),
        (diagnostics.plot_normal_quantiles, "quantile", "standardized"),
        (diagnostics.plot_scale, "fitted", "scale"),
    ],
)
def test_dots_show_the_points(found, ax, plot, x, y):
    plot(found.linear.points, ax)
    np.testing.assert_array_equal(ax.collections[0].get_offsets(), found.linear.points[[x, y]])


def test_lines_of_equal_cooks_distance(found, ax):
    n_coefficients = len(found.linear.columns) + 1
    _, line, *_ = diagnostics.plot_leverage(found.linear.points, ax, n_coefficients=n_coefficients)
    leverage, residual = line.get_data()
    distance = residual**2 * leverage / (1 - leverage) / n_coefficients
    np.testing.assert_allclose(distance, 0.01)


def test_the_slope_of_a_partial_regression_is_the_coefficient(found, ax):
    column = found.linear.columns[0]
    _, line = diagnostics.plot_partial_regression(
        found.linear.partial_regression(column), column, ax
    )
    (x0, x1), (y0, y1) = line.get_data()
    assert (y1 - y0) / (x1 - x0) == pytest.approx(found.linear.coefficients.loc[column, "coef"])


def test_running_means_are_of_equal_groups():
    x, y = pd.Series([3.0, 1, 2, 4]), pd.Series([30.0, 10, 20, 40])
    mean = diagnostics.running_mean(x, y, bins=2)
    assert mean.to_numpy().tolist() == [[1.5, 15], [3.5, 35]]
    assert len(diagnostics.running_mean(x, y)) == 4
