import shutil
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import _pylab_helpers

from metaseg_tf.errors import DataFormatError, InputError
from metaseg_tf.paper.figures import FIGURES, make_figure
from metaseg_tf.runs.run import Run, load_run

OF_IMAGE = [number for number, entry in FIGURES.items() if "image" in entry.takes]


@pytest.mark.parametrize("number", FIGURES)
def test_a_figure_is_stored_as_png_pdf_and_csv(runs, number):
    before = dict(mpl.rcParams)
    paths = make_figure(number, runs if FIGURES[number].joint else runs[:1])
    assert {path.suffix for path in paths} == {".png", ".pdf", ".csv"}
    assert all(path.parent == runs[0].path / "figures" for path in paths)
    starts = {".png": b"\x89PNG", ".pdf": b"%PDF"}
    for path in paths:
        assert path.read_bytes().startswith(starts.get(path.suffix, b""))
    assert all(len(pd.read_csv(p)) > 0 for p in paths if p.suffix == ".csv")
    assert dict(mpl.rcParams) == before
    assert not _pylab_helpers.Gcf.figs


def test_each_run_has_its_own_where_a_figure_shows_one(runs):
    names = {path.name for path in make_figure(7, runs)}
    assert {"figure7.png", "figure7.csv", "figure7_MN.png", "figure7_MN.csv"} <= names


def test_the_same_data_give_the_same_files(run):
    first = [path.read_bytes() for path in make_figure(3, [run])]
    assert first == [path.read_bytes() for path in make_figure(3, [run])]


@pytest.mark.parametrize("number", [0, 8])
def test_an_unknown_figure_is_refused(run, number):
    with pytest.raises(InputError, match=f"expected one of 1, 2, .* got {number}"):
        make_figure(number, [run])


def test_an_image_is_refused_where_none_is_shown(run):
    with pytest.raises(InputError, match=r"figure 3 does not show a single image.*2, 5, 7"):
        make_figure(3, [run], image="image0")


@pytest.mark.parametrize("number", OF_IMAGE)
def test_an_image_without_maps_is_refused(run, number):
    with pytest.raises(InputError, match="--keep-maps"):
        make_figure(number, [run], image="image5")


def test_runs_of_one_name_are_refused(run):
    with pytest.raises(InputError, match="different names, got XC, XC"):
        make_figure(3, [run, run])
    with pytest.raises(InputError, match="got none"):
        make_figure(3, [])


@pytest.fixture
def changed(run, tmp_path):
    """Make a run without maps from the run's tables, changed."""

    def change(**columns):
        made = Run.create(tmp_path / "changed", {})
        for image, part in load_run(run.path).assign(**columns).groupby("image"):
            made.write_segments(image, part.drop(columns="image"))
        return made

    return change


@pytest.mark.parametrize("number", OF_IMAGE)
def test_a_run_without_maps_is_refused_with_the_remedy(changed, number):
    with pytest.raises(InputError, match=r"changed.*--keep-maps"):
        make_figure(number, [changed()])


@pytest.fixture
def copied(run, tmp_path):
    """A copy of the run, to be spoiled."""
    shutil.copytree(run.path, tmp_path / "XC")
    return Run(tmp_path / "XC")


@pytest.mark.parametrize("number", OF_IMAGE)
def test_segments_that_the_table_does_not_know_bear_no_name(copied, number):
    maps = copied.load_maps("image1")
    copied.write_maps("image1", replace(maps, segments=np.full_like(maps.segments, 2000)))
    make_figure(number, [copied], image="image1")


@pytest.mark.parametrize("number", OF_IMAGE)
def test_segments_that_come_twice_are_refused(copied, number):
    table = load_run(copied.path).query("image == 'image1'").drop(columns="image")
    copied.write_segments("image1", table.assign(segment=np.int32(1)))
    with pytest.raises(DataFormatError, match="image1: expected each segment once"):
        make_figure(number, [copied], image="image1")


@pytest.mark.parametrize("number", [5, 7])
def test_maps_without_ground_truth_are_refused_where_it_is_shown(copied, number):
    copied.write_maps("image1", replace(copied.load_maps("image1"), gt=None))
    with pytest.raises(DataFormatError, match="maps of 'image1' with ground truth"):
        make_figure(number, [copied], image="image1")


def test_networks_of_several_numbers_of_classes_are_drawn_side_by_side(copied, tmp_path):
    other = Run.create(tmp_path / "MN", {})
    table = load_run(copied.path)
    for image, part in table.assign(class_id=6, cprob5=0.0, cprob6=0.0).groupby("image"):
        other.write_segments(image, part.drop(columns="image"))
    maps = copied.load_maps("image1")
    other.write_maps("image1", replace(maps, pred=np.full_like(maps.pred, 6)))
    make_figure(2, [copied, other], image="image1")


@pytest.mark.parametrize("number", [3, 4])
def test_constant_columns_are_drawn(changed, number):
    run = changed(E_bd=0.5, cprob2=0.0, S_rel=2.0)
    assert all(map(len, FIGURES[number].draw([run]).frames.values()))


@pytest.mark.parametrize(
    ("number", "value", "words"),
    [(3, 1.0, "one value"), (4, 1.0, "outcome"), (4, 0.0, "outcome")],
)
def test_a_single_outcome_is_refused_in_words(changed, number, value, words):
    with pytest.raises(InputError, match=words):
        make_figure(number, [changed(iou_adj=value, iou=value)])


def test_a_single_outcome_has_scatter_plots_without_rho(changed):
    drawing = FIGURES[6].draw([changed(iou_adj=0.0)])
    assert drawing.frames["rho"]["rho"].isna().all()


def test_a_run_without_segments_is_refused(tmp_path):
    empty = Run.create(tmp_path / "empty", {})
    for number in range(2, 8):
        with pytest.raises(InputError, match="no pixel of any image has ground truth"):
            make_figure(number, [empty])
