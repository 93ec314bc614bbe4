import matplotlib as mpl
import numpy as np
import pandas as pd

from metaseg_tf.data.cityscapes import CLASSES, PALETTE
from metaseg_tf.paper.figures import painting
from metaseg_tf.paper.figures.style import IOU_MAP, UNKNOWN

SEGMENTS = np.kron([[1, 2], [0, 3]], np.ones((6, 6), int)).astype(np.int32)


def test_classes_lie_over_the_photograph_and_void_is_white():
    classes = np.array([[0, 10, 255]], np.uint8)
    np.testing.assert_array_equal(
        painting.overlay_classes(classes, None), [[*PALETTE[[0, 10]], [255, 255, 255]]]
    )
    photograph = np.full((1, 3, 3), 100, np.uint8)
    mixed = painting.overlay_classes(classes, photograph)
    np.testing.assert_array_equal(mixed[0, 0], np.round(0.65 * PALETTE[0] + 35))
    assert (mixed[0, 2] == 255).all()


def test_segments_have_the_colours_of_their_values():
    picture = painting.paint_values(SEGMENTS, pd.Series({1: 0.0, 2: 1.0, 3: np.nan}))
    colours = mpl.colormaps[IOU_MAP]([0.0, 1.0])[:, :3] * 255
    np.testing.assert_array_equal(picture[2, 2], colours[0].round())
    np.testing.assert_array_equal(picture[2, 9], colours[1].round())
    assert mpl.colors.to_hex(picture[9, 9] / 255).upper() == UNKNOWN
    assert (picture[9, 2] == 255).all()
    assert picture[2, 5].sum() < picture[2, 4].sum() / 2


def test_segments_without_a_value_are_grey():
    picture = painting.paint_values(SEGMENTS, pd.Series({1: 0.5}))
    assert mpl.colors.to_hex(picture[2, 9] / 255).upper() == UNKNOWN


def test_legends_name_the_classes_that_occur():
    patches = painting.class_patches(
        [np.array([[0, 255]], np.uint8), np.array([[13]], np.uint8)], CLASSES
    )
    assert [p.get_label() for p in patches] == ["road", "car", "no ground truth"]


def test_large_segments_bear_their_names_inside(ax):
    class_ids = pd.Series({1: 0, 2: 13, 3: 8})
    texts = painting.name_segments(ax, SEGMENTS, class_ids, CLASSES)
    assert {t.get_text() for t in texts} == {"road", "car", "vegetation"}
    for text in texts:
        column, row = (int(x) for x in text.get_position())
        assert CLASSES[class_ids[SEGMENTS[row, column]]] == text.get_text()


def test_names_do_not_overlap(ax):
    stripes = np.repeat(np.arange(1, 41, dtype=np.int32)[None], 50, axis=0)
    class_ids = pd.Series(dict.fromkeys(range(1, 41), 0))
    texts = painting.name_segments(ax, stripes, class_ids, CLASSES)
    places = np.array([text.get_position() for text in texts])
    for i, place in enumerate(places):
        apart = np.abs(places[i + 1 :] - place) >= [0.2 * 40 - 1e-9, 0.08 * 50 - 1e-9]
        assert apart.any(axis=1).all()
