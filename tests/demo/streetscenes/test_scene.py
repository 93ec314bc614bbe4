"""Scenes as a whole: repeatable, well-formed, full of all classes, image and labels in step."""

import numpy as np
import pytest

from metaseg_tf.demo.streetscenes import MIN_SIZE, TRAINING, VALIDATION, draw_scene, draw_scenes
from metaseg_tf.demo.streetscenes.labels import LABEL_IDS
from metaseg_tf.errors import InputError

EVALUATED = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign",
    "vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "train",
    "motorcycle", "bicycle",
)  # fmt: skip


@pytest.fixture(scope="module")
def scenes():
    return list(draw_scenes(range(40), size=(128, 256)))


def share(scenes, name):
    return np.mean([np.mean(scene.labels == LABEL_IDS[name]) for scene in scenes])


def test_the_same_seed_gives_the_same_scene():
    for first, second in zip(
        draw_scene(7, size=(64, 96)), draw_scene(7, size=(64, 96)), strict=True
    ):
        np.testing.assert_array_equal(first, second)


def test_another_seed_gives_another_scene(scenes):
    assert np.mean(scenes[0].labels != scenes[1].labels) > 0.05


def test_draw_scenes_draws_each_seed(scenes):
    np.testing.assert_array_equal(scenes[3].image, draw_scene(3, size=(128, 256)).image)


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
    hard = list(draw_scenes(range(24), size=(128, 256), conditions=VALIDATION))

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
