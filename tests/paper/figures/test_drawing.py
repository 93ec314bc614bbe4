import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from scenes import make_scene

from metaseg_tf import segment_metrics
from metaseg_tf.data.classes import CITYSCAPES, ClassTable
from metaseg_tf.errors import InputError
from metaseg_tf.paper.figures import drawing
from metaseg_tf.pictures import UNKNOWN, interpolate_colours
from metaseg_tf.runs.run import Run

SEGMENTS = np.kron([[1, 2], [0, 3]], np.ones((6, 6), int)).astype(np.int32)


def test_the_style_is_in_force_within_only():
    mpl.rcParams["font.size"] = 31
    with drawing.styled():
        assert mpl.rcParams["font.size"] == 9
    assert mpl.rcParams["font.size"] == 31
    mpl.rcParams["font.size"] = mpl.rcParamsDefault["font.size"]


def test_the_user_s_backend_stays_so_that_a_notebook_goes_on_showing_figures():
    before = mpl.rcParams["backend"]
    try:
        mpl.rcParams["backend"] = "svg"
        with drawing.styled():
            drawing.new_figure(1, 1)
        assert mpl.rcParams["backend"] == "svg"
    finally:
        mpl.rcParams["backend"] = before


def test_line_colours_are_distinct():
    colours = np.array([to_rgb(colour) for colour in drawing.LINE_COLOURS])
    distances = np.abs(colours[:, None] - colours).sum(-1)
    assert (distances[np.triu_indices(len(colours), 1)] > 0.3).all()


@pytest.mark.parametrize("n", [0, 1, 100, 45_000, 10**7])
def test_dots_stay_visible(n):
    assert 0.08 <= drawing.point_alpha(n) <= 0.7
    assert 2 <= drawing.point_area(n) <= 10


def test_segments_have_the_colours_of_their_values():
    picture = drawing.paint_ious(SEGMENTS, pd.Series({1: 0.0, 2: 1.0}))
    expected = interpolate_colours(np.array([0.0, 1.0]))
    np.testing.assert_array_equal(picture[2, [2, 9]], expected)
    assert mpl.colors.to_hex(picture[9, 9] / 255) == UNKNOWN
    assert (picture[9, 2] == 255).all()


def test_the_colour_bar_has_the_colours_of_the_segments():
    values = np.linspace(0, 1, 9)
    bar = drawing.iou_scale().to_rgba(values)[:, :3] * 255
    assert np.abs(bar - interpolate_colours(values)).max() < 2


def labels(*maps):
    return [patch.get_label() for patch in drawing.class_patches(maps)]


def test_legends_name_the_classes_that_occur():
    gt, pred = np.array([[0, 255]], np.uint8), np.array([[13]], np.uint8)
    assert labels((pred, CITYSCAPES), (gt, CITYSCAPES)) == ["road", "car", "no ground truth"]


def test_legends_tell_tables_apart_that_share_ids():
    other = ClassTable(("road", "tree"), CITYSCAPES.colours[:2])
    pixels = np.array([[0, 1]], np.uint8)
    expected = ["road", "sidewalk", "tree", "no ground truth"]
    assert labels((pixels, CITYSCAPES), (pixels, other)) == expected


@pytest.mark.parametrize("n_classes", [2, 19, 21, 22, 150, 254])
def test_legends_name_the_largest_classes_and_count_the_others(n_classes):
    # The class j covers j + 1 pixels.
    pixels = np.repeat(np.arange(n_classes), np.arange(1, n_classes + 1)).astype(np.uint8)
    *named, last, _ = labels((pixels[None], ClassTable.numbered(n_classes)))
    if n_classes <= 21:
        assert [*named, last] == [f"class {j}" for j in range(n_classes)]
    else:
        assert named == [f"class {j}" for j in range(n_classes - 20, n_classes)]
        assert last == f"and {n_classes - 20} other classes"


def test_legends_fit_their_figure_whatever_the_names():
    longest = ClassTable(tuple(f"{j} of {'a very long name, ' * 5}" for j in range(150)))
    pixels = np.arange(150, dtype=np.uint8)[None]
    with drawing.styled():
        for width, classes in ((4.8, longest), (10, longest), (4.8, CITYSCAPES)):
            figure = drawing.new_figure(width, 3)
            figure.subplots()
            drawing.add_legend(figure, drawing.class_patches([(pixels, classes)]))
            figure.draw_without_rendering()
            box, page = figure.legends[0].get_window_extent(), figure.bbox
            assert box.x0 >= page.x0
            assert box.x1 <= page.x1
            assert figure.axes[0].get_position().height * page.height > 1.8 * figure.dpi


@pytest.mark.parametrize("name", ["$x^2$ and $", r"$\broken{$", "a_b^c", "5 $"])
def test_names_are_not_taken_for_mathematics(ax, name):
    text = ax.set_title(drawing.plain(name))
    ax.figure.draw_without_rendering()
    assert text.get_text().replace(r"\$", "$") == name


def test_large_segments_bear_their_names_inside(ax):
    class_ids = pd.Series({1: 0, 2: 13, 3: 8})
    texts = drawing.name_segments(ax, SEGMENTS, class_ids, CITYSCAPES.names)
    assert {t.get_text() for t in texts} == {"road", "car", "vegetation"}
    for text in texts:
        column, row = (int(x) for x in text.get_position())
        assert CITYSCAPES.names[class_ids[SEGMENTS[row, column]]] == text.get_text()


def test_names_do_not_overlap(ax):
    stripes = np.repeat(np.arange(1, 41, dtype=np.int32)[None], 50, axis=0)
    class_ids = pd.Series(dict.fromkeys(range(1, 41), 0))
    texts = drawing.name_segments(ax, stripes, class_ids, CITYSCAPES.names)
    places = np.array([text.get_position() for text in texts])
    for i, place in enumerate(places):
        apart = np.abs(places[i + 1 :] - place) >= [0.2 * 40 - 1e-9, 0.08 * 50 - 1e-9]
        assert apart.any(axis=1).all()


def test_titles_are_the_papers_networks_by_the_manifest_and_not_by_the_folder(run, tmp_path):
    assert drawing.title_of(run) == "XC"
    settings = {"source": "cityscapes", "split": "val", "network": "xception65"}
    papers = Run.create(tmp_path / "mine", settings)
    papers.manifest.results = {"images": 500}
    assert drawing.title_of(papers) == "DeepLabv3+ Xception65"


def test_false_positives_are_counted_by_image(table):
    counts = drawing.count_false_positives(table)
    for image, own in table.groupby("image"):
        assert counts[image] == ((own["iou_adj"] == 0) & (own["S_in"] > 0)).sum()


def test_the_best_rated_image_with_maps_is_chosen(runs):
    rated = pd.Series({"image5": 9.0, "image1": 5.0, "image0": 5.0, "image2": 1.0})
    assert drawing.choose_image(runs, None, lambda: rated) == "image0"
    assert drawing.choose_image(runs, "image4", lambda: rated) == "image4"
    with pytest.raises(InputError, match="--keep-maps"):
        drawing.choose_image(runs, None, lambda: rated.iloc[:1])


def test_a_run_without_ground_truth_is_refused(tmp_path):
    run = Run.create(tmp_path / "run", {})
    run.write_segments("a", segment_metrics(make_scene()[0]))
    with pytest.raises(InputError, match=r"run: expected .* extract with ground truth first"):
        drawing.load_judged(run)
