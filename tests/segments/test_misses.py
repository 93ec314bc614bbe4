"""The table of the ground truth's components against brute force, panoptica's and SMIYC's terms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import make_probs, make_scene, pairs_of_maps, slow_components

from metaseg_tf.segments.columns import CONVENTIONS, TRUTH
from metaseg_tf.segments.components import label_components
from metaseg_tf.segments.iou import Overlay, compute_iou
from metaseg_tf.segments.misses import measure_truth
from metaseg_tf.segments.table import measure_image, segment_metrics


def truth_of(probs, gt, **options):
    return measure_image(probs, np.asarray(gt), truth=True, **options).truth


def slow_truth(probs, pred, gt, connectivity=8):
    """Rows of the table by sets of pixels."""
    segments = slow_components(pred, connectivity)
    components = slow_components(gt, connectivity)
    rows = []
    for number, g in enumerate(components, 1):
        c = gt[next(iter(g))]
        own = [k for k in segments if pred[next(iter(k))] == c and k & g]
        others = set().union(*(o for o in components if o is not g and gt[next(iter(o))] == c))
        union = (g | set().union(*own)) - others
        wrong = [int(pred[pixel]) for pixel in g if pred[pixel] != c]
        p = [float(probs[pixel][c]) for pixel in g]
        y, x = zip(*g, strict=True)
        rows.append(
            {
                "component": number,
                "class_id": c,
                "size": len(g),
                "top": min(y),
                "left": min(x),
                "bottom": max(y) + 1,
                "right": max(x) + 1,
                "covered": 1 - len(wrong) / len(g),
                "siou": len(g & set().union(*own)) / len(union),
                "iou": max((len(g & k) / len(g | k) for k in own), default=0),
                "p_max": max(p),
                "p_mean": sum(p) / len(p),
                "hidden_by": max(set(wrong), key=lambda j: (wrong.count(j), -j)) if wrong else -1,
            }
        )
    return rows


def own_probability(probs, gt):
    return probs.reshape(gt.size, -1)[np.arange(gt.size), np.where(gt == 255, 0, gt).ravel()]


@settings(max_examples=60, deadline=None)
@given(pairs_of_maps(), st.sampled_from([4, 8]))
def test_the_table_equals_its_definitions_by_sets(maps, connectivity):
    pred, gt = maps
    probs = make_probs(np.where(gt == 255, 0, pred), 3, np.random.default_rng(0))
    pred = np.where(gt == 255, gt, pred)
    segments = label_components(pred, connectivity=connectivity)
    overlay = Overlay(pred, segments, gt, connectivity)
    found = measure_truth(own_probability(probs, gt), len(gt), overlay)
    expected = slow_truth(probs, pred, gt, connectivity)
    assert [str(dtype) for dtype in found.dtypes] == [column.dtype for column in TRUTH]
    assert len(found) == len(expected)
    for i, row in enumerate(expected):
        assert found.iloc[i].to_dict() == pytest.approx(row, abs=1e-6), i


@given(pairs_of_maps())
def test_siou_is_the_adjusted_iou_with_sides_changed(maps):
    pred, gt = maps
    pred = np.where(gt == 255, gt, pred)
    probs = make_probs(np.where(gt == 255, 0, gt), 3, np.random.default_rng(0))
    overlay = Overlay(pred, label_components(pred), gt, 8)
    found = measure_truth(own_probability(probs, gt), len(gt), overlay)
    _, swapped = compute_iou(gt, label_components(gt), pred, convention="paper")
    np.testing.assert_allclose(found["siou"], swapped, atol=1e-15)


def benchmark_siou(gt_instances, pred_instances):
    """Of each instance of the truth, in the words of SegmentMeIfYouCan: one class, 0 for others."""
    found = []
    for i in range(1, gt_instances.max() + 1):
        own = gt_instances == i
        met = np.setdiff1d(pred_instances[own], [0])
        others = ~np.isin(gt_instances, [0, i])
        explained = np.isin(pred_instances, met)
        shared = np.count_nonzero(own & explained)
        union = own.sum() + explained.sum() - shared - np.count_nonzero(others & explained)
        found.append(shared / union)
    return found


def test_siou_is_that_of_segment_me_if_you_can():
    probs, gt = make_scene(60, 90, 4, seed=3)
    measured = measure_image(probs, gt, truth=True)
    assert len(measured.truth) > 30
    for c in range(4):
        own = measured.truth[measured.truth["class_id"] == c]
        truth, pred = (
            label_components(np.where(m == c, m, 255).astype(np.uint8))
            for m in (gt, measured.heat.pred)
        )
        np.testing.assert_allclose(own["siou"], benchmark_siou(truth, pred), atol=1e-15)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_measuring_the_truth_leaves_the_segment_table_as_it_is(convention):
    probs, gt = make_scene()
    both = measure_image(probs, gt, truth=True, convention=convention)
    assert both.table.equals(segment_metrics(probs, gt, convention=convention))
    assert measure_image(probs, gt).truth is None
    assert measure_image(probs, truth=True).truth is None
    labels = label_components(gt)
    sizes = np.bincount(labels.ravel())[1:]
    assert both.truth["size"].tolist() == sizes.tolist()


def test_a_car_behind_a_bus():
    gt = np.zeros((6, 8), np.uint8)
    gt[2:4, 2:5] = 1
    pred = np.where(gt == 1, 2, gt)
    pred[2, 2] = 1
    row = truth_of(make_probs(pred, 3, np.random.default_rng(0)), gt).iloc[1]
    assert row[["class_id", "size", "hidden_by", "covered"]].tolist() == [1, 6, 2, 1 / 6]
    assert row[["siou", "iou"]].tolist() == [1 / 6, 1 / 6]
    assert row[["top", "left", "bottom", "right"]].tolist() == [2, 2, 4, 5]


def test_all_void_has_no_component():
    found = truth_of(make_scene()[0], np.full((40, 60), 255))
    assert len(found) == 0
    assert [str(dtype) for dtype in found.dtypes] == [column.dtype for column in TRUTH]
