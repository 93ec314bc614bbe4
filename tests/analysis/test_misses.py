import numpy as np
import pandas as pd
import pytest
from scenes import make_scene

from metaseg_tf.analysis.misses import THRESHOLDS, rank_misses, score_misses
from metaseg_tf.data.classes import ClassTable
from metaseg_tf.segments.components import label_components
from metaseg_tf.segments.table import measure_image

CLASSES = ClassTable(("road", "car", "tree", "bus"), kinds=("stuff", "thing", "", "thing"))
SEEDS = range(4)


@pytest.fixture(scope="module")
def images():
    """(gt, pred) with void as 255 in both, and the two tables."""
    maps, truths, tables = [], [], []
    for i in SEEDS:
        probs, gt = make_scene(40, 60, 4, seed=i)
        found = measure_image(probs, gt, truth=True, convention="paper")
        maps.append((gt, found.heat.pred))
        truths.append(found.truth.assign(image=f"image{i}"))
        tables.append(found.table.assign(image=f"image{i}"))
    return maps, *(pd.concat(x, ignore_index=True) for x in (truths, tables))


def row_of(scores, group, of=""):
    return scores[(scores["group"] == group) & (scores["of"] == of)].iloc[0]


def regions(classes, c, is_stuff):
    """Masks of the things of a class in a map, or of its stuff."""
    own = classes == c
    if is_stuff:
        return [own] if own.any() else []
    labels = label_components(np.where(own, classes, 255).astype(np.uint8))
    return [labels == k for k in range(1, labels.max() + 1)]


def slow_panoptic(maps, c, is_stuff):
    """Panoptic, segmentation and recognition quality by all pairs of regions."""
    ious, n_true, n_predicted = [], 0, 0
    for gt, pred in maps:
        true, predicted = regions(gt, c, is_stuff), regions(pred, c, is_stuff)
        n_true, n_predicted = n_true + len(true), n_predicted + len(predicted)
        pairs = ((g & p).sum() / (g | p).sum() for g in true for p in predicted)
        ious += [iou for iou in pairs if iou > 0.5]
    tp = len(ious)
    wrong = (n_true - tp + n_predicted - tp) / 2
    return sum(ious) / (tp + wrong), sum(ious) / tp if tp else 0.0, tp / (tp + wrong)


def test_panoptic_quality_equals_all_pairs_of_regions(images):
    maps, truth, table = images
    scores = score_misses(truth, table, CLASSES)
    expected = [slow_panoptic(maps, c, c == 0) for c in range(4)]
    for c, name in enumerate(CLASSES.names):
        found = row_of(scores, "class", name)[["pq", "sq", "rq"]].tolist()
        assert found == pytest.approx(expected[c], abs=1e-12)
    for (group, of), own in {
        ("all", ""): range(4),
        ("kind", "things"): (1, 2, 3),
        ("kind", "stuff"): (0,),
    }.items():
        means = np.mean([expected[c] for c in own], axis=0)
        found = row_of(scores, group, of)[["pq", "sq", "rq"]].tolist()
        assert found == pytest.approx(means, abs=1e-12)


def test_panoptic_quality_equals_panoptica(images):
    panoptica = pytest.importorskip("panoptica", reason="panoptica is not installed")
    maps, truth, table = images
    scores = score_misses(truth, table, CLASSES)
    for c in (1, 2, 3):
        tp = true = predicted = 0
        total = 0.0
        for gt, pred in maps:
            sides = [
                label_components(np.where(m == c, m, 255).astype(np.uint8)).astype(np.uint16)
                for m in (pred, gt)
            ]
            evaluator = panoptica.Panoptica_Evaluator(
                expected_input=panoptica.InputType.UNMATCHED_INSTANCE,
                instance_matcher=panoptica.NaiveThresholdMatching(matching_threshold=0.5),
            )
            result = evaluator.evaluate(*sides, verbose=False)["ungrouped"]
            tp, true = tp + result.tp, true + result.n_ref_instances
            predicted += result.n_pred_instances
            total += result.sq * result.tp if result.tp else 0
        found = row_of(scores, "class", CLASSES.names[c])
        assert found["pq"] == pytest.approx(2 * total / (true + predicted), abs=1e-6)
        assert found["rq"] == pytest.approx(2 * tp / (true + predicted), abs=1e-9)


def test_recall_and_f1_equal_counts_one_by_one(images):
    _, truth, table = images
    scores = score_misses(truth, table, CLASSES)
    for c, name in [(None, ""), *enumerate(CLASSES.names)]:
        own = truth if c is None else truth[truth["class_id"] == c]
        theirs = table if c is None else table[table["class_id"] == c]
        recalls, f1s = [], []
        for t in THRESHOLDS:
            tp = sum(siou > t for siou in own["siou"])
            fp = sum(iou <= t for iou in theirs["iou_adj"])
            recalls.append(tp / len(own))
            f1s.append(2 * tp / (2 * tp + len(own) - tp + fp))
        row = row_of(scores, "class" if name else "all", name)
        assert (row["recall"], row["f1"]) == pytest.approx((np.mean(recalls), np.mean(f1s)))
        assert row["overlooked"] == (own["covered"] == 0).sum()
        assert row["found_50"] == (own["siou"] > 0.5).sum()
    sizes = scores[scores["group"] == "size"]
    assert sizes["components"].sum() == len(truth)
    assert sizes["segments"].sum() == len(table)
    assert sizes["pq"].isna().all()


def test_thresholds_are_those_of_the_benchmark():
    np.testing.assert_allclose(THRESHOLDS, np.linspace(0.25, 0.75, 11))


def test_the_worst_misses_come_first(images):
    _, truth, _ = images
    worst = rank_misses(truth, CLASSES)
    assert len(worst) == (truth["siou"] <= 0.25).sum() > 5
    assert worst["lost"].is_monotonic_decreasing
    hidden = worst["hidden_by"] >= 0
    names = np.array(CLASSES.names)
    assert (worst["hidden_by_name"][hidden] == names[worst["hidden_by"][hidden]]).all()
    assert (worst["hidden_by_name"][~hidden] == "").all()
    first = worst.iloc[0]
    assert first["lost"] == round(first["size"] * (1 - first["covered"]))


def test_a_perfect_prediction_misses_nothing():
    _, gt = make_scene(30, 40, 4)
    probs = np.eye(4)[np.where(gt == 255, 0, gt)]
    found = measure_image(probs, gt, truth=True, convention="paper")
    tables = [x.assign(image="a") for x in (found.truth, found.table)]
    scores = score_misses(*tables, CLASSES)
    assert (scores[["recall", "f1"]] == 1).all(axis=None)
    assert row_of(scores, "all")[["pq", "sq", "rq", "overlooked"]].tolist() == [1, 1, 1, 0]
    assert rank_misses(tables[0], CLASSES).empty


def test_nothing_at_all():
    probs, _ = make_scene(4, 6, 4)
    found = measure_image(probs, np.full((4, 6), 255), truth=True)
    scores = score_misses(*(x.assign(image="a") for x in (found.truth, found.table)), CLASSES)
    assert scores.empty
