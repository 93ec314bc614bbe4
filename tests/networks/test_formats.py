"""The registry of formats: each way into it, a new one, and a real network on real images."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_networks import draw
from street import write_street
from typer.testing import CliRunner

from metaseg_tf import load_network, load_run
from metaseg_tf.cli import app
from metaseg_tf.errors import DataFormatError, InputError, ShapeError
from metaseg_tf.networks import formats
from metaseg_tf.networks.formats import FORMATS, Format, list_formats, open_network
from metaseg_tf.networks.image_network import ImageNetwork, NetworkInput
from metaseg_tf.networks.options import DEFAULTS, NetworkOptions
from metaseg_tf.networks.scores import Ending
from metaseg_tf.untrusted.arrays import open_npz

REAL = Path(os.environ.get("METASEG_TF_REAL_DATA", "not-there"))
NETWORK = REAL / "network" / "deeplab_mobilenet_edgetpu_slim_cityscapes_quant.tflite"
#: labelIds of Cityscapes in the order of their train ids.
LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)

needs_real_data = pytest.mark.skipif(
    not NETWORK.is_file(), reason="set METASEG_TF_REAL_DATA to real images and a real network"
)


def note(path, options):
    """A loader that tells what it was given."""
    return path, options


@pytest.mark.parametrize(
    ("name", "loader"),
    [
        ("a.tflite", "tflite:TFLiteNetwork"),
        ("a.onnx", "onnx:OnnxNetwork"),
        ("a.keras", "graph_network:load_keras_model"),
        ("a.h5", "graph_network:load_keras_model"),
        ("folder", "graph_network:load_saved_model"),
        ("folder.pb", "graph_network:load_saved_model"),
        ("graph.pb", "deeplab:load_graph"),
        ("graph.tar.gz", "deeplab:load_graph"),
        ("model.ckpt", "deeplab:load_checkpoint"),
        ("checkpoint-9", "deeplab:load_checkpoint"),
    ],
)
def test_the_format_chooses_the_loader(tmp_path, monkeypatch, name, loader):
    path, options = tmp_path / name, NetworkOptions(input_range="0..1")
    if name.startswith("folder"):
        path.mkdir()
        (path / "saved_model.pb").touch()
    monkeypatch.setattr(f"metaseg_tf.networks.formats.{loader.replace(':', '.')}", note)
    assert open_network(path, options) == (path, options)


@pytest.mark.parametrize("name", ["net.bin", "folder"])
def test_other_files_are_told_which_formats_there_are(tmp_path, name):
    (tmp_path / "net.bin").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataFormatError, match=r"expected a DeepLab checkpoint .*\.tflite"):
        open_network(tmp_path / name, DEFAULTS)


class ToyNetwork(ImageNetwork):
    """A matrix from colours in -1..1 to logits, in a file ``.toy`` that is an npz."""

    def __init__(self, path, options):
        with open_npz(path) as stored:
            self._matrix = stored.read("matrix", "f")
        pixels = NetworkInput(np.float32, options.input_range or "-1..1")
        super().__init__(Ending("logits", self._matrix.shape[1]), None, pixels)

    def run(self, pixels):
        return pixels[0] @ self._matrix


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A network in a format of its own, and its matrix: step 1 and step 2 of docs/extending.md."""
    entry = Format("a toy", f"{__name__}:ToyNetwork", (".toy",))
    monkeypatch.setattr(formats, "FORMATS", (*FORMATS, entry))
    matrix = np.random.default_rng(0).normal(size=(3, 19)).astype(np.float32)
    with open(tmp_path / "net.toy", "wb") as file:
        np.savez(file, matrix=matrix)
    return tmp_path / "net.toy", matrix


def test_a_new_format_is_one_entry_and_one_loader(toy):
    path, matrix = toy
    image = draw()
    network = load_network(path, tile=5, overlap=2)
    expected = (image / 127.5 - 1) @ matrix
    np.testing.assert_allclose(network.logits(image), expected, atol=1e-4)
    assert network.probabilities(image).sum(-1) == pytest.approx(1, abs=1e-5)
    assert load_network(path, input_range="0..1").settings.input_range == "0..1"
    assert list_formats().endswith("or a toy (.toy)")
    with pytest.raises(InputError, match="leave out output stride, scales, crop and dropout"):
        load_network(path, scales=0.5)


def test_a_run_is_extracted_through_a_new_format(toy, tmp_path):
    street = write_street(tmp_path / "street", 2)
    words = ("extract", "--network", toy[0], "--cityscapes", street, "--out", tmp_path / "run")
    words = (*words, "--tile", "48x64", "--input-range", "imagenet", "-q")
    assert CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False).exit_code == 0
    table = load_run(tmp_path / "run")
    assert set(table["image"]) == {"ulm_0", "ulm_1"}
    settings = json.loads((tmp_path / "run/run.json").read_text())["settings"]
    assert settings["network"] == "net.toy"
    asked = {"input_range": "imagenet", "tile": [48, 64], "overlap": None}
    assert settings.items() >= {"scales": [1.0], "flip": False, "crop": None, **asked}.items()


def read_real(number):
    stem = f"aachen_{number:06}_000019"
    image = REAL / f"cityscapes/leftImg8bit/train/aachen/{stem}_leftImg8bit.png"
    labels = REAL / f"cityscapes/gtFine/train/aachen/{stem}_gtFine_labelIds.png"
    train_ids = np.full(256, 255, np.uint8)
    train_ids[list(LABEL_IDS)] = np.arange(19)
    return np.asarray(Image.open(image)), train_ids[np.asarray(Image.open(labels))]


@needs_real_data
@pytest.mark.parametrize("number", [0, pytest.param(3, marks=pytest.mark.long)])
def test_a_real_network_in_tiles_is_right_on_real_images(number):
    image, gt = read_real(number)
    probs = load_network(NETWORK, tile=513, overlap=64).probabilities(image)
    assert probs.shape == (1024, 2048, 19)
    valid = gt != 255
    assert (probs.argmax(-1) == gt)[valid].mean() >= 0.95


@needs_real_data
def test_errors_of_real_use_are_one_line():
    image, _ = read_real(0)
    network = load_network(NETWORK)
    with pytest.raises(
        ShapeError, match=r"at most 513x513 pixels .*, got 1024x2048.*--tile 513x513"
    ):
        network.probabilities(image)
    assert network.probabilities(image[:257, :257]).shape == (257, 257, 19)
    with pytest.raises(InputError, match=r"expected 513x513, the one size .*, got 257x257"):
        load_network(NETWORK, tile=257)
    with pytest.raises(InputError, match="overlap < tile"):
        load_network(NETWORK, tile=513, overlap=513)
