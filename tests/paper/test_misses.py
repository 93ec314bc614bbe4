import pytest
from mapped_runs import make_run

from metaseg_tf.analysis.misses import score_misses
from metaseg_tf.paper.figures import drawing
from metaseg_tf.paper.misses import frame, lay_out_misses, plot
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


def test_the_table_says_the_scores(run, scores):
    table = lay_out_misses(scores, run)
    assert table.header[-3:] == ("recall", "F1", "PQ")
    first, last = scores.iloc[0], scores.iloc[-1]
    assert table.rows[0][:2] == ("all", str(first["components"]))
    assert table.rows[0][-1] == f"{first['pq']:.3f}"
    assert table.rows[-1][-2:] == (f"{last['f1']:.3f}", "n/a")
    assert table.caption.startswith("XC: ")
