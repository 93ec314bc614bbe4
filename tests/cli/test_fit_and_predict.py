import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scenes import make_scene
from scipy.special import softmax

from metaseg_tf import judge_image, load_model
from metaseg_tf.analysis.boosting import BoostedClassifier, BoostedRegressor
from metaseg_tf.data.classes import ClassTable
from metaseg_tf.data.softmax import SoftmaxDump, save_dump
from metaseg_tf.meta import save_model
from metaseg_tf.networks.image_network import Network
from metaseg_tf.networks.options import NetworkOptions
from metaseg_tf.pictures import paint_segments, read_numbers
from metaseg_tf.runs import run
from metaseg_tf.segments import columns

NAMES = ("road", "sky", "tree", "car", "cat")


def write_dumps(folder, seeds, n_classes=5):
    folder.mkdir()
    for i in seeds:
        save_dump(
            folder / f"{i}.npz", SoftmaxDump(*make_scene(seed=i, n_classes=n_classes), f"s{i}")
        )
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run with ground truth, and a model fitted on it by the library."""
    from metaseg_tf.data.softmax import open_dumps
    from metaseg_tf.meta import fit_meta_model, save_model
    from metaseg_tf.runs.extraction import MeasureSettings, extract, open_run

    root = tmp_path_factory.mktemp("made")
    source = open_dumps(write_dumps(root / "dumps", range(6)), classes=ClassTable(NAMES))
    created = open_run(root / "XC", source, MeasureSettings())
    list(extract(source, created, MeasureSettings()))
    model = fit_meta_model(run.load_run(root / "XC"), manifest=created.manifest, name="XC")
    save_model(model, root / "model.json")
    return root


class FakeNetwork:
    """Sees classes in colours."""

    settings, classes, files = NetworkOptions(16, scales=1.0, flip=False), 5, ()

    passes, see = 1, Network.see

    def probabilities(self, image):
        return softmax(np.repeat(image, 2, -1)[..., :5] / 20.0, axis=-1).astype(np.float32)


@pytest.fixture
def photographs(tmp_path, monkeypatch):
    """A folder with two images, and a network file in the current folder."""
    from metaseg_tf.runs import sources

    monkeypatch.setattr(sources.ProcessNetwork, "loaded", FakeNetwork())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.pb").write_bytes(b"weights")
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(2):
        pixels = np.kron(rng.integers(0, 255, (5, 6, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
        Image.fromarray(pixels).save(folder / f"street{i}.png")
    return folder


def test_fit_writes_a_model_with_its_scores(metaseg, made, tmp_path):
    code, output, _ = metaseg("fit", made / "XC", "--out", tmp_path / "m.json")
    assert code == 0
    assert "auroc" in output
    model = load_model(tmp_path / "m.json")
    assert model.provenance["run"] == "XC"
    assert model.provenance["settings"]["source"] == "softmax"
    assert (tmp_path / "m.json").read_text() == (made / "model.json").read_text()


@pytest.mark.parametrize("meta", ["boosting", "best"])
def test_fit_says_whether_boosting_is_better(metaseg, made, tmp_path, monkeypatch, meta):
    settings = classmethod(lambda *_: [{"trees": 5, "depth": 1}])
    monkeypatch.setattr(BoostedClassifier, "settings", settings)
    monkeypatch.setattr(BoostedRegressor, "settings", settings)
    options = ("--meta", meta, "--out", tmp_path / "m.json")
    code, output, _ = metaseg("fit", made / "XC", *options)
    assert code == 0
    known = load_model(tmp_path / "m.json").provenance
    found = known["against_linear"]
    assert known["meta"] == ("boosting" if meta == "boosting" or found["better"] else "linear")
    assert f"{known['meta']} model, fitted on" in output
    assert "boosting less linear, on the same images:" in output
    assert f"r2     {found['r2']['difference']:+.4f}" in output
    verdict = "is better" if found["better"] else "is not better"
    assert f"boosting {verdict} by more than chance" in " ".join(output.split())
    assert (f"; kept: {known['meta']}" in output) == (meta == "best")


def test_metrics_are_chosen_and_what_a_model_needs_is_measured(
    metaseg, refused, made, few_trees, tmp_path
):
    words = ("extract", "--softmax", made / "dumps", "--out", tmp_path / "run")
    assert "neighbours, geometry, spread" in refused(*words, "--metrics", "size")
    assert metaseg(*words, "--metrics", "spread,paper")[0] == 0
    assert run.Run(tmp_path / "run").manifest.settings["metrics"] == "paper,spread"
    options = ("--meta", "boosting", "--out", tmp_path / "model.json")
    assert metaseg("fit", tmp_path / "run", *options)[0] == 0
    words = ("--softmax", made / "dumps", "--out", tmp_path / "judged")
    assert metaseg("predict", tmp_path / "model.json", *words)[0] == 0
    judged = run.load_run(tmp_path / "judged")
    assert "E_q50" in judged
    assert "n_neighbours" not in judged
    assert metaseg("diagnose", tmp_path / "run")[0] == 0
    options = ("--metrics", "paper", "--out", tmp_path / "paper")
    assert metaseg("extract", "--softmax", made / "dumps", *options)[0] == 0
    said = refused("score", tmp_path / "paper", "--model", tmp_path / "model.json")
    assert "got a table without spread" in said


def test_every_group_of_metrics_is_named_in_the_help(metaseg):
    said = " ".join(metaseg("extract", "--help")[1].replace("│", " ").split())
    named = said[said.index("those of some groups: ") : said.index("; default: all but spread.")]
    assert all(name in named for name in columns.FURTHER_GROUPS)


def test_fit_tells_what_it_fitted_on_as_json(metaseg, made, tmp_path):
    code, output, _ = metaseg("fit", made / "XC", "--out", tmp_path / "m.json", "--json")
    assert code == 0
    assert json.loads(output) == load_model(tmp_path / "m.json").provenance


def test_dumps_are_judged_into_tables_and_pictures(metaseg, made, tmp_path):
    dumps, out = write_dumps(tmp_path / "new", (20, 21)), tmp_path / "out"
    words = ("predict", made / "model.json", "--softmax", dumps, "--out", out)
    code, output, _ = metaseg(*words, "--reject-below", 0.5)
    assert code == 0
    assert "2 images judged" in " ".join(output.split())
    table = pd.read_parquet(out / "judged.parquet")
    pd.testing.assert_frame_equal(table, pd.read_csv(out / "judged.csv"), check_dtype=False)
    lines = [json.loads(line) for line in (out / "judged.jsonl").read_text().splitlines()]
    pd.testing.assert_frame_equal(table, pd.DataFrame(lines), check_dtype=False)
    assert table.columns[:4].tolist() == ["image", "segment", "class_id", "class_name"]
    assert set(table["class_name"]) == set(NAMES)
    assert [NAMES[j] for j in table["class_id"]] == table["class_name"].tolist()
    check_pictures(out, table, load_model(made / "model.json"), dumps)


def check_pictures(out, table, model, dumps):
    probs, _ = make_scene(seed=20, n_classes=5)
    judged, rows = judge_image(model, probs).table, table[table["image"] == "s20"].reset_index()
    assert np.allclose(judged["iou_adj_predicted"], rows["iou_adj_predicted"])
    numbers = read_numbers(out / "labels" / "s20.png")
    assert np.array_equal(np.bincount(numbers.ravel())[1:], rows["area"])
    trusted = np.asarray(Image.open(out / "trusted" / "s20.png"))
    doubtful = rows["iou_adj_predicted"].to_numpy() < 0.5
    assert np.array_equal(trusted == 255, doubtful[numbers - 1])
    assert np.array_equal(trusted[trusted < 255], probs.argmax(-1)[trusted < 255])
    overlay = np.asarray(Image.open(out / "overlays" / "s20.png"))
    painted = paint_segments(numbers, rows["iou_adj_predicted"].to_numpy())
    assert np.array_equal(overlay[: numbers.shape[0], : numbers.shape[1]], painted)
    assert overlay.shape[0] > numbers.shape[0]


def test_a_prediction_goes_on_where_it_stopped(metaseg, made, tmp_path):
    dumps, out = write_dumps(tmp_path / "new", (20, 21)), tmp_path / "out"
    words = ("predict", made / "model.json", "--softmax", dumps, "--out", out)
    metaseg(*words)
    (out / "segments" / "s21.parquet").unlink()
    assert "1 image judged" in " ".join(metaseg(*words)[1].split())
    assert "2 kept" in " ".join(metaseg(*words)[1].split())
    assert not (out / "trusted").exists()


def test_a_promise_is_made_and_applied_and_drift_is_said(metaseg, refused, made, tmp_path):
    words = ("fit", made / "XC", "--out", tmp_path / "m.json", "--promise")
    code, output, _ = metaseg(*words, "false-positives=0.4", "--intervals", 0.6)
    assert code == 0
    assert "expected to be at most 0.4" in " ".join(output.split())
    assert "expected to be at least 0.6" in " ".join(output.split())
    assert "expected at least 27 images for 0.1, got 6" in refused(*words, "false-positives=0.1")
    assert "expected KIND=SHARE, got 'trust'" in refused(*words, "trust")
    dumps, out = write_dumps(tmp_path / "new", (20, 21)), tmp_path / "out"
    words = ("--softmax", dumps, "--out", out, "--guaranteed")
    assert "--promise" in refused("predict", made / "model.json", *words)
    assert "leave one" in refused("predict", tmp_path / "m.json", *words, "--reject-below", 0.5)
    code, _, error = metaseg("predict", tmp_path / "m.json", *words)
    assert code == 0
    assert "do not rely" not in error  # Two images differ from two others by chance.
    table, model = pd.read_parquet(out / "judged.parquet"), load_model(tmp_path / "m.json")
    limit = model.promise.threshold
    assert table["trusted"].equals((table["false_positive_probability"] < limit).rename("trusted"))
    for image, rows in table.groupby("image"):
        numbers = read_numbers(out / "labels" / f"{image}.png")
        shown = np.asarray(Image.open(out / "trusted" / f"{image}.png"))
        assert np.array_equal(shown < 255, rows["trusted"].to_numpy()[numbers - 1])
    images = pd.read_csv(out / "images.csv")
    assert set(images["image"]) == {"s20", "s21"}
    assert images["unlike"].dtype == bool
    others = pd.concat([model.reference] * 60)
    model = replace(model, reference=others.assign(segments=1, segments_0=1))
    save_model(model, tmp_path / "unlike.json")
    words = ("--softmax", dumps, "--out", tmp_path / "unlike")
    _, _, error = metaseg("predict", tmp_path / "unlike.json", *words)
    assert "do not rely on what the model promises: these images differ from the 120" in error
    assert "2 of 2 images further off than any of the 120 that it was set on" in error


def test_maps_are_kept_and_made_later(metaseg, made, tmp_path):
    dumps, out = write_dumps(tmp_path / "new", (20, 21)), tmp_path / "out"
    words = ("predict", made / "model.json", "--softmax", dumps, "--out", out, "--keep-maps")
    metaseg(*words, 1)
    judged = (out / "judged.csv").read_text()
    assert run.Run(out).with_maps() == {"s20"}
    assert "1 image judged" in " ".join(metaseg(*words, "all")[1].split())
    assert run.Run(out).with_maps() == {"s20", "s21"}
    assert (out / "judged.csv").read_text() == judged
    probs, _ = make_scene(seed=21, n_classes=5)
    maps, judgement = (
        run.Run(out).load_maps("s21"),
        judge_image(load_model(made / "model.json"), probs),
    )
    assert maps.gt is None
    assert np.array_equal(maps.pred, judgement.pred)
    assert np.array_equal(maps.segments, judgement.segments)
    assert np.allclose(maps.entropy, judgement.entropy, atol=1 / 500)
    assert (out / "model.json").read_text() == (made / "model.json").read_text()


def test_other_settings_are_refused(metaseg, refused, made, tmp_path):
    words = ("predict", made / "model.json", "--softmax", made / "dumps", "--out", tmp_path / "out")
    metaseg(*words)
    assert "reject_below" in refused(*words, "--reject-below", 0.5)


@pytest.mark.parametrize("colours", ["red-green", "orange-blue"])
def test_a_prediction_in_former_colours_is_not_mixed_with_these(
    metaseg, refused, made, tmp_path, colours
):
    words = ("predict", made / "model.json", "--softmax", made / "dumps", "--out")
    metaseg(*words, tmp_path / "out")
    manifest = tmp_path / "out" / "run.json"
    content = json.loads(manifest.read_text())
    content["settings"]["colours"] = colours
    manifest.write_text(json.dumps(content))
    assert f"colours '{colours}' there" in refused(*words, tmp_path / "out")
    assert metaseg(*words, tmp_path / "another")[0] == 0


def test_photographs_are_judged_through_a_network(metaseg, made, photographs, tmp_path):
    out = tmp_path / "out"
    words = ("--images", photographs, "--network", "net.pb", "--out", out)
    code, output, error = metaseg("predict", made / "model.json", *words)
    assert code == 0, error
    assert "2 images judged" in " ".join(output.split())
    overlay = np.asarray(Image.open(out / "overlays" / "street0.png"))
    assert overlay.shape[0] > 40
    assert set(run.load_run(out)["image"]) == {"street0", "street1"}


def test_another_network_than_the_models_is_noted(metaseg, made, photographs, tmp_path):
    content = json.loads((made / "model.json").read_text())
    # JSON gives the scales back as a list, which is no difference.
    content["provenance"]["settings"] |= {"output_stride": 8, "scales": [1.0]}
    (tmp_path / "m.json").write_text(json.dumps(content))
    words = (
        "--images",
        photographs / "street0.png",
        "--network",
        "net.pb",
        "--out",
        tmp_path / "out",
    )
    code, _, error = metaseg("predict", tmp_path / "m.json", *words)
    assert code == 0
    assert "(output_stride 8 when fitted, 16 now)" in error


def test_workers_write_what_one_process_writes(metaseg, made, workers, tmp_path):
    dumps = write_dumps(tmp_path / "new", range(20, 24))
    words = ("predict", made / "model.json", "--softmax", dumps, "--out")
    assert metaseg(*words, tmp_path / "here")[0] == 0
    code, output, error = metaseg(*words, tmp_path / "there", "--workers", 2)
    assert code == 0, error
    assert "4 images judged" in " ".join(output.split())
    here, there = (contents_of(tmp_path / name) for name in ("here", "there"))
    assert here == there
    # A run.json, the model, four tables of all, and a table, two pictures and maps of each image.
    assert len(here) == 2 + 4 + 4 * 4


def contents_of(folder):
    files = (path for path in folder.rglob("*.*") if path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_bad_image_can_be_skipped(metaseg, made, photographs, tmp_path):
    (photographs / "street0.png").write_bytes(b"no image")
    words = ("--images", photographs, "--network", "net.pb", "--out", tmp_path / "out")
    code, output, _ = metaseg("predict", made / "model.json", *words, "--on-error", "skip")
    assert code == 0
    assert "1 image judged" in " ".join(output.split())
    assert "1 failed" in output
    assert "skipped" in output
    assert "street0.png" in output
    assert set(pd.read_parquet(tmp_path / "out" / "judged.parquet")["image"]) == {"street1"}
    failed = json.loads((tmp_path / "out" / "run.json").read_text())["failed"]
    assert list(failed) == [str(photographs / "street0.png")]


def test_two_predictions_do_not_share_a_folder(metaseg, refused, made, tmp_path):
    words = ("predict", made / "model.json", "--softmax", made / "dumps", "--out", tmp_path / "out")
    metaseg(*words)
    with run.Run(tmp_path / "out").continued():
        assert "another process is writing" in refused(*words)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--softmax", "DUMPS", "--reject-below", "1.5"), "[0, 1]"),
        (("--softmax", "DUMPS", "--reject-below", "nan"), "[0, 1]"),
        (("--softmax", "nowhere"), "nowhere"),
        (("--softmax", "DUMPS", "--network", "net.pb"), "either"),
        (("--network", "net.pb"), "either"),
        (("--images", "DUMPS"), "either"),
        (("--images", "DUMPS", "--network", "net.pb"), "found 6 .npz"),
        ((), "either"),
    ],
)
def test_bad_words_are_refused_in_one_line(refused, made, tmp_path, words, expected):
    words = [made / "dumps" if word == "DUMPS" else word for word in words]
    assert expected in refused("predict", made / "model.json", *words, "--out", tmp_path / "out")


def test_an_image_that_cannot_be_read_is_named(refused, made, photographs, tmp_path):
    (photographs / "street1.png").write_bytes(b"no image")
    words = ("--images", photographs, "--network", "net.pb", "--out", tmp_path / "out")
    assert "street1.png" in refused("predict", made / "model.json", *words)
    assert set(run.load_run(tmp_path / "out")["image"]) == {"street0"}


def test_another_class_count_is_refused(refused, made, tmp_path):
    dumps = write_dumps(tmp_path / "new", (1,), n_classes=3)
    words = ("--softmax", dumps, "--out", tmp_path / "out")
    assert "expected 5 classes" in refused("predict", made / "model.json", *words)


def test_what_is_no_model_is_refused(refused, made, tmp_path):
    words = ("--softmax", made / "dumps", "--out", tmp_path / "out")
    assert "metaseg-tf fit" in refused("predict", made / "dumps" / "0.npz", *words)


def test_fit_refuses_a_run_without_images(refused, tmp_path):
    run.Run.create(tmp_path / "run", {})
    assert "extract" in refused("fit", tmp_path / "run", "--out", tmp_path / "m.json")
