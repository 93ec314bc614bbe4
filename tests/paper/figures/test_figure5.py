import numpy as np
import pytest
from matplotlib.figure import Figure

from metaseg_tf.data.classes import ClassTable
from metaseg_tf.errors import InputError
from metaseg_tf.paper.figures import figure3, figure5
from metaseg_tf.pictures import interpolate_colours, overlay_classes

CLASSES = ClassTable.numbered(5)


def test_only_analysed_segments_have_a_prediction(evaluation, table):
    segments, own = (
        figure5.frame(evaluation, table, "image1", CLASSES),
        table[table["image"] == "image1"],
    )
    np.testing.assert_array_equal(segments["segment"], own["segment"])
    np.testing.assert_array_equal(segments["predicted"].notna(), own["S_in"] > 0)
    predicted = figure3.frame(evaluation, table).query("image == 'image1'")["predicted"]
    np.testing.assert_array_equal(segments["predicted"].dropna(), predicted)


def test_segments_are_painted_by_their_values(run, evaluation, table):
    maps, segments = run.load_maps("image1"), figure5.frame(evaluation, table, "image1", CLASSES)
    axes = Figure().subplots(2, 2).ravel()
    true, predicted, gt, pred, *_ = (
        artist.get_array() if hasattr(artist, "get_array") else artist
        for artist in figure5.plot(segments, maps, CLASSES, axes)
    )
    row = segments.dropna().nlargest(1, "S").iloc[0]
    inside = maps.segments == row["segment"]
    for picture, value in ((true, row["iou_adj"]), (predicted, np.clip(row["predicted"], 0, 1))):
        colour = interpolate_colours(value)
        assert (picture[inside] == colour).all(axis=1).mean() > 0.5
        assert (picture[maps.segments == 0] >= 89).all()
    np.testing.assert_array_equal(gt, overlay_classes(maps.gt, CLASSES.palette, maps.image))
    np.testing.assert_array_equal(pred, overlay_classes(maps.pred, CLASSES.palette, maps.image))


def test_an_image_without_segments_is_refused(evaluation, table):
    with pytest.raises(InputError, match="choose another --image"):
        figure5.frame(evaluation, table, "nowhere", CLASSES)


def test_four_panels_and_a_scale(run):
    titles = [ax.get_title() for ax in figure5.draw([run]).figure.axes]
    assert [title.split()[0] for title in titles[:4]] == [
        "true",
        "predicted",
        "ground",
        "predicted",
    ]
    assert len(titles) == 5
