import pandas as pd
import pytest
from scenes import make_scene

from metaseg_tf import segment_metrics
from metaseg_tf.errors import InputError
from metaseg_tf.paper.figures import subject
from metaseg_tf.runs.run import Run


def test_titles_are_the_networks_where_folders_bear_their_names(run, tmp_path):
    assert subject.title_of(run) == "DeepLabv3+ Xception65"
    assert subject.title_of(Run.create(tmp_path / "mine", {})) == "mine"


def test_false_positives_are_counted_by_image(table):
    counts = subject.count_false_positives(table)
    for image, own in table.groupby("image"):
        assert counts[image] == ((own["iou_adj"] == 0) & (own["S_in"] > 0)).sum()


def test_the_best_rated_image_with_maps_is_chosen(runs):
    rated = pd.Series({"image5": 9.0, "image1": 5.0, "image0": 5.0, "image2": 1.0})
    assert subject.choose_image(runs, None, lambda: rated) == "image0"
    assert subject.choose_image(runs, "image4", lambda: rated) == "image4"
    with pytest.raises(InputError, match="--keep-maps"):
        subject.choose_image(runs, None, lambda: rated.iloc[:1])


def test_a_run_without_ground_truth_is_refused(tmp_path):
    run = Run.create(tmp_path / "run", {})
    run.write_segments("a", segment_metrics(make_scene()[0]))
    with pytest.raises(InputError, match=r"run: expected .* extract with ground truth first"):
        subject.load_judged(run)
