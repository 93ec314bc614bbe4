import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import pairs_of_maps, slow_components, slow_iou

from metaseg_tf.errors import InputError
from metaseg_tf.segments.columns import CONVENTIONS
from metaseg_tf.segments.components import label_components
from metaseg_tf.segments.iou import compute_class_iou, compute_iou, count_confusions


def iou_of(pred, gt, convention):
    pred, gt = (np.asarray(a, np.uint8) for a in (pred, gt))
    pred = np.where(gt == 255, gt, pred)
    return compute_iou(pred, label_components(pred), gt, convention=convention)


@settings(max_examples=300)
@given(pairs_of_maps(), st.sampled_from(CONVENTIONS))
def test_iou_equals_its_definition_by_sets(maps, convention):
    pred, gt = maps
    pred = np.where(gt == 255, gt, pred)
    expected = [slow_iou(pred, gt, k, convention) for k in slow_components(pred)]
    np.testing.assert_allclose(
        np.transpose(iou_of(pred, gt, convention)), np.reshape(expected, (-1, 2)), atol=1e-15
    )


@given(pairs_of_maps())
def test_adjusted_is_never_below_plain_in_the_paper(maps):
    iou, iou_adj = iou_of(*maps, "paper")
    assert (iou <= iou_adj).all()


@given(pairs_of_maps())
def test_conventions_agree_on_false_positives(maps):
    zero = {c: np.stack(iou_of(*maps, c)) == 0 for c in CONVENTIONS}
    np.testing.assert_array_equal(zero["reference"], zero["paper"])
    np.testing.assert_array_equal(zero["paper"][0], zero["paper"][1])


def test_a_pole_that_splits_the_sidewalk_costs_iou_but_not_adjusted_iou():
    gt = np.zeros((3, 7))
    pred = gt.copy()
    pred[:, 3] = 1
    iou, iou_adj = iou_of(pred, gt, "paper")
    np.testing.assert_allclose(iou[[0, 2]], 9 / 21)
    np.testing.assert_allclose(iou_adj[[0, 2]], 9 / 12)
    assert iou[1] == iou_adj[1] == 0


def test_flooding_counts_a_component_that_is_only_touched():
    gt = np.array([[0, 1, 2, 0]])
    pred = np.array([[0, 1, 0, 2]])
    hit = {c: iou_of(pred, gt, c) for c in CONVENTIONS}
    assert hit["paper"][0].tolist() == [1, 1, 0, 0]
    gt, pred = np.array([[1, 0, 1]]), np.array([[1, 1, 0]])
    assert iou_of(pred, gt, "paper")[0][0] == 1 / 2
    assert iou_of(pred, gt, "reference")[0][0] == 1 / 3


def test_flooding_stops_at_another_segment_of_the_class():
    # The missed pixel lies behind the second segment: only the paper's K' holds it.
    gt = np.zeros((1, 5))
    pred = np.array([[0, 1, 0, 0, 1]])
    assert iou_of(pred, gt, "paper")[1].tolist() == [1 / 3, 0, 2 / 4, 0]
    assert iou_of(pred, gt, "reference")[1].tolist() == [1 / 2, 0, 2 / 4, 0]


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_perfect_prediction_has_iou_one(convention):
    gt = np.random.default_rng(0).integers(0, 3, (20, 20))
    iou, iou_adj = iou_of(gt, gt, convention)
    assert (iou == 1).all() or convention == "reference"
    assert (iou_adj == 1).all()


def test_everything_void_has_no_segment():
    iou, iou_adj = iou_of(np.zeros((3, 3)), np.full((3, 3), 255), "reference")
    assert len(iou) == len(iou_adj) == 0


def test_unknown_convention_is_refused():
    with pytest.raises(InputError, match="convention"):
        iou_of(np.zeros((2, 2)), np.zeros((2, 2)), "mine")


@given(pairs_of_maps())
def test_confusions_and_class_iou_equal_counts_of_pixels(maps):
    pred, gt = maps
    pred = np.where(pred == 255, 0, pred)
    known = gt != 255
    counted = count_confusions(pred, gt, 3)
    ious = compute_class_iou(counted)
    for true in range(3):
        for predicted in range(3):
            assert counted[true, predicted] == ((gt == true) & (pred == predicted)).sum()
            assert counted[-1, predicted] == (~known & (pred == predicted)).sum()
        union = ((gt == true) | (pred == true)) & known
        shared = (gt == true) & (pred == true)
        expected = shared.sum() / union.sum() if union.any() else np.nan
        np.testing.assert_equal(ious[true], expected)
