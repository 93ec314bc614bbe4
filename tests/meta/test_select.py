import numpy as np
import pandas as pd
import pytest
from mapped_runs import make_judged, make_run

from metaseg_tf.errors import InputError
from metaseg_tf.meta.select import load_judged, rank_images, select

#: Expected wrong pixels 50, 10, 90 and 8; clicks 5, 3, 39 and 4.
TABLE = pd.DataFrame(
    {
        "image": ["a", "a", "b", "b"],
        "segment": [1, 2, 1, 2],
        "S": [100, 20, 900, 40],
        "S_bd": [56, 10, 1008, 28],
        "iou_adj_predicted": [0.5, 0.5, 0.9, 0.8],
    }
)


@pytest.mark.parametrize(
    ("clicks", "expected"),
    [
        (4, ["a2"]),
        (5, ["a1"]),
        (8, ["a1", "a2"]),
        (46, ["a1", "a2", "b2"]),
        (47, ["a1", "a2", "b1"]),
        (99, ["a1", "a2", "b1", "b2"]),
    ],
)
def test_clicks_go_where_most_wrong_pixels_are_expected_for_each(clicks, expected):
    chosen = select(TABLE, clicks)
    assert (chosen["image"] + chosen["segment"].astype(str)).tolist() == expected
    assert chosen["rank"].tolist() == [*range(1, len(expected) + 1)]
    assert chosen["clicks"].sum() <= clicks


def test_images_are_chosen_by_the_wrong_pixels_expected_in_them():
    (chosen,) = select(TABLE, 1, "images").to_dict("records")
    assert chosen == {
        "rank": 1, "image": "b", "segments": 2, "S": 940, "clicks": 43,
        "expected_wrong": pytest.approx(98),
    }  # fmt: skip
    assert select(TABLE, 5, "images")["image"].tolist() == ["b", "a"]


def test_images_are_ranked_by_the_share_of_wrong_pixels():
    # 60 of 120 pixels are more than 98 of 940.
    assert rank_images(select(TABLE, 100))["image"].tolist() == ["a", "b"]


def test_a_segment_without_a_verdict_counts_as_wrong():
    table = TABLE.assign(iou_adj_predicted=[np.nan, 0.5, 0.9, 0.8])
    assert select(table, 5)["expected_wrong"].tolist() == [100]


@pytest.mark.parametrize(
    ("budget", "unit", "said"),
    [
        (2, "clicks", "expected at least 3 clicks, got 2"),
        (0, "images", "expected at least 1 images, got 0"),
        (4, "hours", "expected one of clicks, images, got 'hours'"),
    ],
)
def test_budgets_that_buy_nothing_are_refused(budget, unit, said):
    with pytest.raises(InputError, match=said):
        select(TABLE, budget, unit)


def test_a_run_that_nobody_judged_is_refused(tmp_path):
    with pytest.raises(InputError, match="judge the images with metaseg-tf predict"):
        load_judged(make_run(tmp_path / "run", (1,), keep=0))


def test_a_judged_run_has_what_is_needed(tmp_path):
    run = make_judged(tmp_path / "judged", (1, 2), keep=0)
    chosen = select(load_judged(run), 10**6)
    assert len(chosen) == len(run.load(["image"]))
    worth = (chosen["expected_wrong"] / chosen["clicks"]).to_numpy()
    assert (np.diff(worth) <= 0).all()
