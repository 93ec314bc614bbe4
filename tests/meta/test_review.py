"""Regions of disagreement, planted errors, and the queue that is made of them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given as any_of
from hypothesis import settings
from hypothesis import strategies as st
from PIL import Image
from scenes import class_maps, make_probs

from metaseg_tf.data.classes import VOID, ClassTable
from metaseg_tf.errors import InputError
from metaseg_tf.meta import review
from metaseg_tf.runs.image_maps import ImageMaps
from metaseg_tf.runs.run import Run
from metaseg_tf.segments.dispersion import compute_heat_maps
from metaseg_tf.segments.table import measure_image

KINDS = ("stuff", "stuff", "thing", "thing")


def slow_regions(pred, given, least):
    """Pixels of windows 5 x 5 of one pair, which 8-neighbours join; sets, by their first pixel."""
    height, width = pred.shape
    pair = {
        (y, x): (pred[y, x], given[y, x])
        for y in range(height)
        for x in range(width)
        if VOID not in (pred[y, x], given[y, x]) and pred[y, x] != given[y, x]
    }
    steps = [(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3)]

    def window(y, x):
        inside = [(y + dy, x + dx) for dy, dx in steps]
        return [(v, u) for v, u in inside if 0 <= v < height and 0 <= u < width]

    thick = set()
    for at, kind in pair.items():
        # Beyond the image's edge its pixels are mirrored, so that these windows tell nothing more.
        if all(pair.get(other) == kind for other in window(*at)):
            thick.update(window(*at))
    found, pending = [], sorted(thick)
    while thick:
        region, border = set(), [next(at for at in pending if at in thick)]
        while border:
            at = border.pop()
            if at in thick:
                thick.remove(at)
                region.add(at)
                y, x = at
                near = [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
                border += [other for other in near if pair.get(other) == pair[at]]
        found.append(region)
    return [region for region in found if len(region) >= least]


@settings(max_examples=40)
@any_of(st.data())
def test_regions_are_thick_components_of_one_pair_of_classes(data):
    shape = np.ones((1, 1)) if data.draw(st.booleans()) else np.ones((4, 4))
    pred, given = (np.kron(data.draw(class_maps()), shape).astype(np.uint8) for _ in range(2))
    height, width = np.minimum(pred.shape, given.shape)
    pred, given = pred[:height, :width], given[:height, :width]
    least = data.draw(st.sampled_from([1, 20]))
    regions = review.find_regions(pred, given, least)
    ours = [set(zip(*np.nonzero(regions == k), strict=True)) for k in range(1, regions.max() + 1)]
    assert ours == slow_regions(pred, given, least)


def draw_labels(rng, height=96, width=128):
    """Stuff of two classes with squares of two kinds of things on it."""
    labels = np.zeros((height, width), np.uint8)
    labels[height // 2 :] = 1
    for row in range(4):
        for column in range(5):
            side = rng.integers(10, 15)
            box = np.s_[24 * row + 5 :, 25 * column + 6 :]
            labels[box][:side, :side] = 2 + rng.integers(2)
    labels[:3] = VOID
    return labels


@any_of(st.integers(0, 1000), st.sampled_from(review.PLANTED))
def test_planted_errors_change_labels_as_their_kind_says(seed, kind):
    rng = np.random.default_rng(seed)
    given = draw_labels(rng)
    changed, numbers = review.plant_errors(given, 0.3, rng, [kind])
    np.testing.assert_array_equal(numbers > 0, changed != given)
    np.testing.assert_array_equal(changed == VOID, given == VOID)
    if kind == "dropped":
        assert (given[numbers > 0] >= 2).all()
        assert (changed[numbers > 0] < 2).all()
    if kind == "invented":
        assert (changed[numbers > 0] >= 2).all()


@pytest.mark.parametrize("fill", [0, VOID])
def test_nothing_is_planted_where_there_is_one_class_or_none(fill):
    given = np.full((60, 60), VOID, np.uint8)
    given[10:20, 10:20] = fill
    changed, numbers = review.plant_errors(given, 1.0, np.random.default_rng(0))
    np.testing.assert_array_equal(changed, given)
    assert not numbers.any()


def test_labels_that_are_all_replaced_have_no_surroundings():
    """Two things on void, both dropped, stay."""
    given = np.full((60, 60), VOID, np.uint8)
    given[10:20, 10:20], given[30:40, 30:40] = 0, 1
    changed, _ = review.plant_errors(given, 1.0, np.random.default_rng(0), ["dropped"])
    np.testing.assert_array_equal(changed, given)


def make_labelled_run(path, rng, n_images=8):
    """A run of a network that is mostly right, and whose labels have errors; with these errors."""
    run = Run.create(path, {"source": "test"})
    run.manifest.n_classes, errors = 4, {}
    run.manifest.classes = ClassTable(("road", "grass", "car", "dog"), kinds=KINDS)
    run.write_manifest()
    for i in range(n_images):
        true = draw_labels(rng)
        seen, wrong = review.plant_errors(true, 0.2, rng)
        seen[seen == VOID] = 0
        # The network is unsure of its own errors, and certain elsewhere.
        probs = make_probs(seen, 4, rng, sharpness=4)
        true_or_0 = np.where(true == VOID, 0, true)
        unsure = make_probs(seen, 4, rng, sharpness=0.5)
        probs[wrong > 0] = unsure[wrong > 0]
        given, errors[f"image {i}"] = review.plant_errors(true, 0.1, rng)
        heat = measure_image(probs, given)
        maps = ImageMaps(
            *(heat.heat.pred, heat.segments, heat.heat.entropy, heat.heat.difference, given),
            np.repeat(true_or_0[..., None] * np.uint8(60), 3, axis=2),
            runner_up=compute_heat_maps(probs).runner_up,
        )
        run.write_segments(f"image {i}", heat.table)
        run.write_maps(f"image {i}", maps)
    return run, errors


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    return make_labelled_run(tmp_path_factory.mktemp("run") / "run", np.random.default_rng(5))


@pytest.fixture(scope="module")
def found(labelled):
    run, _ = labelled
    return review.review_labels(list(review.measure_labels(run)), run.classes)


def test_the_queue_begins_with_the_errors_of_the_labels(labelled, found):
    _, errors = labelled
    queue = found.queue
    assert tuple(queue) == review.COLUMNS
    assert queue["score"].is_monotonic_decreasing
    assert queue["score"].between(0, 1).all()

    def is_error(row):
        box = errors[row.image][row.top : row.bottom, row.left : row.right]
        return np.count_nonzero(box) >= row.size / 2

    wrong = np.array([is_error(row) for row in queue.itertuples()])
    first = wrong[: wrong.sum()].mean()
    assert first > max(0.7, 1.3 * wrong.mean())


def test_planted_errors_are_ranked_and_their_ceiling_is_said(found):
    assert set(found.rankings.index) == {"model", *review.BASELINES}
    assert found.rankings["average_precision"].between(0, 1).all()
    assert 0 < found.reached <= found.planted


def test_kinds_follow_things_and_stuff(found):
    kinds = np.array(KINDS)
    for row in found.queue.itertuples():
        seen, given = kinds[row.class_id], kinds[row.given_class_id]
        expected = {("thing", "stuff"): "missing label", ("stuff", "thing"): "spurious label"}
        assert row.kind == expected.get((seen, given), "confusion")


def test_an_image_does_not_judge_itself(labelled):
    """Its regions have the scores that they had if nothing was planted in it."""
    run, _ = labelled
    measured = list(review.measure_labels(run))
    before = review.review_labels(measured, run.classes).queue
    own = measured[0].table
    name = own["image"][0]
    measured[0] = measured[0]._replace(table=own[~own["wrong"]])
    after = review.review_labels(measured, run.classes).queue
    for one, other in zip(*(q[q["image"] == name]["score"] for q in (before, after)), strict=True):
        assert one == pytest.approx(other, abs=1e-12)


def test_accepted_regions_are_corrected_in_copies(labelled, found, tmp_path):
    run, _ = labelled
    rows = found.queue.head(3).to_dict(orient="records")
    decided = [
        row | {"decision": d} for row, d in zip(rows, ("accept", "reject", "skip"), strict=True)
    ]
    path = tmp_path / "decisions.json"
    path.write_text(json.dumps(decided))
    (written,) = review.correct_run(run, path, tmp_path / "out")
    maps, (first, *_) = run.load_maps(rows[0]["image"]), rows
    corrected = np.asarray(Image.open(written))
    changed = corrected != maps.gt
    assert changed.sum() == first["size"]
    assert set(corrected[changed]) == {first["class_id"]}
    assert set(maps.gt[changed]) == {first["given_class_id"]}


@pytest.mark.parametrize(
    "content", ["{", "[1]", '[{"decision": "accept"}]', "[" * 9999], ids=str.__len__
)
def test_other_files_are_no_decisions(labelled, tmp_path, content):
    path = tmp_path / "decisions.json"
    path.write_text(content)
    with pytest.raises(InputError, match="expected decisions exported by the page"):
        review.correct_run(labelled[0], path, tmp_path)


def test_decisions_on_other_labels_are_refused(labelled, found, tmp_path):
    path = tmp_path / "decisions.json"
    row = found.queue.iloc[0].to_dict() | {"decision": "accept", "top": 1}
    path.write_text(json.dumps([row], default=int))
    with pytest.raises(InputError, match="is not there; review the run again"):
        review.correct_run(labelled[0], path, tmp_path)


def test_runs_without_maps_are_refused(tmp_path):
    with pytest.raises(InputError, match="--keep-maps all"):
        list(review.measure_labels(Run.create(tmp_path / "run", {})))


def test_maps_without_the_second_class_are_refused(tmp_path):
    run, _ = make_labelled_run(tmp_path / "run", np.random.default_rng(1), n_images=2)
    run.write_maps("image 0", replace(run.load_maps("image 0"), runner_up=None))
    with pytest.raises(InputError, match=r"second most probable class.*extract again"):
        list(review.measure_labels(run))
