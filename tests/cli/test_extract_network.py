import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from deeplab_samples import SMALL, random_weights, write_checkpoint
from export import export_frozen_graph
from PIL import Image
from street import write_pair

from metaseg_tf import load_network, load_run, segment_metrics
from metaseg_tf.cli.options import parse_passes
from metaseg_tf.data.cityscapes import find_pairs
from metaseg_tf.data.classes import CITYSCAPES
from metaseg_tf.runs.run import Run
from metaseg_tf.segments.table import measure_image

SETTINGS = ("--output-stride", 16, "--crop", "33x49")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A checkpoint of a small MobileNetV2 for the 19 classes, with random weights."""
    prefix = tmp_path_factory.mktemp("checkpoint") / "model.ckpt"
    write_checkpoint(prefix, random_weights(replace(SMALL["mobilenetv2"], n_classes=19), seed=0))
    return prefix


@pytest.fixture(scope="module")
def cityscapes(tmp_path_factory):
    root = tmp_path_factory.mktemp("cityscapes")
    rng = np.random.default_rng(0)
    for i in range(3):
        for part, suffix, content in (
            ("leftImg8bit", "leftImg8bit", rng.integers(0, 256, (32, 48, 3))),
            ("gtFine", "gtFine_labelIds", rng.integers(0, 34, (4, 6)).repeat(8, 0).repeat(8, 1)),
        ):
            folder = root / part / "val" / "ulm"
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(content.astype(np.uint8)).save(folder / f"ulm_{i}_{suffix}.png")
    return root


def extract(metaseg, network, cityscapes, out, *words):
    return metaseg(
        "extract", "--network", network, "--cityscapes", cityscapes, "--out", out, *words
    )


def test_a_checkpoint_over_cityscapes(metaseg, checkpoint, cityscapes, tmp_path):
    code, output, _ = extract(metaseg, checkpoint, cityscapes, tmp_path / "run", *SETTINGS)
    assert code == 0
    assert "3 images measured" in output
    assert "mIoU" in output
    assert all(name in output for name in CITYSCAPES.names)
    network = load_network(checkpoint, output_stride=16, crop=(33, 49))
    first = find_pairs(cityscapes)[0].read()
    expected = segment_metrics(network.probabilities(first.image), first.gt)
    table = load_run(tmp_path / "run").query("image == 'ulm_0'")
    np.testing.assert_array_equal(table[list(expected)], expected)


def test_tiles_are_measured_band_by_band(metaseg, checkpoint, cityscapes, tmp_path):
    tiled = ("--output-stride", 16, "--tile", "17x33", "--overlap", 4)
    assert extract(metaseg, checkpoint, cityscapes, tmp_path / "run", *tiled)[0] == 0
    network = load_network(checkpoint, output_stride=16, tile=(17, 33), overlap=4)
    first = find_pairs(cityscapes)[0].read()
    expected = segment_metrics(network.probabilities(first.image), first.gt)
    table = load_run(tmp_path / "run")
    found = table[table["image"] == first.name].drop(columns="image").reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-6, atol=1e-6)


def test_the_manifest_tells_the_network_and_its_settings(metaseg, checkpoint, cityscapes, tmp_path):
    extract(metaseg, checkpoint, cityscapes, tmp_path / "run", *SETTINGS, "--limit", 1)
    settings = Run(tmp_path / "run").manifest.settings
    assert settings["output_stride"] == 16
    assert settings["crop"] == [33, 49]
    assert settings["scales"] == [1.0]
    assert len(settings["network_sha256"]) == 64
    assert settings["split"] == "val"


@pytest.mark.parametrize("passes", ["flip", "dropout:3"])
def test_passes_are_measured_and_kept(metaseg, checkpoint, cityscapes, tmp_path, passes):
    words = (*SETTINGS, "--passes", passes, "--limit", 2, "--keep-maps", 1)
    assert extract(metaseg, checkpoint, cityscapes, tmp_path / "run", *words)[0] == 0
    run, table = Run(tmp_path / "run"), load_run(tmp_path / "run")
    options = parse_passes(passes)
    network = load_network(checkpoint, output_stride=16, crop=(33, 49), **options)
    assert {name: run.manifest.settings[name] for name in options} == options
    first = find_pairs(cityscapes)[0].read()
    probs, disagreement = network.see(first.image)
    given = {"metrics": "all", "disagreement": disagreement}
    expected = measure_image(probs, first.gt, **given).table[["E", "I", "TV", "changed"]]
    np.testing.assert_allclose(table.query("image == 'ulm_0'")[[*expected]], expected, atol=1e-6)
    assert (table["I"] > 0.001).any()
    information = run.load_maps("ulm_0").mutual_information
    np.testing.assert_allclose(information, disagreement[..., 0], atol=1 / 500)


def test_a_single_pass_has_no_disagreement(metaseg, refused, checkpoint, cityscapes, tmp_path):
    words = (*SETTINGS, "--limit", 1, "--metrics")
    assert extract(metaseg, checkpoint, cityscapes, tmp_path / "run", *words, "all")[0] == 0
    assert "disagreement" not in Run(tmp_path / "run").manifest.settings["metrics"]
    given = ("extract", "--network", checkpoint, "--cityscapes", cityscapes, "--out")
    said = refused(*given, tmp_path / "other", *words, "disagreement")
    assert "expected several passes over an image for disagreement, got one" in said


def test_a_frozen_graph_as_it_is_and_rebuilt(metaseg, checkpoint, cityscapes, tmp_path):
    graph = tmp_path / "frozen_inference_graph.pb"
    export_frozen_graph(load_network(checkpoint, output_stride=16, crop=(33, 49)), graph)
    tables = []
    for name, words in (("as it is", ()), ("rebuilt", SETTINGS)):
        assert extract(metaseg, graph, cityscapes, tmp_path / name, *words)[0] == 0
        tables.append(load_run(tmp_path / name))
    np.testing.assert_allclose(tables[0].S.sum(), tables[1].S.sum())
    assert tables[0].E.mean() == pytest.approx(tables[1].E.mean(), abs=1e-3)


def test_other_settings_make_another_run(metaseg, refused, checkpoint, cityscapes, tmp_path):
    words = ("--crop", "33x49", "--limit", 1)
    extract(metaseg, checkpoint, cityscapes, tmp_path / "run", "--output-stride", 16, *words)
    again = ("extract", "--network", checkpoint, "--cityscapes", cityscapes, "--out")
    said = refused(*again, tmp_path / "run", "--output-stride", 16, *words, "--flip")
    assert "flip False there, True now" in said


def test_a_network_for_other_classes_is_refused(refused, cityscapes, tmp_path):
    prefix = tmp_path / "model.ckpt"
    write_checkpoint(prefix, random_weights(SMALL["mobilenetv2"], seed=0))
    words = ("--network", prefix, "--cityscapes", cityscapes, "--out", tmp_path / "run")
    assert "expected 19 classes" in refused("extract", *words, *SETTINGS)


def test_a_split_without_labels_is_told(metaseg, refused, checkpoint, tmp_path, caplog):
    for i in range(2):
        write_pair(tmp_path, f"berlin_{i}", split="test", labels=np.full((8, 10), 3, np.uint8))
    out = tmp_path / "run"
    words = (*SETTINGS, "--split", "test")
    code, output, _ = extract(metaseg, checkpoint, tmp_path, out, *words)
    assert code == 0
    assert "no pixel has ground truth: all are void (255)" in caplog.text
    assert "nan" not in output
    for verb in (("table", 2), ("figure", 2), ("fit", "--out", tmp_path / "model.json")):
        assert "no pixel of any image has ground truth" in refused(*verb, out)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--network", "mobilenetv2"), "--cityscapes ROOT"),
        ((), "either --softmax FOLDER or --network NAME"),
        (("--network", "x.pb", "--softmax", "y"), "got both"),
        (("--network", "mobilnetv2", "--cityscapes", "{root}"), "did you mean mobilenetv2"),
        (("--network", "no/such.pb", "--cityscapes", "{root}"), "no/such.pb"),
        (("--network", "{checkpoint}", "--cityscapes", "no"), "Cityscapes folder"),
        (("--network", "{checkpoint}", "--cityscapes", "{root}", "--crop", "big"), "1025x2049"),
        (("--network", "{checkpoint}", "--cityscapes", "{root}", "--crop", "17x17"), "17x17"),
        (
            ("--network", "{checkpoint}", "--cityscapes", "{root}", "--tile", 9, "--overlap", 9),
            "ov",
        ),
        (("--network", "{checkpoint}", "--cityscapes", "{root}", "--scales", "1,x"), "0.75,1.0"),
        (("--network", "{checkpoint}", "--cityscapes", "{root}", "--scales", ""), "0.75,1.0"),
        (("--network", "{checkpoint}", "--cityscapes", "{root}", "--crop", ""), "1025x2049"),
        (("--network", "{checkpoint}", "--cityscapes", "{root}", "--scales", "nan"), "(0, 8]"),
        (("--network", "{checkpoint}", "--cityscapes", "{root}", "--city", "*"), "there is ulm"),
        (("--network", "/", "--cityscapes", "{root}"), "got another file or folder"),
    ],
)
def test_what_cannot_be_run_is_refused(refused, checkpoint, cityscapes, tmp_path, words, said):
    names = {"root": cityscapes, "checkpoint": checkpoint}
    words = [w.format(**names) if isinstance(w, str) else w for w in words]
    assert said in refused("extract", "--out", tmp_path / "run", *words)


@pytest.fixture(scope="module")
def float_network(tmp_path_factory):
    """A Keras model that expects pixels in 0..1 and does not rescale them."""
    path = tmp_path_factory.mktemp("keras") / "model.keras"
    image = tf.keras.Input((None, None, 3))
    kernel = tf.keras.initializers.RandomNormal(seed=0, stddev=2.0)
    scores = tf.keras.layers.Conv2D(19, 1, activation="softmax", kernel_initializer=kernel)(image)
    tf.keras.Model(image, scores).save(path)
    return path


def test_the_input_range_is_said_kept_and_held_to(
    metaseg, refused, float_network, cityscapes, tmp_path
):
    out = tmp_path / "run"
    words = ("--input-range", "0..1", "--limit", 1)
    assert extract(metaseg, float_network, cityscapes, out, *words)[::2] == (0, "")
    assert Run(out).manifest.settings["input_range"] == "0..1"
    first = find_pairs(cityscapes)[0].read()
    expected = tf.keras.models.load_model(float_network)(first.image[np.newaxis] / 255)[0].numpy()
    table = segment_metrics(expected, first.gt)
    assert load_run(out).E.mean() == pytest.approx(table.E.mean(), abs=1e-5)
    again = ("extract", "--network", float_network, "--cityscapes", cityscapes, "--out", out)
    said = refused(*again, "--limit", 1, "--input-range", "-1..1")
    assert "input_range '0..1' there, '-1..1' now" in said


def test_an_assumed_input_range_is_said_once_and_kept(
    metaseg, float_network, cityscapes, tmp_path, workers, caplog
):
    out = tmp_path / "run"
    extract(metaseg, float_network, cityscapes, out, "--limit", 1, "--workers", 1)
    assert sum("--input-range" in message for message in caplog.messages) == 1
    assert Run(out).manifest.settings["input_range"] == "0..255"
    again = ("--limit", 1, "--input-range", "0..255")
    assert "1 kept" in extract(metaseg, float_network, cityscapes, out, *again)[1]


@pytest.mark.long
def test_an_assumed_input_range_is_one_line(float_network, cityscapes, tmp_path):
    out = tmp_path / "run"
    words = ["--network", float_network, "--cityscapes", cityscapes, "--out", out, "--limit", "1"]
    # In a process of its own, where pytest does not take what is logged.
    command = [sys.executable, "-m", "metaseg_tf", "extract", *words, "--workers", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    # Newer TensorFlow tells there of GPUs as well.
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("metaseg-tf: ")]
    assert said.startswith("metaseg-tf: note: ")
    assert "--input-range" in said


def test_runs_from_before_there_was_an_input_range_continue(
    metaseg, refused, float_network, cityscapes, tmp_path
):
    out = tmp_path / "run"
    extract(metaseg, float_network, cityscapes, out, "--limit", 1)
    content = json.loads((out / "run.json").read_text())
    del content["settings"]["input_range"]
    (out / "run.json").write_text(json.dumps(content))
    assert "1 kept" in extract(metaseg, float_network, cityscapes, out)[1]
    again = ("extract", "--network", float_network, "--cityscapes", cityscapes, "--out", out)
    assert "'0..255' there, '0..1' now" in refused(*again, "--input-range", "0..1")


@pytest.mark.parametrize(
    ("network", "text", "said"),
    [
        ("checkpoint", "0..1", "expected none for a network of DeepLab"),
        ("float_network", "0-1", "expected 0..255, 0..1, -1..1, imagenet or mean="),
    ],
)
def test_input_ranges_that_cannot_be(request, refused, cityscapes, tmp_path, network, text, said):
    words = ("--network", request.getfixturevalue(network), "--cityscapes", cityscapes)
    found = refused("extract", "--out", tmp_path / "run", *words, "--input-range", text)
    assert said in found
    assert not (tmp_path / "run").exists()
