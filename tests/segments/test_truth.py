import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scenes import class_maps, make_blobs

from metaseg_tf.data.cityscapes import find_pairs
from metaseg_tf.segments.iou import count_confusions
from metaseg_tf.segments.truth import doubt_truth, find_classes_in_void

SEEDS = st.integers(0, 1000)


def count(pred, gt, n_classes):
    return count_confusions(*(np.asarray(m, np.uint8) for m in (pred, gt)), n_classes)


def noisy(gt, n_classes, rng, share=0.2):
    """A prediction that is right but for a share of the pixels."""
    return np.where(rng.random(gt.shape) < share, rng.integers(0, n_classes, gt.shape), gt)


@given(n_classes=st.integers(3, 20), seed=SEEDS, data=st.data())
def test_classes_that_are_stored_as_void_are_found(n_classes, seed, data):
    """A mask of 0 and 255, a class whose id became 255, or several of them."""
    true = make_blobs(48, 64, n_classes, seed, cell=4)
    sizes = np.bincount(true.ravel(), minlength=n_classes)
    # A class that is hardly there is predicted more often by mistake than in its own place.
    common = np.flatnonzero(2 * n_classes * sizes >= true.size).tolist()
    most = int(np.count_nonzero(sizes)) - 1
    lost = data.draw(st.sets(st.sampled_from(common), min_size=1, max_size=most))
    pred = noisy(true, n_classes, np.random.default_rng(seed))
    confusions = count(pred, np.where(np.isin(true, list(lost)), 255, true), n_classes)
    assert set(find_classes_in_void(confusions)) >= lost
    assert f" {min(lost)}" in doubt_truth(confusions)


@given(n_classes=st.integers(3, 20), seed=SEEDS, kept=st.integers(2, 19))
def test_void_and_classes_that_are_missing_are_no_reason_to_doubt(n_classes, seed, kept):
    """As in a crop of Cityscapes: void anywhere, few of the classes, mistakes everywhere."""
    rng = np.random.default_rng(seed)
    true = make_blobs(48, 64, min(kept, n_classes), seed)
    gt = np.where(make_blobs(48, 64, 6, seed + 1, cell=4) == 0, 255, true)
    assert doubt_truth(count(noisy(true, n_classes, rng, 0.4), gt, n_classes)) is None


@given(gt=class_maps(n_classes=2), seed=SEEDS)
def test_of_two_classes_both_are_there_or_none_is_void(gt, seed):
    pred = np.random.default_rng(seed).integers(0, 2, gt.shape)
    classes = set(np.unique(gt).tolist())
    expected = {0, 1} - classes if 255 in classes and len(classes) == 2 else set()
    assert set(find_classes_in_void(count(pred, gt, 2)).tolist()) == expected


@given(pred=class_maps(n_classes=3, void=False))
def test_void_alone_is_no_ground_truth(pred):
    confusions = count(pred, np.full_like(pred, 255), 3)
    assert find_classes_in_void(confusions).size == 0
    assert doubt_truth(confusions, 7).startswith("no pixel has ground truth: all are void (7)")


@given(gt=class_maps(n_classes=4))
def test_a_prediction_that_is_right_is_never_doubted(gt):
    assume((gt != 255).any())
    assert doubt_truth(count(np.where(gt == 255, gt.min(), gt), gt, 4)) is None


@pytest.mark.parametrize(
    ("gt", "void", "advice"),
    [
        ([0, 0, 255], 255, "class 1 by its id, not as 255 (divide a mask of 0 and 255 by 255)"),
        ([0, 0, 255], 100, "class 1 by its id, not as 100 (divide a mask of 0 and 100 by 100)"),
        ([0, 0, 255], -1, "class 1 by its id, not as -1"),
        ([255, 255, 1], 255, "class 0 by its id, not as 255"),
    ],
)
def test_the_advice_fits_what_was_stored(gt, void, advice):
    said = doubt_truth(count([[0, 0, 1]], [gt], 2), void)
    assert said.endswith(f"store {advice}")
    assert ("33.3%" in said) == (gt[0] == 0)


def test_real_crops_are_not_doubted(real_data):
    """A prediction of one class everywhere lacks all others; void is the bonnet, the frame, ..."""
    for split in ("train", "val"):
        for pair in find_pairs(real_data / "cityscapes", split=split):
            truth = pair.read().gt
            for crop in (slice(None), slice(0, 512), slice(512, 1024)):
                gt = truth[crop]
                for pred in (0, 13, 18):
                    assert doubt_truth(count(np.full_like(gt, pred), gt, 19)) is None
