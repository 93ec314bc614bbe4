"""Data sets on disk: the layout of Cityscapes, resumable, complete files only."""

import numpy as np
import pytest
from PIL import Image

from metaseg_tf.demo.streetscenes import VALIDATION, Scene, draw_scene, write_dataset
from metaseg_tf.errors import InputError, RunError
from metaseg_tf.runs import storage

SIZE = (48, 64)
FLAT = Scene(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8))


def write(root, n_images=2, **settings):
    settings = {"split": "val", "seed": 10, "size": SIZE, **settings}
    return list(write_dataset(root, n_images=n_images, **settings))


def files(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_names_are_those_of_cityscapes(tmp_path):
    images = write(tmp_path, city="testville")
    assert files(tmp_path) == [
        "gtFine/val/testville/testville_000000_000019_gtFine_labelIds.png",
        "gtFine/val/testville/testville_000001_000019_gtFine_labelIds.png",
        "leftImg8bit/val/testville/testville_000000_000019_leftImg8bit.png",
        "leftImg8bit/val/testville/testville_000001_000019_leftImg8bit.png",
    ]
    assert [str(path.relative_to(tmp_path)) for path in images] == files(tmp_path)[2:]


def test_files_hold_the_scenes_of_their_seeds(tmp_path):
    image = write(tmp_path, conditions=VALIDATION)[1]
    labels = tmp_path / "gtFine/val/synthville/synthville_000001_000019_gtFine_labelIds.png"
    scene = draw_scene(11, size=SIZE, conditions=VALIDATION)
    np.testing.assert_array_equal(np.array(Image.open(image)), scene.image)
    np.testing.assert_array_equal(np.array(Image.open(labels)), scene.labels)
    assert Image.open(labels).mode == "L"


def test_a_second_call_only_draws_what_is_missing(tmp_path):
    first, second = write(tmp_path)
    kept = first.stat().st_mtime_ns
    content = second.read_bytes()
    second.unlink()
    write(tmp_path)
    assert first.stat().st_mtime_ns == kept
    assert second.read_bytes() == content


def test_each_scene_is_there_when_it_is_yielded(tmp_path):
    progress = write_dataset(tmp_path, split="train", n_images=3, seed=0, size=SIZE)
    assert next(progress).exists()
    assert len(files(tmp_path)) == 2


def test_an_interrupted_write_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(*_args, **_settings):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage.os, "fsync", fail)
    monkeypatch.setattr("metaseg_tf.demo.streetscenes.dataset.draw_scene", lambda *_a, **_s: FLAT)
    with pytest.raises(RunError, match="No space left on device"):
        write(tmp_path)
    assert files(tmp_path) == []


FLAT = type(
    "Flat", (), {"image": np.zeros((8, 8, 3), np.uint8), "labels": np.zeros((8, 8), np.uint8)}
)


def test_a_file_in_place_of_the_folder_is_reported(tmp_path):
    (tmp_path / "gtFine").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        write(tmp_path)


def test_nothing_is_written_through_a_link(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "gtFine").symlink_to(tmp_path / "mine")
    with pytest.raises(RunError, match="got a link"):
        write(tmp_path / "set")
    assert files(tmp_path) == []


@pytest.mark.parametrize("n_images", [0, -1, 1_000_001])
def test_a_senseless_number_is_refused(tmp_path, n_images):
    with pytest.raises(InputError, match="n_images: expected"):
        write(tmp_path, n_images)
