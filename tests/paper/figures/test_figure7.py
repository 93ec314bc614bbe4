import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from metaseg_tf.data.classes import ClassTable
from metaseg_tf.paper.figures import figure7

CLASSES = ClassTable.numbered(5)


def test_neither_slivers_nor_slight_differences_are_telling():
    table = pd.DataFrame(
        [
            {"S": 4, "S_in": 1, "iou_adj": 1.0, "iou": 0.0},
            {"S": 800_000, "S_in": 1, "iou_adj": 0.97, "iou": 0.95},
            {"S": 2000, "S_in": 1, "iou_adj": 0.9, "iou": 0.2},
            {"S": 9000, "S_in": 0, "iou_adj": 0.9, "iou": 0.0},
        ]
    )
    assert figure7.difference(table).idxmax() == 2
    assert figure7.difference(table)[3] == 0


def test_the_frame_begins_with_the_crucial_segment(table):
    segments = figure7.frame(table, "image1", CLASSES)
    own = table[(table["image"] == "image1") & (table["S_in"] > 0)]
    worst = own.loc[((own["iou_adj"] - own["iou"]) * np.log(own["S"])).idxmax()]
    assert segments["segment"].iloc[0] == worst["segment"]
    assert len(segments) == (table["image"] == "image1").sum()


@st.composite
def boxes(draw):
    height, width = (draw(st.integers(2, 60)) for _ in range(2))
    top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    bottom, right = draw(st.integers(top + 1, height)), draw(st.integers(left + 1, width))
    return (top, left, bottom, right), (height, width)


@given(boxes(), st.integers(1, 80))
def test_windows_lie_in_the_image_around_the_boxs_middle(case, side):
    box, shape = case
    window = figure7.window_around(box, shape, side)
    for axis, span in enumerate(window):
        assert 0 <= span.start < span.stop <= shape[axis]
        assert span.stop - span.start == min(side, shape[axis])
        assert span.start <= (box[axis] + box[axis + 2]) // 2 <= span.stop


def test_five_panels_with_the_detail_marked(run, table):
    maps, segments = run.load_maps("image1"), figure7.frame(table, "image1", CLASSES)
    axes = Figure().subplots(5)
    artists = figure7.plot(segments, maps, CLASSES.palette, axes)
    adjusted, iou, gt, detail_pred, detail_gt, *marks = artists
    assert (
        adjusted.get_array().shape == iou.get_array().shape == gt.get_array().shape == (40, 40, 3)
    )
    (left, top), side = marks[2].get_xy(), marks[2].get_height()
    part = gt.get_array()[int(top + 0.5) :, int(left + 0.5) :][: int(side), : int(side)]
    np.testing.assert_array_equal(detail_gt.get_array(), part)
    assert detail_pred.get_array().shape == part.shape


def test_the_most_telling_image_is_chosen(run, table):
    kept = table[table["image"] != "image5"]
    expected = kept.loc[figure7.difference(kept).idxmax(), "image"]
    assert expected in figure7.draw([run]).figure.get_suptitle()
