import numpy as np
import pandas as pd
import pytest
from tables import make_table

from metaseg_tf import fit_meta_model
from metaseg_tf.analysis.protocol import Protocol
from metaseg_tf.analysis.verdict_scores import SCORES
from metaseg_tf.data.classes import ClassTable
from metaseg_tf.errors import InputError
from metaseg_tf.meta.score import compare_scores, score

FAST = Protocol(n_splits=2, C=(0.01, 0.1, 1.0))


@pytest.fixture(scope="module")
def model():
    return fit_meta_model(make_table(1500, n_classes=5, n_images=20), protocol=FAST)


@pytest.fixture(scope="module")
def fresh():
    return make_table(1500, n_classes=5, n_images=25, seed=3)


@pytest.fixture(scope="module")
def scores(model, fresh):
    names = ClassTable(("road", "car", "sky", "tree", "dog"))
    return score(fresh, model, classes=names, draws=200)


def test_all_groups_are_there_and_add_up(scores, fresh):
    found = scores.table.drop_duplicates(["group", "of"]).set_index(["group", "of"])
    assert found.loc[("all", ""), "segments"] == len(fresh)
    for group in ("interior", "class", "size"):
        assert found.loc[group, "segments"].sum() == len(fresh)
        assert found.loc[group, "false_positives"].sum() == (fresh["iou_adj"] == 0).sum()
    assert set(found.loc["class"].index) == {"road", "car", "sky", "tree", "dog"}
    own = fresh[fresh["class_id"] == 1]
    assert found.loc[("class", "car"), "images"] == own["image"].nunique()
    assert list(scores.group().index) == list(SCORES)


def test_intervals_hold_the_value(scores):
    whole = scores.group()
    assert whole.loc["ece_chance", ["low", "high"]].isna().all()
    whole = whole.drop(index=["ece", "ece_chance"])
    assert ((whole["low"] < whole["value"]) & (whole["value"] < whole["high"])).all()
    assert scores.to_json()["ece_chance"]["low"] is None


def test_verdicts_in_the_table_count_as_those_of_a_model(scores, model, fresh):
    judged = pd.concat([fresh, model.score(fresh)], axis=1)
    again = score(judged, draws=200)
    pd.testing.assert_frame_equal(again.group(), scores.group())


def test_the_dearer_mistake_moves_the_threshold(model, fresh):
    cheap, dear = (
        score(fresh, model, cost=cost, draws=0, by=()).group() for cost in ((1, 1), (1, 9))
    )
    assert cheap.loc["cost", "value"] == pytest.approx(1 - cheap.loc["accuracy", "value"])
    verdicts, false = model.score(fresh), (fresh["iou_adj"] == 0).to_numpy()
    rejected = verdicts["false_positive_probability"].to_numpy() >= 0.1
    expected = np.mean(rejected & ~false) + 9 * np.mean(false & ~rejected)
    assert dear.loc["cost", "value"] == pytest.approx(expected)
    assert dear["low"].isna().all()


def test_what_two_models_share_cancels(model, fresh, scores):
    other = fit_meta_model(make_table(400, n_classes=5, n_images=6, seed=8), protocol=FAST)
    differences = compare_scores(scores, score(fresh, other, draws=200, classes=model.classes))
    found = differences.set_index(["group", "score"]).loc["all"]
    own = scores.group()
    width = own["high"] - own["low"]
    assert (found["high"] - found["low"])["auroc"] < 0.7 * width["auroc"]
    same = compare_scores(scores, scores)
    assert (same[["difference", "low", "high"]].dropna() == 0).all(axis=None)


def test_other_images_are_not_compared(model, fresh, scores):
    other = score(fresh.assign(image="other_" + fresh["image"]), model, draws=200)
    with pytest.raises(InputError, match="25 and 25 images, 0 of them in both"):
        compare_scores(scores, other)
    with pytest.raises(InputError, match="as many draws"):
        compare_scores(scores, score(fresh, model, draws=100))


def test_one_image_has_scores_but_no_interval(model, fresh):
    found = score(fresh.assign(image="one"), model).group()
    assert found["value"].notna().all()
    assert found[["low", "high"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("spoil", "options", "words"),
    [
        (lambda t: t.drop(columns=["iou", "iou_adj"]), {}, "ground truth"),
        (lambda t: t.iloc[:0], {}, "got none"),
        (lambda t: t, {"cost": (0, 1)}, "two positive numbers"),
        (lambda t: t, {"cost": (1, float("nan"))}, "two positive numbers"),
        (lambda t: t.assign(iou_adj=np.nan), {}, "finite"),
    ],
)
def test_what_cannot_be_scored_is_one_line(model, fresh, spoil, options, words):
    with pytest.raises(InputError, match=words):
        score(spoil(fresh), model, **options)


def test_a_table_without_verdicts_needs_a_model(fresh):
    with pytest.raises(InputError, match="meta model or a table with verdicts"):
        score(fresh)
