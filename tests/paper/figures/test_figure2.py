import numpy as np
from matplotlib.figure import Figure

from metaseg_tf.data.classes import ClassTable
from metaseg_tf.paper.figures import figure2
from metaseg_tf.runs.run import load_run

CLASSES = ClassTable.numbered(5)


def test_the_frame_holds_the_images_segments_by_network(runs):
    tables = {run.name: load_run(run.path) for run in runs}
    segments = figure2.frame(tables, "image2", dict.fromkeys(tables, CLASSES))
    for name, table in tables.items():
        own, expected = segments[segments["network"] == name], table[table["image"] == "image2"]
        np.testing.assert_array_equal(own["D"], expected["D"])
        assert list(own["class_name"]) == [f"class {j}" for j in expected["class_id"]]


def test_panels_show_classes_and_heat(run, table):
    maps = run.load_maps("image2")
    upper, lower = Figure().subplots(2, 1)
    segments = figure2.frame({"XC": table}, "image2", {"XC": CLASSES})
    picture, heat, *_ = figure2.plot(segments, maps, CLASSES, upper, lower)
    assert (picture.get_array()[maps.pred == 255] == 255).all()
    np.testing.assert_array_equal(heat.get_array(), maps.difference)


def test_the_image_with_most_false_positives_is_shown(runs, table):
    false = table[(table["iou_adj"] == 0) & (table["S_in"] > 0) & (table["image"] != "image5")]
    counts = false.groupby("image").size()
    drawing = figure2.draw(runs)
    assert drawing.figure.axes[0].get_title() == counts.idxmax()
    assert len(figure2.draw(runs, image="image3").frames[""].query("network == 'MN'")) > 0


def test_a_single_run_without_photograph_or_truth(tmp_path):
    from dataclasses import replace

    from scenes import make_scene

    from metaseg_tf import segment_metrics
    from metaseg_tf.runs.image_maps import ImageMaps
    from metaseg_tf.runs.run import Run
    from metaseg_tf.segments.table import measure_image

    run, probs = Run.create(tmp_path / "run", {}), make_scene()[0]
    measured = measure_image(probs)
    heat = measured.heat
    run.write_segments("a", segment_metrics(probs))
    maps = ImageMaps(heat.pred, measured.segments, heat.entropy, heat.difference)
    run.write_maps("b", replace(maps, mutual_information=heat.entropy / 9))
    run.write_segments("b", segment_metrics(probs))
    run.write_maps("a", replace(maps, gt=None))
    drawing = figure2.draw([run], image="a")
    assert len(drawing.frames[""]) == len(measured.table)
    assert len(drawing.figure.axes) == 3
    *_, information, _, bar = figure2.draw([run], image="b").figure.axes
    (shown,) = information.images
    np.testing.assert_allclose(shown.get_array(), heat.entropy / 9, atol=1 / 500)
    assert (shown.get_clim(), bar.get_ylabel()) == ((0, 0.25), "$I_z$")
