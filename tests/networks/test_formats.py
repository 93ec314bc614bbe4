"""The door to other networks, and the real one behind it on real images."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from metaseg_tf.errors import DataFormatError, InputError, ShapeError
from metaseg_tf.networks.formats import (
    is_other_format,
    keras_model,
    open_network,
    saved_model,
    tflite,
)

REAL = Path(os.environ.get("METASEG_TF_REAL_DATA", "not-there"))
NETWORK = REAL / "network" / "deeplab_mobilenet_edgetpu_slim_cityscapes_quant.tflite"
#: labelIds of Cityscapes in the order of their train ids.
LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)

needs_real_data = pytest.mark.skipif(
    not NETWORK.is_file(), reason="set METASEG_TF_REAL_DATA to real images and a real network"
)


@pytest.mark.parametrize(
    ("name", "home", "loader"),
    [
        ("a.tflite", tflite, "TFLiteNetwork"),
        ("a.keras", keras_model, "load_keras_model"),
        ("a.h5", keras_model, "load_keras_model"),
        ("folder", saved_model, "load_saved_model"),
    ],
)
def test_the_format_chooses_the_loader(tmp_path, monkeypatch, name, home, loader):
    path = tmp_path / name
    if not path.suffix:
        path.mkdir()
        (path / "saved_model.pb").touch()
    monkeypatch.setattr(home, loader, lambda path, input_range: (path, input_range))
    assert is_other_format(path)
    assert open_network(path, input_range="0..1") == (path, "0..1")


@pytest.mark.parametrize("name", ["graph.pb", "graph.tar.gz", "model.ckpt", "mobilenetv2"])
def test_deeplab_s_own_files_go_through_another_door(tmp_path, name):
    assert not is_other_format(tmp_path / name)
    with pytest.raises(DataFormatError, match="opened by load_network"):
        open_network(tmp_path / name)


def read_real(number):
    stem = f"aachen_{number:06}_000019"
    image = REAL / f"cityscapes/leftImg8bit/train/aachen/{stem}_leftImg8bit.png"
    labels = REAL / f"cityscapes/gtFine/train/aachen/{stem}_gtFine_labelIds.png"
    train_ids = np.full(256, 255, np.uint8)
    train_ids[list(LABEL_IDS)] = np.arange(19)
    return np.asarray(Image.open(image)), train_ids[np.asarray(Image.open(labels))]


@needs_real_data
@pytest.mark.parametrize("number", [0, 3])
def test_a_real_network_in_tiles_is_right_on_real_images(number):
    image, gt = read_real(number)
    probs = open_network(NETWORK, tile=513, overlap=64).probabilities(image)
    assert probs.shape == (1024, 2048, 19)
    valid = gt != 255
    assert (probs.argmax(-1) == gt)[valid].mean() >= 0.95


@needs_real_data
def test_errors_of_real_use_are_one_line():
    image, _ = read_real(0)
    network = open_network(NETWORK)
    with pytest.raises(
        ShapeError, match=r"at most 513x513 pixels .*, got 1024x2048.*--tile 513x513"
    ):
        network.probabilities(image)
    assert network.probabilities(image[:257, :257]).shape == (257, 257, 19)
    with pytest.raises(InputError, match=r"expected 513x513, the one size .*, got 257x257"):
        open_network(NETWORK, tile=257)
    with pytest.raises(InputError, match="overlap < tile"):
        open_network(NETWORK, tile=513, overlap=513)
