import pytest
from mapped_runs import make_run

from metaseg_tf.analysis.misses import score_misses
from metaseg_tf.paper.figures import drawing
from metaseg_tf.paper.misses import frame, lay_out_misses, plot, plot_classes
from metaseg_tf.runs.run import load_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "XC", range(3), keep=0)


@pytest.fixture(scope="module")
def scores(run):
    return score_misses(run.load_truth(), load_run(run.path), run.classes)


def test_the_curves_are_shares_of_components(run, scores):
    truth = run.load_truth()
    recall = frame(truth)
    assert recall["size"].nunique() == (scores["group"] == "size").sum()
    found = recall[recall["threshold"] == 0.5]
    shares = found["recall"] * found["components"]
    assert shares.sum() == pytest.approx((truth["siou"] > 0.5).sum())
    ax = drawing.new_figure(4, 3).subplots()
    lines = plot(recall, ax)
    assert len(lines) == recall["size"].nunique()
    first = recall[recall["size"] == recall["size"].iloc[0]]
    assert lines[0].get_ydata().tolist() == first["recall"].tolist()


def test_bars_share_out_the_components_of_each_class(scores):
    ax = drawing.new_figure(4, 3).subplots()
    parts = plot_classes(scores, ax)
    own = scores[scores["group"] == "class"]
    widths = [[bar.get_width() for bar in part] for part in parts]
    assert [sum(column) for column in zip(*widths, strict=True)] == pytest.approx([1] * len(own))
    assert widths[0] == pytest.approx(list(own["overlooked"] / own["components"]))


def test_tables_say_the_scores(run, scores):
    by_class, by_size = lay_out_misses(scores, run)
    assert by_class.header[-3:] == ("PQ", "SQ", "RQ")
    row = scores.iloc[0]
    assert by_class.rows[0][:2] == ("all", str(row["components"]))
    assert by_class.rows[0][-3] == f"{row['pq']:.3f}"
    assert by_size.header[-1] == "F1"
    assert by_size.caption.startswith("XC: ")
