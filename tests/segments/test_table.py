import itertools
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import (
    class_maps,
    make_blobs,
    make_probs,
    make_scene,
    neighbours,
    slow_components,
    slow_difference,
    slow_entropy,
    slow_interior,
    slow_iou,
)

from metaseg_tf import segment_metrics
from metaseg_tf.data.sample import Bands
from metaseg_tf.errors import InputError, ShapeError
from metaseg_tf.segments import spread
from metaseg_tf.segments.columns import (
    CONVENTIONS,
    METRIC_COLUMNS,
    class_columns,
    columns,
    empty_table,
)
from metaseg_tf.segments.table import measure_image


def slow_segment_metrics(probs, gt, convention):
    """One dictionary a segment, by loops over pixels in float64."""
    pred = probs.argmax(-1).astype(np.uint8)
    if gt is not None:
        pred[gt == 255] = 255
    rows = []
    for number, k in enumerate(slow_components(pred), start=1):
        inner = slow_interior(k, pred.shape, convention)
        row = {"segment": number, "class_id": pred[next(iter(k))], "S": len(k)}
        row |= {"S_in": len(inner), "S_bd": len(k - inner)}
        row["S_rel"] = row["S"] / max(row["S_bd"], 1)
        row["S_rel_in"] = row["S_in"] / max(row["S_bd"], 1)
        for name, measure in (
            ("E", lambda p: slow_entropy(p, convention)),
            ("D", slow_difference),
        ):
            for suffix, part in (("", k), ("_in", inner), ("_bd", k - inner)):
                values = [measure(probs[p]) for p in part]
                row[name + suffix] = np.mean(values) if values else 0.0
            row[f"{name}_rel"] = row[name] * row["S_rel"]
            row[f"{name}_rel_in"] = row[f"{name}_in"] * row["S_rel_in"]
        means = np.mean([probs[p].astype(float) for p in k], 0)
        row |= dict(zip(class_columns(len(means)), means, strict=True))
        if gt is not None:
            row["iou"], row["iou_adj"] = slow_iou(pred, gt, k, convention)
        ys, xs = zip(*k, strict=True)
        row |= {"top": min(ys), "left": min(xs), "bottom": max(ys) + 1, "right": max(xs) + 1}
        height, width = pred.shape
        box = row["bottom"] - row["top"], row["right"] - row["left"]
        row |= {"centre_x": (np.mean(xs) + 0.5) / width, "centre_y": (np.mean(ys) + 0.5) / height}
        row |= {"width": box[1] / width, "height": box[0] / height, "fill": len(k) / np.prod(box)}
        row["at_edge"] = int({0, height - 1} & {*ys} != set() or {0, width - 1} & {*xs} != set())
        rows.append(row)
    return pd.DataFrame(rows)


def slow_neighbours(pred, segments, table, n_classes):
    """The neighbours of each segment, by loops over its pixels and theirs."""
    rows = []
    for k in table["segment"]:
        beside = [
            n
            for p in zip(*np.nonzero(segments == k), strict=True)
            for n in neighbours(p, pred.shape)
            if segments[n] != k
        ]
        known = [segments[n] - 1 for n in beside if segments[n]]
        shares = (np.mean([pred[n] == c for n in beside] or 0) for c in range(n_classes))
        row = dict(zip((f"ndist{c}" for c in range(n_classes)), shares, strict=True))
        row["n_neighbours"] = len(set(known))
        for name, values in (("E", table["E"]), ("D", table["D"]), ("log_S", np.log(table["S"]))):
            row[f"{name}_nb"] = np.mean([values[other] for other in known] or 0)
        rows.append(row)
    return pd.DataFrame(rows)


@st.composite
def scenes_with_truth(draw):
    gt = draw(class_maps())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pred = np.where(rng.random(gt.shape) < 0.3, rng.integers(0, 3, gt.shape), gt) % 255 % 3
    return make_probs(pred, 3, rng, draw(st.sampled_from([0.0, 0.1, 9.0]))), gt


@given(scenes_with_truth(), st.sampled_from(CONVENTIONS), st.booleans())
def test_table_equals_loops_over_pixels(scene, convention, with_gt):
    probs, gt = scene
    gt = gt if with_gt else None
    table = segment_metrics(probs, gt, convention=convention)
    slow = slow_segment_metrics(probs, gt, convention)
    assert len(table) == len(slow)
    for name in slow:
        np.testing.assert_allclose(table[name], slow[name], atol=1e-6, rtol=1e-6, err_msg=name)


@given(scenes_with_truth(), st.sampled_from([8, 4]), st.booleans())
def test_neighbours_and_spread_equal_loops_over_pixels(scene, connectivity, with_gt):
    probs, gt = scene
    measured = measure_image(
        probs, gt if with_gt else None, connectivity=connectivity, metrics="all"
    )
    table, segments, heat = measured.table, measured.segments, measured.heat
    slow = slow_neighbours(heat.pred, segments, table, probs.shape[-1])
    for name in slow:
        np.testing.assert_allclose(table[name], slow[name], atol=1e-12, err_msg=name)
    for (name, values), k in itertools.product(
        {"E": heat.entropy, "D": heat.difference}.items(), table["segment"]
    ):
        inside, row = values[segments == k].astype(np.float64), table.iloc[k - 1]
        assert row[f"{name}_std"] == pytest.approx(inside.std(), abs=1e-7)
        for share in (10, 50, 90):
            expected = np.quantile(inside, share / 100)
            assert row[f"{name}_q{share}"] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("connectivity", [8, 4])
def test_identities_of_the_metrics(convention, connectivity):
    probs, gt = make_scene(200, 300, seed=3)
    options = {"convention": convention, "connectivity": connectivity, "metrics": "all"}
    t = segment_metrics(probs, gt, **options)
    assert (t.S == t.S_in + t.S_bd).all()
    np.testing.assert_allclose(t.S_rel, t.S_rel_in + 1)
    for name in "ED":
        np.testing.assert_allclose(t[f"{name}_rel"], t[f"{name}_rel_in"] + t[f"{name}_bd"])
    np.testing.assert_allclose(t[class_columns(5)].sum(1), 1, atol=1e-5)
    assert t.S.sum() == (gt != 255).sum()
    assert t.class_id.eq(t[class_columns(5)].to_numpy().argmax(1)).mean() > 0.5
    for name in "ED":
        quantiles = t[[f"{name}_q{share}" for share in (10, 50, 90)]].to_numpy()
        assert (np.diff(quantiles) >= 0).all()
    shares = t[class_columns(5, "ndist")]
    assert (shares.sum(1) <= 1 + 1e-12).all()
    assert len(t) > (shares.sum(1) < 1).sum() > 0  # next to void or not
    for column in columns(5, metrics="all"):
        low, high = column.range
        assert t[column.name].between(low, high).all(), column.name


@given(st.permutations(range(4)))
@settings(max_examples=10)
def test_permuting_classes_permutes_nothing_but_class_columns(order):
    probs, gt = make_scene(n_classes=4)
    order = np.array(order)
    inverse = np.argsort(order)
    permuted = segment_metrics(
        probs[..., order], np.where(gt == 255, 255, inverse[np.minimum(gt, 3)])
    )
    table = segment_metrics(probs, gt)
    np.testing.assert_array_equal(inverse[table.class_id], permuted.class_id)
    same = [c for c in table if c != "class_id" and not c.startswith(("cprob", "ndist"))]
    pd.testing.assert_frame_equal(table[same], permuted[same], rtol=1e-6)
    for name, j in itertools.product(("cprob", "ndist"), range(4)):
        np.testing.assert_array_equal(table[f"{name}{order[j]}"], permuted[f"{name}{j}"])


def test_one_class_over_the_whole_image_divides_by_no_boundary():
    probs = np.full((6, 7, 2), (0.9, 0.1), np.float32)
    row = segment_metrics(probs, np.zeros((6, 7), int)).iloc[0]
    assert (row.S, row.S_in, row.S_bd, row.S_rel, row.S_rel_in) == (42, 42, 0, 42, 42)
    assert row.E_rel == pytest.approx(row.E * 42)
    assert row.iou == row.iou_adj == 1


@pytest.mark.parametrize("metrics", ["paper", "geometry", "spread,neighbours", "all"])
def test_groups_are_measured_as_asked_and_change_no_other_column(metrics):
    probs, gt = make_scene()
    table, paper = segment_metrics(probs, gt, metrics=metrics), segment_metrics(probs, gt)
    listed = columns(5, metrics=metrics)
    assert table.dtypes.to_dict() == {c.name: np.dtype(c.dtype) for c in listed}
    shared = [name for name in table if name in paper]
    pd.testing.assert_frame_equal(table[shared], paper[shared], check_exact=True)
    nothing = segment_metrics(probs, np.full_like(gt, 255), metrics=metrics)
    pd.testing.assert_frame_equal(nothing, empty_table(5, metrics=metrics))


def test_unknown_metrics_are_refused_in_one_line():
    with pytest.raises(InputError, match=r"paper, all, neighbours, .* got 'sizes'"):
        segment_metrics(make_scene()[0], metrics="paper, sizes")


def test_quantiles_are_numpys_whatever_the_number_of_buckets(monkeypatch):
    """Many segments, ties, zeros of either sign and ones, in buckets of one octave or finer."""
    rng = np.random.default_rng(0)
    values = rng.choice([0.0, -0.0, 1e-9, 0.25, 1.0, *rng.random(50) ** 8], (60, 70))
    values, segments = values.astype(np.float32), rng.integers(0, 40, (60, 70)).astype(np.int32)
    expected = [np.quantile(values[segments == k], [0.1, 0.5, 0.9]) for k in range(1, 40)]
    for buckets in (1, 1000, 1 << 19):
        monkeypatch.setattr(spread, "_BUCKETS", buckets)
        found = spread.compute_quantiles(values, segments, [0.1, 0.5, 0.9])
        np.testing.assert_allclose(found.T, expected, atol=1e-9)


def test_all_void_gives_an_empty_table_with_all_columns():
    table = segment_metrics(np.full((3, 4, 2), 0.5), np.full((3, 4), 255))
    pd.testing.assert_frame_equal(table, empty_table(2))


def test_without_ground_truth_nothing_is_masked():
    probs, gt = make_scene()
    table = segment_metrics(probs)
    assert "iou" not in table
    assert table.S.sum() == gt.size
    assert set(METRIC_COLUMNS) < set(table)


def test_another_void_id():
    probs, gt = make_scene()
    other = np.where(gt == 255, -1, gt.astype(int))
    pd.testing.assert_frame_equal(
        segment_metrics(probs, other, void=-1), segment_metrics(probs, gt)
    )


def test_means_stay_exact_over_large_segments():
    rng = np.random.default_rng(0)
    p = rng.random((700, 900)).astype(np.float32) * 0.4 + 0.55
    probs = np.stack([p, 1 - p], -1)
    row = segment_metrics(probs).iloc[0]
    assert row.S == p.size
    assert row.cprob0 == pytest.approx(probs[..., 0].mean(dtype=float), rel=1e-6)
    constant = np.full((700, 900, 3), (0.7, 0.2, 0.1), np.float32)
    assert segment_metrics(constant).cprob2[0] == pytest.approx(np.float32(0.1), rel=1e-6)


def test_as_many_segments_as_pixels():
    rng = np.random.default_rng(0)
    pred = np.indices((300, 301)).sum(0) % 2 + 2 * (np.indices((300, 301))[0] % 2)
    table = segment_metrics(make_probs(pred, 4, rng), pred)
    assert len(table) == pred.size
    assert (table.iou_adj == 1).all()


def test_half_precision_input_passes():
    probs, gt = make_scene()
    half = segment_metrics(probs.astype(np.float16), gt)
    assert len(half) == pytest.approx(len(segment_metrics(probs, gt)), rel=0.05)


@pytest.mark.parametrize(
    ("gt", "options", "error", "words"),
    [
        (np.zeros((3, 3), int), {}, ShapeError, r"\[40, 60\] as in probs, got \[3, 3\]"),
        (np.full((40, 60), 5), {}, InputError, "ids 0..4 or 255"),
        (np.full((40, 60), -1), {}, InputError, "use void=-1"),
        (np.full((40, 60), -2), {}, InputError, "train ids"),
        (np.full((40, 60), 5), {}, InputError, "reduce_zero_label=True"),
        (np.full((40, 60), 6), {"reduce_zero_label": True}, InputError, r"ids 1\.\.5 or 255"),
        (np.full((40, 60), -1), {"reduce_zero_label": True}, InputError, "got -1"),
        (np.zeros((40, 60), int), {"void": 0}, InputError, "reduce_zero_label=True"),
        (np.ones((40, 60, 2), int), {}, ShapeError, "resize"),
        (np.zeros((40, 60)), {}, InputError, "integer class ids, got float64"),
        (np.zeros((40, 60), int), {"void": 3}, InputError, "outside the classes"),
    ],
)
def test_ground_truth_that_does_not_fit_is_refused(gt, options, error, words):
    with pytest.raises(error, match=words):
        segment_metrics(make_scene()[0], gt, **options)


@pytest.mark.parametrize("leading", [False, True])
def test_channels_first_is_told_by_the_ground_truth(leading):
    probs, gt = make_scene()
    # Logits sum to nothing, so that only the sizes tell.
    for values in (probs, np.log(probs)):
        turned = np.moveaxis(values, -1, 0)
        words = r"\[5, 40, 60\] with channels first; transpose"
        if leading:
            turned, words = turned[None], "transpose|one image at a time, channels last"
        with pytest.raises(ShapeError, match=words) as caught:
            segment_metrics(turned, gt)
        assert "resize" not in str(caught.value)


def test_what_the_advice_about_channels_gives():
    probs, gt = make_scene()
    expected = segment_metrics(probs, gt)
    first = np.moveaxis(probs, -1, 0)
    pd.testing.assert_frame_equal(segment_metrics(first.transpose(1, 2, 0), gt), expected)
    p = probs[..., 0]
    table = segment_metrics(np.stack([1 - p, p], -1), (gt == 0).astype(int))
    assert {"cprob0", "cprob1"} < set(table)


@given(scenes_with_truth(), st.data())
def test_ground_truth_in_any_form_gives_the_same_table(scene, data):
    probs, gt = scene
    options = {}
    void = data.draw(st.sampled_from([255, -1, 7]))
    form = np.where(gt == 255, void, gt.astype(data.draw(st.sampled_from([">i2", "i4", "i8"]))))
    if data.draw(st.booleans()):
        shifted, options = form + 1, {"reduce_zero_label": True}
        either = np.where(data.draw(st.booleans()), void, 0)
        form = np.where(gt == 255, either, shifted)
    axes = data.draw(st.sampled_from([(), (0,), (-1,), (0, -1)]))
    table = segment_metrics(probs, np.expand_dims(form, axes), void=void, **options)
    pd.testing.assert_frame_equal(table, segment_metrics(probs, gt))


def test_two_classes_as_bool():
    probs, gt = make_scene(n_classes=2)
    gt = np.minimum(gt, 1)
    pd.testing.assert_frame_equal(segment_metrics(probs, gt == 1), segment_metrics(probs, gt))


@given(scenes_with_truth(), st.sampled_from([np.nan, 0.0, -np.inf]), st.sampled_from(CONVENTIONS))
def test_void_pixels_need_no_distribution(scene, nothing, convention):
    probs, gt = scene
    broken = np.where((gt == 255)[..., None], np.float32(nothing), probs)
    table = segment_metrics(broken, gt, convention=convention)
    pd.testing.assert_frame_equal(table, segment_metrics(probs, gt, convention=convention))


def test_any_byte_order():
    probs, gt = make_scene()
    expected = segment_metrics(probs, gt)
    pd.testing.assert_frame_equal(segment_metrics(probs.astype(">f4"), gt), expected)


@pytest.mark.parametrize("image", [0, 1])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_real_images_give_the_authors_numbers(real_data, image, convention):
    from metaseg_tf.data.softmax import load_dump

    dump = load_dump(real_data / "softmax" / f"probs_{image}.hdf5")
    expected = pd.read_csv(real_data / "expected" / f"{convention}_{image}.csv")
    table = segment_metrics(dump.probs, dump.gt, convention=convention)
    table = table.rename(columns={"class_id": "class"})
    assert len(table) == len(expected)
    for name in expected:
        atol = 0 if expected[name].dtype == int else 2e-6
        np.testing.assert_allclose(table[name], expected[name], rtol=0, atol=atol, err_msg=name)


def two_classes(pred):
    """Probabilities float32 [H, W, 2] of a map of zeros and ones."""
    return np.eye(2, dtype=np.float32)[pred] * 0.8 + 0.1


@pytest.mark.parametrize("void", [255, 100, -1])
def test_a_mask_of_zero_and_void_is_told(void):
    pred = make_blobs(32, 48, 2, 0)
    mask = np.where(pred == 1, void, 0)
    with pytest.warns(UserWarning, match="of class 1, and void .* store class 1 by its id"):
        segment_metrics(two_classes(pred), mask, void=void)


@given(gt=class_maps(n_classes=2), seed=st.integers(0, 99))
def test_other_truth_of_two_classes_is_not_warned_of(gt, seed):
    pred = np.random.default_rng(seed).integers(0, 2, gt.shape)
    if 255 in gt and len(np.unique(gt)) == 2:
        # As where an edge without data was predicted as what is there.
        pred[gt == 255] = gt.min()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        segment_metrics(two_classes(pred), gt)


@given(scene=scenes_with_truth())
def test_an_image_of_more_classes_is_not_warned_of(scene):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        segment_metrics(*scene)


@settings(deadline=None)
@given(data=st.data(), seed=st.integers(0, 99), metrics=st.sampled_from(["paper", "spread"]))
def test_bands_of_rows_give_the_table_of_the_whole(data, seed, metrics):
    probs, gt = make_scene(seed=seed)
    cuts = data.draw(st.sets(st.integers(1, len(probs) - 1), max_size=5).map(sorted))
    gt = data.draw(st.sampled_from([gt, None]))
    bands = Bands(probs.shape, iter(np.split(probs, cuts)))
    found, whole = (measure_image(p, gt, metrics=metrics, truth=True) for p in (bands, probs))
    for ours, expected in ((found.table, whole.table), (found.truth, whole.truth)):
        if expected is not None:
            pd.testing.assert_frame_equal(ours, expected, rtol=1e-6)
    for ours, expected in zip(found.heat, whole.heat, strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_a_pixel_without_distribution_is_named_by_its_row_in_the_image():
    probs, _ = make_scene()
    probs[-1, 2] = np.nan
    with pytest.raises(InputError, match=rf"pixel \({len(probs) - 1}, 2\)"):
        measure_image(Bands(probs.shape, iter(np.split(probs, [3, 5]))))


def test_the_table_is_the_same_wherever_the_probabilities_lie_in_memory():
    rng = np.random.default_rng(0)
    probs = make_probs(make_blobs(300, 700, 19, 0, cell=30), 19, rng)
    whole = measure_image(probs).table
    for shift in (1, 4, 7, 16):
        moved = np.empty(probs.size + shift, np.float32)[shift:].reshape(probs.shape)
        moved[:] = probs
        assert measure_image(moved).table.equals(whole)
