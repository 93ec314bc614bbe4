import json
import os
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from late_cluster import LateCluster, PickledCluster
from PIL import Image
from scenes import make_scene
from sklearn.metrics import jaccard_score
from street import write_pair

from metaseg_tf import load_run, load_truth, segment_metrics
from metaseg_tf.data.cityscapes import LABEL_IDS_TO_TRAIN_IDS, PairSource, find_pairs
from metaseg_tf.data.softmax import SoftmaxDump, open_dumps, save_dump
from metaseg_tf.errors import (
    DataFormatError,
    InputError,
    MetaSegError,
    RunError,
    SettingsMismatchError,
)
from metaseg_tf.networks.image_network import Network
from metaseg_tf.runs.extraction import MeasureSettings, extract, open_run
from metaseg_tf.runs.run import Run
from metaseg_tf.runs.sources import NetworkSource
from metaseg_tf.segments.table import measure_image

SETTINGS = MeasureSettings()


@pytest.fixture
def dumps(tmp_path):
    folder = tmp_path / "dumps"
    folder.mkdir()
    for i in range(4):
        save_dump(folder / f"{i}.npz", SoftmaxDump(*make_scene(seed=i), f"image{i}"))
    return folder


@pytest.fixture
def run(tmp_path):
    return Run.create(tmp_path / "run", vars(SETTINGS))


def extract_all(folder, run, **options):
    return list(extract(open_dumps(folder), run, SETTINGS, **options))


def test_a_run_holds_each_images_table(dumps, run):
    results = extract_all(dumps, run)
    assert [r.name for r in results] == [f"image{i}" for i in range(4)]
    loaded = load_run(run.path)
    expected = pd.concat([segment_metrics(*make_scene(seed=i)) for i in range(4)])
    pd.testing.assert_frame_equal(loaded.drop(columns="image"), expected.reset_index(drop=True))
    truth = load_truth(run.path)
    scenes = [measure_image(*make_scene(seed=i), truth=True).truth for i in range(4)]
    whole = pd.concat([t.assign(image=f"image{i}") for i, t in enumerate(scenes)])
    pd.testing.assert_frame_equal(truth, whole[list(truth)].reset_index(drop=True))
    before = run.fingerprint()
    assert run.compact(3) == 4
    assert run.fingerprint() != before
    pd.testing.assert_frame_equal(load_truth(run.path), truth)
    assert not list((run.path / "truth").iterdir())
    assert Run(run.path).manifest.n_classes == 5


@pytest.mark.parametrize("cluster", [None, PickledCluster()])
def test_a_run_that_is_written_in_packs_is_the_same(dumps, run, cluster, tmp_path):
    list(extract(open_dumps(dumps), run, SETTINGS))
    packed = Run.create(tmp_path / "packed", vars(SETTINGS))
    results = list(extract(open_dumps(dumps), packed, SETTINGS, pack=3, cluster=cluster))
    assert sorted(r.name for r in results) == [f"image{i}" for i in range(4)]
    for read in (load_run, load_truth):
        pd.testing.assert_frame_equal(read(packed.path), read(run.path))
    assert [*packed.path.glob("segments/*"), *packed.path.glob("truth/*")] == []
    assert [len(list(packed.path.glob(f"{name}/*"))) for name in ("packs", "truth_packs")] == [2, 2]
    assert packed.manifest.results == run.manifest.results


def test_packs_keep_images_with_and_without_truth_apart(dumps, run):
    save_dump(dumps / "1.npz", SoftmaxDump(make_scene()[0], None, "image1"))
    extract_all(dumps, run, pack=4)
    assert len(list(run.path.glob("packs/*"))) == 2
    assert len(run.done()) == 4


def test_what_is_measured_is_packed_though_an_image_is_bad(dumps, run):
    (dumps / "3.npz").write_bytes(b"broken")
    with pytest.raises(DataFormatError, match=r"3\.npz"):
        extract_all(dumps, run, pack=9)
    assert run.done() == {"image0", "image1", "image2"}
    (pack,) = run.path.glob("packs/*")
    (run.path / "truth_packs" / pack.name).unlink()
    save_dump(dumps / "3.npz", SoftmaxDump(*make_scene(seed=3), "image3"))
    # Two of them are measured again, into a pack with the new one, and count once.
    run._truth.write_pack({"image0": (measure_image(*make_scene(), truth=True).truth, None)})
    assert [r.outcome for r in extract_all(dumps, run, pack=9)] == ["kept", *["measured"] * 3]
    expected = pd.concat([segment_metrics(*make_scene(seed=i)) for i in range(4)])
    loaded = load_run(run.path).drop(columns="image")
    pd.testing.assert_frame_equal(loaded, expected.reset_index(drop=True))
    assert set(load_truth(run.path).image) == run.done()


def test_runs_without_truth_say_so_and_runs_that_lost_some_get_it_back(dumps, run):
    extract_all(dumps, run)
    (run.path / "truth" / "image2.parquet").unlink()
    with pytest.raises(InputError, match=r"found none of 1 of 4 images; extract again"):
        load_truth(run.path)
    assert [r.outcome for r in extract_all(dumps, run)].count("measured") == 1
    load_truth(run.path)
    for path in (run.path / "truth").iterdir():
        path.unlink()
    with pytest.raises(InputError, match=r"found none of 4 of 4 images; .* another folder"):
        load_truth(run.path)
    assert {r.outcome for r in extract_all(dumps, run)} == {"kept"}


@pytest.mark.parametrize(
    ("column", "values"),
    [("class_id", 5), ("hidden_by", 5), ("covered", 1.5), ("size", 0), ("siou", np.nan)],
)
def test_truth_that_cannot_be_is_refused(dumps, run, column, values):
    extract_all(dumps, run)
    truth = measure_image(*make_scene(), truth=True).truth
    spoilt = truth.assign(**{column: np.full(len(truth), values, truth[column].dtype)})
    run.write_segments("image0", segment_metrics(*make_scene()), None, spoilt)
    with pytest.raises(DataFormatError, match=f"expected {column} of"):
        load_truth(run.path)


def test_a_stopped_run_goes_on_where_it_stopped(dumps, run):
    jobs = extract(open_dumps(dumps), run, SETTINGS)
    next(jobs), next(jobs)
    jobs.close()
    outcomes = [r.outcome for r in extract_all(dumps, Run(run.path))]
    assert outcomes == ["kept", "kept", "measured", "measured"]


def test_a_bad_image_stops_and_is_named_but_costs_nothing(dumps, run):
    (dumps / "2.npz").write_bytes(b"broken")
    with pytest.raises(MetaSegError, match=r"2\.npz"):
        extract_all(dumps, run)
    assert run.done() == {"image0", "image1"}


def test_a_run_stopped_before_its_manifest_was_written_still_knows_its_classes(dumps, run):
    results = extract(open_dumps(dumps), run, SETTINGS)
    next(results)
    results.close()
    stopped = Run(run.path)
    stopped.manifest.n_classes = None
    extract_all(dumps, stopped)
    assert Run(run.path).manifest.n_classes == 5
    assert Run(run.path).manifest.results["images"] == 4


def test_bad_images_can_be_skipped_and_are_listed(dumps, run):
    (dumps / "1.npz").write_bytes(b"broken")
    probs, gt = make_scene()
    save_dump(dumps / "2.npz", SoftmaxDump(probs * 2, gt, "image2"))
    results = extract_all(dumps, run, skip_errors=True)
    assert [r.outcome for r in results] == ["measured", "failed", "failed", "measured"]
    failed = Run(run.path).manifest.failed
    assert [name[-5:] for name in failed] == ["1.npz", "2.npz"]
    assert "summing to 1" in list(failed.values())[1]


def test_a_repaired_image_is_no_longer_listed(dumps, run):
    whole = (dumps / "1.npz").read_bytes()
    (dumps / "1.npz").write_bytes(b"broken")
    extract_all(dumps, run, skip_errors=True)
    (dumps / "1.npz").write_bytes(whole)
    extract_all(dumps, run, skip_errors=True)
    assert Run(run.path).manifest.failed == {}
    assert len(run.done()) == 4


def test_two_images_of_one_name_are_refused(dumps, run):
    save_dump(dumps / "9.npz", SoftmaxDump(*make_scene(), "image0"))
    with pytest.raises(InputError, match=r"9\.npz.*'image0' twice"):
        extract_all(dumps, run)


def test_another_number_of_classes_is_refused(dumps, run):
    save_dump(dumps / "9.npz", SoftmaxDump(*make_scene(n_classes=3), "other"))
    with pytest.raises(InputError, match="expected 5 classes"):
        extract_all(dumps, run)


def test_a_full_disk_stops_even_where_errors_are_skipped(dumps, run, monkeypatch):
    def full(*args):
        raise RunError("disk full")

    monkeypatch.setattr(Run, "write_segments", full)
    with pytest.raises(RunError, match="disk full"):
        extract_all(dumps, run, skip_errors=True)


@pytest.mark.parametrize(
    "options",
    [{"convention": "mine"}, {"connectivity": 5}, {"labeller": "opencv"}, {"metrics": "sizes"}],
)
def test_settings_are_checked(options):
    with pytest.raises(InputError, match=next(iter(options))):
        MeasureSettings(**options)


def test_ground_truth_is_optional(tmp_path, run):
    save_dump(tmp_path / "a.npz", SoftmaxDump(make_scene()[0], None, "a"))
    extract_all(tmp_path, run)
    assert "iou_adj" not in load_run(run.path)
    assert np.isfinite(load_run(run.path).E).all()


def test_the_miou_is_that_of_all_images_whenever_they_were_measured(dumps, run):
    jobs = extract(open_dumps(dumps), run, SETTINGS)
    next(jobs)
    jobs.close()
    extract_all(dumps, Run(run.path))
    pred, gt = (np.concatenate(x) for x in zip(*(labels_of(i) for i in range(4)), strict=True))
    scores = jaccard_score(gt, pred, average=None)
    results = Run(run.path).manifest.results
    np.testing.assert_allclose(results["class_iou"], scores)
    assert results["miou"] == pytest.approx(scores.mean())
    assert results["pixel_accuracy"] == pytest.approx((pred == gt).mean())
    assert results["images"] == 4


def test_maps_of_the_first_images_are_kept(dumps, run):
    extract_all(dumps, run, keep_maps=2)
    assert run.with_maps() == {"image0", "image1"}
    maps, expected = run.load_maps("image1"), measure_image(*make_scene(seed=1))
    np.testing.assert_array_equal(maps.segments, expected.segments)
    np.testing.assert_array_equal(maps.pred, expected.heat.pred)
    np.testing.assert_allclose(maps.difference, expected.heat.difference, atol=0.002)
    np.testing.assert_array_equal(maps.gt, make_scene(seed=1)[1])


def test_maps_can_be_added_later(dumps, run):
    extract_all(dumps, run, keep_maps=1)
    table = load_run(run.path)
    outcomes = [r.outcome for r in extract_all(dumps, Run(run.path), keep_maps=3)]
    assert outcomes == ["kept", "measured", "measured", "kept"]
    assert run.with_maps() == {"image0", "image1", "image2"}
    pd.testing.assert_frame_equal(load_run(run.path), table)


def test_maps_of_a_networks_images_hold_the_photograph(tmp_path, run):
    images = [write_pair(tmp_path, f"ulm_{i}")[0] for i in range(3)]
    pairs, network = find_pairs(tmp_path), PixelNetwork()
    for keep_maps in (1, 2):
        jobs = NetworkSource(network, PairSource(pairs), {})
        list(extract(jobs, run, SETTINGS, keep_maps=keep_maps))
    assert run.with_maps() == {"ulm_0", "ulm_1"}
    for name, image in zip(("ulm_0", "ulm_1"), images, strict=False):
        maps = run.load_maps(name)
        expected = np.where(maps.gt == 255, 255, image[..., 0] % 19)
        np.testing.assert_array_equal(maps.pred, expected)
        assert maps.image.shape == image.shape


def binary_dumps(folder, foreground, n_images=3):
    """Dumps of two classes; class 1 is stored as ``foreground`` in all ground truth."""
    folder.mkdir()
    for i in range(n_images):
        probs, gt = make_scene(seed=i, n_classes=2)
        gt = np.where(gt == 1, foreground, gt % 255)
        save_dump(folder / f"{i}.npz", SoftmaxDump(probs, gt.astype(np.uint8), f"image{i}"))
    return folder


def test_a_mask_of_0_and_255_is_told_and_the_advice_helps(tmp_path, run, caplog):
    extract_all(binary_dumps(tmp_path / "mask", 255), run)
    (said,) = caplog.messages
    assert said.startswith(
        f"{run.path}: no pixel of the ground truth is of class 1, and void (255)"
    )
    assert "divide a mask of 0 and 255 by 255" in said
    caplog.clear()
    # As advised: divided, into another folder.
    mended = Run.create(tmp_path / "mended", vars(SETTINGS))
    extract_all(binary_dumps(tmp_path / "divided", 255 // 255), mended)
    assert caplog.messages == []
    assert set(load_run(mended.path).class_id) == {0, 1}


def test_two_classes_are_doubted_over_the_whole_run_only(tmp_path, run, caplog):
    folder = binary_dumps(tmp_path / "some", 1)
    probs, _ = make_scene(n_classes=2)
    gt = np.where(probs.argmax(-1) == 1, 255, 0).astype(np.uint8)
    save_dump(folder / "9.npz", SoftmaxDump(probs, gt, "without"))
    extract_all(folder, run)
    assert caplog.messages == []


def test_void_alone_is_told_and_has_no_miou(tmp_path, run, caplog):
    for i in range(2):
        probs, gt = make_scene(seed=i)
        save_dump(tmp_path / f"{i}.npz", SoftmaxDump(probs, np.full_like(gt, 255), f"image{i}"))
    extract_all(tmp_path, run)
    assert "no pixel has ground truth: all are void (255)" in caplog.text
    results = Run(run.path).manifest.results
    assert results == {"images": 2, "class_iou": [None] * 5}


def labels_of(seed):
    probs, gt = make_scene(seed=seed)
    return probs.argmax(-1)[gt != 255], gt[gt != 255]


class PixelNetwork:
    """A network whose prediction can be read off the image: its red channel."""

    def __init__(self, classes=19):
        self.seen = 0
        self.classes = classes

    passes, see = 1, Network.see

    def probabilities(self, image):
        self.seen += 1
        return np.eye(self.classes, dtype=np.float32)[image[..., 0] % self.classes]


def test_images_go_through_a_network(tmp_path, run):
    images = [write_pair(tmp_path, f"ulm_{i}")[0] for i in range(3)]
    pairs = find_pairs(tmp_path)
    network = PixelNetwork()
    source = NetworkSource(network, PairSource(pairs), {})
    first = extract(source, run, SETTINGS)
    next(first)
    first.close()
    list(extract(source, run, SETTINGS))
    assert run.done() == {"ulm_0", "ulm_1", "ulm_2"}
    assert network.seen <= 4
    table = load_run(run.path)
    gt = pairs[0].read().gt
    probs = PixelNetwork().probabilities(images[0])
    expected = segment_metrics(probs, gt)
    pd.testing.assert_frame_equal(
        table[table.image == "ulm_0"].drop(columns="image").reset_index(drop=True), expected
    )


#: How an image can drop out of a data set, beside those that are measured and those that are done.
WRONG_NAMES = {"hidden": ".ulm", "control": "ulm\x07", "no utf-8": os.fsdecode(b"ulm\xff")}
FAULTS = ("none", "twin", "image", "labels", "ids", "size", *WRONG_NAMES)


def write_street(root, faults):
    """A pair for each fault, each in a city of its own and of another scene; gives the pairs."""
    labels = {"ids": np.full((8, 10), 99, np.uint8), "size": np.zeros((4, 5), np.uint8)}
    for i, fault in enumerate(faults):
        name = "ulm_0" if fault == "twin" else f"{WRONG_NAMES.get(fault, 'ulm')}_{i}"
        write_pair(root, name, city=f"city{i}", seed=i, labels=labels.get(fault))
        broken = {"image": "leftImg8bit", "labels": "gtFine"}.get(fault)
        for path in root.glob(f"{broken}/val/city{i}/*"):
            path.write_bytes(path.read_bytes()[:60])
    return find_pairs(root)


def measure_alone(pair):
    """Probabilities and ground truth of one pair, read by other means."""
    image, labels = (np.asarray(Image.open(path)) for path in (pair.image, pair.labels))
    return PixelNetwork().probabilities(image), LABEL_IDS_TO_TRAIN_IDS[labels]


@given(
    faults=st.lists(st.sampled_from(FAULTS), min_size=5, max_size=5),
    done=st.sets(st.integers(0, 5)),
    keep_maps=st.integers(0, 6),
    apart=st.booleans(),
)
@example(["none", "none", "twin", "none", "none"], set(), 0, False)
@example(["hidden", "none", "none", "image", "none"], {1}, 4, False)
@settings(max_examples=12)
def test_each_table_is_that_of_its_own_scene_whatever_drops_out(faults, done, keep_maps, apart):
    faults = ["none", *faults]
    with tempfile.TemporaryDirectory() as folder:
        pairs = write_street(Path(folder), faults)
        run = Run.create(f"{folder}/run", vars(SETTINGS))
        before = [pair for i, pair in enumerate(pairs) if i in done and faults[i] != "twin"]
        for part in (before, pairs):
            source = NetworkSource(PixelNetwork(), PairSource(part), {})
            options = {"keep_maps": keep_maps if part is pairs else 0, "skip_errors": True}
            cluster = LateCluster() if apart else None
            results = list(extract(source, run, SETTINGS, cluster=cluster, **options))
        good = {pair.name: pair for pair, f in zip(pairs, faults, strict=True) if f == "none"}
        assert run.done() == set(good)
        assert [r.outcome for r in results].count("failed") == len(pairs) - len(good)
        table = load_run(run.path)
        for name, pair in good.items():
            stored = table[table.image == name].drop(columns="image").reset_index(drop=True)
            pd.testing.assert_frame_equal(stored, segment_metrics(*measure_alone(pair)))
        assert run.with_maps() == {pair.name for pair in pairs[:keep_maps]} & set(good)
        for name in run.with_maps():
            probs, gt = measure_alone(good[name])
            np.testing.assert_array_equal(run.load_maps(name).gt, gt)
            np.testing.assert_array_equal(
                run.load_maps(name).pred, np.where(gt == 255, 255, probs.argmax(-1))
            )


@pytest.mark.parametrize(
    "packed",
    [b"", b"no zlib", zlib.compress(b"short"), zlib.compress(bytes(10**6))],
    ids=["nothing", "other", "short", "long"],
)
def test_confusions_that_are_none_are_refused(dumps, run, packed):
    extract_all(dumps, run)
    run.write_segments("image1", segment_metrics(*make_scene()), {"confusions": packed})
    with pytest.raises(DataFormatError, match="image1: expected the confusions of 5 classes"):
        extract_all(dumps, Run(run.path))


def test_a_run_is_continued_with_the_metrics_that_it_holds(dumps, tmp_path):
    """However they are spelled; a run without the setting was made when there were no others."""
    source, out = open_dumps(dumps), tmp_path / "out"
    for spelled in ("geometry", "paper, geometry"):
        settings = MeasureSettings(metrics=spelled)
        created = open_run(out, source, settings)
        list(extract(source, created, settings))
    assert created.manifest.settings["metrics"] == "paper,geometry"
    assert "fill" in load_run(out)
    assert "ndist0" not in load_run(out)
    with pytest.raises(SettingsMismatchError, match=r"'paper,geometry' there, '.*spread' now"):
        open_run(out, source, MeasureSettings(metrics="all"))
    paper = MeasureSettings(metrics="paper")
    list(extract(source, open_run(tmp_path / "old", source, paper), paper))
    manifest = json.loads((tmp_path / "old" / "run.json").read_text())
    del manifest["settings"]["metrics"]
    (tmp_path / "old" / "run.json").write_text(json.dumps(manifest))
    assert open_run(tmp_path / "old", source, paper).done() == created.done()
    with pytest.raises(SettingsMismatchError, match="metrics 'paper' there"):
        open_run(tmp_path / "old", source, MeasureSettings())
