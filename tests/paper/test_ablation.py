import pandas as pd
import pytest

from metaseg_tf.paper.figures import drawing
from metaseg_tf.paper.scores import lay_out_ablation, plot_differences
from metaseg_tf.runs.run import Run


@pytest.fixture
def frame():
    """Two sets of metrics and two estimators, one certainly better."""
    rows = [
        {"metrics": metrics, "meta": meta, "score": score, "value": 0.8 + gain}
        | {"low": 0.7 + gain, "high": 0.9 + gain, "difference": gain}
        | {"difference_low": gain / 2, "difference_high": 2 * gain}
        for metrics, bonus in (("paper", 0.0), ("all", 0.04))
        for meta, gain in (("linear", bonus), ("boosting", bonus + 0.02))
        for score in ("auroc", "auprc", "r2", "ece")
    ]
    return pd.DataFrame(rows)


def test_tables_say_values_and_differences(frame, tmp_path):
    values, differences = lay_out_ablation(frame, Run.create(tmp_path / "mine", {}), 7)
    assert values.header == ("metrics", "meta", "AUROC", "AUPRC", "R²", "calibration error")
    assert values.rows[-1][:3] == ("all", "boosting", "0.860 [0.760, 0.960]")
    assert values.caption.startswith("mine: ")
    assert "7 images" in values.caption
    # The first row is what all others are compared with.
    assert [row[:3] for row in differences.rows] == [
        ("paper", "boosting", "+0.020 [+0.010, +0.040]"),
        ("all", "linear", "+0.040 [+0.020, +0.080]"),
        ("all", "boosting", "+0.060 [+0.030, +0.120]"),
    ]


def test_the_picture_shows_each_difference(frame):
    ax = drawing.new_figure(4, 3).subplots()
    bars = plot_differences(frame, "auroc", ax)
    assert [bar.get_label() for bar in bars] == ["linear", "boosting"]
    assert bars[1].lines[0].get_xdata().tolist() == pytest.approx([0.02, 0.06])
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["paper", "all"]
