from dataclasses import replace

import numpy as np
import pytest
from deeplab_samples import SMALL, write_checkpoint
from PIL import Image

from metaseg_tf import load_network, load_run, segment_metrics
from metaseg_tf.cityscapes import CLASSES, find_pairs, read_pairs
from metaseg_tf.deeplab.export import export_frozen_graph
from metaseg_tf.deeplab.initialise import random_weights
from metaseg_tf.run import Run

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
    assert all(name in output for name in CLASSES)
    network = load_network(checkpoint, output_stride=16, crop=(33, 49))
    image, gt = next(read_pairs(find_pairs(cityscapes)))
    expected = segment_metrics(network.probabilities(image), gt)
    table = load_run(tmp_path / "run").query("image == 'ulm_0'")
    np.testing.assert_array_equal(table[list(expected)], expected)


def test_the_manifest_tells_the_network_and_its_settings(metaseg, checkpoint, cityscapes, tmp_path):
    extract(metaseg, checkpoint, cityscapes, tmp_path / "run", *SETTINGS, "--limit", 1)
    settings = Run(tmp_path / "run").manifest.settings
    assert settings["output_stride"] == 16
    assert settings["crop"] == [33, 49]
    assert settings["scales"] == [1.0]
    assert len(settings["network_sha256"]) == 64
    assert settings["split"] == "val"


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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--network", "mobilenetv2"), "--cityscapes ROOT"),
        ((), "either --softmax DIR or --network NAME"),
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
        (("--network", "/", "--cityscapes", "{root}"), "common prefix"),
    ],
)
def test_what_cannot_be_run_is_refused(refused, checkpoint, cityscapes, tmp_path, words, said):
    names = {"root": cityscapes, "checkpoint": checkpoint}
    words = [w.format(**names) if isinstance(w, str) else w for w in words]
    assert said in refused("extract", "--out", tmp_path / "run", *words)
