import numpy as np
import pandas as pd
import pytest

from metaseg_tf.data.classes import ClassTable
from metaseg_tf.paper.figures import figure4


@pytest.fixture(scope="module")
def classification(evaluation):
    return evaluation.classification


def test_coefficients_and_their_largest_among_classes(classification):
    frame = figure4.coefficient_frame(classification)
    assert list(frame) == ["C", *classification.columns, "C_p"]
    np.testing.assert_array_equal(frame["C"], classification.paths[0].C)
    for _, row in frame.iterrows():
        assert row["C_p"] == max(abs(row[f"cprob{j}"]) for j in range(5))
    assert (frame["C_p"].iloc[0], frame["C_p"].iloc[-1] > 0) == (0, True)


def test_scores_are_of_the_first_run_with_the_baseline(classification):
    scores = figure4.score_frame(classification)
    assert len(scores) == 50 * 2 * 2 * 2 + 4
    shown = scores.query("part == 'validation' and score == 'acc' and model == 'penalized'")
    best = shown.loc[shown["value"].idxmax(), "C"]
    assert (scores["best_c"] == best).all()
    assert scores.query("model == 'entropy'")["C"].isna().all()


def test_lines_show_the_frames(classification, ax):
    scores = figure4.score_frame(classification)
    lasso, refit, baseline = figure4.plot_scores(scores, "auroc", ax)
    part = scores.query("part == 'validation' and score == 'auroc'").groupby("model")["value"]
    np.testing.assert_array_equal(lasso.get_ydata(), part.get_group("penalized"))
    np.testing.assert_array_equal(refit.get_ydata(), part.get_group("unpenalized"))
    assert set(baseline.get_ydata()) == set(part.get_group("entropy"))
    assert ax.get_xscale() == "log"


def test_the_legend_is_in_the_order_of_the_lines_ends(classification, ax):
    frame = figure4.coefficient_frame(classification)
    styles = {f"cprob{j}": (str(j), {}) for j in range(5)}
    figure4.plot_coefficients(frame, styles, ax)
    ends = [frame[f"cprob{t.get_text()}"].iloc[-1] for t in ax.get_legend().get_texts()]
    assert ends == sorted(ends, reverse=True)


@pytest.mark.parametrize("n_classes", [2, 21, 150])
def test_the_columns_that_matter_are_named_and_the_others_counted(ax, n_classes):
    ends = np.random.default_rng(0).permutation(np.linspace(-1, 1, n_classes))
    path = {f"cprob{j}": [0.0, end] for j, end in enumerate(ends)}
    frame = pd.DataFrame({"C": [0.1, 1.0], **path})
    classes = ClassTable.numbered(n_classes)
    lines = figure4.plot_coefficients(frame, figure4.style_classes(frame, classes), ax)
    assert len(lines) == n_classes
    *named, last = (text.get_text() for text in ax.get_legend().get_texts())
    if n_classes <= 21:
        assert {*named, last} == {*classes.names}
    else:
        largest = np.argsort(-np.abs(ends))[:20]
        assert set(named) == {f"class {j}" for j in largest}
        assert last == "and 130 others"


def test_four_panels_with_all_columns_and_the_best_c(run, classification):
    drawing = figure4.draw([run])
    metrics, classes, accuracy, area = drawing.figure.axes
    assert len(metrics.get_legend().get_texts()) == 16
    assert classes.get_legend().get_texts()[0].get_text().startswith("class ")
    for ax in (metrics, classes, accuracy, area):
        assert set(ax.lines[-1].get_xdata()) == {classification.best_c_of_split(0)}
        assert ax.lines[-1].get_linestyle() == "--"
    labels = {t.get_text().splitlines()[0] for t in area.get_legend().get_texts()}
    assert {"LASSO fit", "entropy baseline", "best validation accuracy"} <= labels
