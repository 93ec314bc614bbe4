"""Scenes: repeatable, full of all classes, image and labels in step; data sets of them on disk."""

import numpy as np
import pytest
from PIL import Image

from metaseg_tf.demo.streetscenes import (
    MIN_SIZE,
    TRAINING,
    VALIDATION,
    Scene,
    draw_scene,
    write_dataset,
)
from metaseg_tf.demo.streetscenes.canvas import LABEL_IDS
from metaseg_tf.errors import InputError, RunError
from metaseg_tf.runs import storage

EVALUATED = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign",
    "vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "train",
    "motorcycle", "bicycle",
)  # fmt: skip


@pytest.fixture(scope="module")
def scenes():
    return [draw_scene(seed, size=(128, 256)) for seed in range(40)]


def share(scenes, name):
    return np.mean([np.mean(scene.labels == LABEL_IDS[name]) for scene in scenes])


def test_the_same_seed_gives_the_same_scene():
    for first, second in zip(
        draw_scene(7, size=(64, 96)), draw_scene(7, size=(64, 96)), strict=True
    ):
        np.testing.assert_array_equal(first, second)


def test_another_seed_gives_another_scene(scenes):
    assert np.mean(scenes[0].labels != scenes[1].labels) > 0.05


@pytest.mark.parametrize("size", [MIN_SIZE, (64, 64), (97, 131), (200, 90), (256, 512)])
def test_any_size(size):
    image, labels = draw_scene(1, size=size)
    assert image.shape == (*size, 3)
    assert labels.shape == size
    assert image.dtype == labels.dtype == np.uint8
    assert image.flags.c_contiguous
    assert labels.flags.c_contiguous


def test_a_larger_size_shows_the_same_street(scenes):
    large = draw_scene(5, size=(256, 512)).labels[::2, ::2]
    assert np.mean(large == scenes[5].labels) > 0.9


def test_all_labels_are_those_of_cityscapes(scenes):
    assert set(np.unique([scene.labels for scene in scenes])) <= set(LABEL_IDS.values())


@pytest.mark.parametrize("name", EVALUATED)
def test_every_class_appears(scenes, name):
    assert share(scenes, name) > 0


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("road", 0.25, 0.45),
        ("building", 0.12, 0.35),
        ("vegetation", 0.05, 0.25),
        ("sky", 0.01, 0.12),
        ("car", 0.02, 0.12),
        ("person", 0.002, 0.03),
        ("pole", 0.005, 0.03),
    ],
)
def test_frequencies_are_those_of_a_street(scenes, name, low, high):
    assert low < share(scenes, name) < high


def test_void_frames_the_image_and_the_own_car_lies_below(scenes):
    for _, labels in scenes:
        assert (labels[0] == LABEL_IDS["out of roi"]).all()
        assert (labels[:, -1] == LABEL_IDS["out of roi"]).all()
        assert labels[-4, labels.shape[1] // 2] == LABEL_IDS["ego vehicle"]


def test_sky_is_brighter_than_road_and_grass_is_green(scenes):
    def colour(name):
        return np.mean([s.image[s.labels == LABEL_IDS[name]].sum(0) for s in scenes], 0)

    def mean(name):
        return colour(name) / np.mean([np.sum(s.labels == LABEL_IDS[name]) for s in scenes])

    assert mean("sky").mean() > mean("road").mean() + 30
    assert mean("terrain")[1] > mean("terrain")[[0, 2]].max()


def test_edges_of_the_image_lie_on_edges_of_the_labels(scenes):
    """Were image and labels one pixel apart, the steps beside label edges would be as large."""

    def step_at_edges(image, labels):
        change = np.abs(np.diff(image.astype(float).mean(-1), axis=1))
        return change[np.diff(labels.astype(int), axis=1) != 0].mean()

    at = np.mean([step_at_edges(s.image, s.labels) for s in scenes])
    beside = [np.mean([step_at_edges(np.roll(s.image, by, 1), s.labels) for s in scenes])
              for by in (-1, 1)]  # fmt: skip
    assert at > 1.2 * max(beside)


def test_validation_is_harder_to_read(scenes):
    easy = scenes[:24]
    hard = [draw_scene(seed, size=(128, 256), conditions=VALIDATION) for seed in range(24)]

    def contrast(drawn):
        return np.mean([scene.image.mean(-1).std() for scene in drawn])

    assert contrast(hard) < 0.85 * contrast(easy)
    assert np.mean([s.image.mean() for s in hard]) < np.mean([s.image.mean() for s in easy])
    assert share(hard, "person") > share(easy, "person")


@pytest.mark.parametrize("size", [(31, 64), (64, 31), (0, 0)])
def test_too_small_a_size_is_refused(size):
    with pytest.raises(InputError, match="size: expected"):
        draw_scene(0, size=size, conditions=TRAINING)


def test_a_negative_seed_is_refused():
    with pytest.raises(InputError, match="seed: expected"):
        draw_scene(-1)


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


def test_two_that_begin_at_either_end_draw_the_same(tmp_path):
    there, back = write(tmp_path / "there"), write(tmp_path / "back", step=-1)
    assert [path.name for path in back] == [path.name for path in reversed(there)]
    assert [path.read_bytes() for path in back] == [path.read_bytes() for path in reversed(there)]


def test_each_scene_is_there_when_it_is_yielded(tmp_path):
    progress = write_dataset(tmp_path, split="train", n_images=3, seed=0, size=SIZE)
    assert next(progress).exists()
    assert len(files(tmp_path)) == 2


def test_an_interrupted_write_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(*_args, **_settings):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage.os, "fsync", fail)
    monkeypatch.setattr("metaseg_tf.demo.streetscenes.scene.draw_scene", lambda *_a, **_s: FLAT)
    with pytest.raises(RunError, match="No space left on device"):
        write(tmp_path)
    assert files(tmp_path) == []


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
