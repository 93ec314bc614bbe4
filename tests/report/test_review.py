"""The queue of labels as a page in a real browser, and its decisions on the way back."""

import csv
import io
import json
from dataclasses import replace

import browsing
import numpy as np
import pandas as pd
import pytest
from mapped_runs import make_run
from PIL import Image

from metaseg_tf.meta.review import COLUMNS, Review, correct_run, find_regions, measure_regions
from metaseg_tf.report import review
from metaseg_tf.report.review import write_queue
from metaseg_tf.runs.run import Run

HOSTILE = "=<img src=x onerror='harm = 1'>"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "XC", range(2), name=HOSTILE)


@pytest.fixture(scope="module")
def queue(run):
    """All regions of the run's labels, in an order of no meaning."""
    tables = []
    for name in sorted(run.with_maps()):
        maps = run.load_maps(name)
        table = measure_regions(maps, maps.gt, find_regions(maps.pred, maps.gt))
        tables.append(table.assign(image=name))
    table = pd.concat(tables, ignore_index=True)
    table["rank"], table["score"] = table.index + 1, 0.5
    return table.assign(kind="confusion", reason=HOSTILE)[list(COLUMNS)]


@pytest.fixture(scope="module")
def folder(run, queue, tmp_path_factory):
    out = tmp_path_factory.mktemp("queue")
    rankings = pd.DataFrame({"average_precision": {"model": 0.5, "D": 0.6}})
    write_queue(Review(queue, rankings, 5, 3), run, out, 4)
    return out


@pytest.fixture(scope="module")
def browser():
    with browsing.launched() as browser:
        yield browser


def test_the_better_baseline_is_named(folder):
    assert "-D of the region finds most (average precision 0.60; the fitted model 0.50); the" in (
        (folder / "index.html").read_text()
    )


def test_all_regions_are_in_the_table_and_the_first_on_the_page(folder, queue):
    rows = list(csv.DictReader(io.StringIO((folder / "queue.csv").read_text())))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == len(queue) > 4
    assert rows[0]["reason"] == f"'{HOSTILE}"
    assert len(list((folder / "crops").iterdir())) == 4


def test_a_crop_shows_image_label_and_prediction(folder, run, queue):
    height = run.load_maps(queue["image"][0]).pred.shape[0]
    with Image.open(folder / "crops" / "1.jpg") as crop:
        assert crop.height > height
        pixels = np.asarray(crop).astype(int)
    width = pixels.shape[1] // 3
    image, given, pred = pixels[:, :width], pixels[:, width:][:, :width], pixels[:, -width:]
    assert np.abs(given - image).mean() > 20
    assert np.abs(pred - given).mean() > 5


def test_a_crop_outlines_only_what_a_correction_changes(run, queue, tmp_path, monkeypatch):
    """Not a speck of the same classes next to it, which is too thin for a region."""
    maps = run.load_maps(queue["image"][0])
    corner = np.zeros((60, 90), bool)
    corner[10:40, 30:40] = corner[30:40, 30:60] = True
    pred = corner.astype(np.uint8)
    pred[12:14, 56:58] = 1
    maps = replace(maps, pred=pred, segments=pred.astype(np.int32), gt=np.zeros_like(pred))
    one = Run.create(tmp_path / "run", {})
    one.write_maps("one", maps)
    regions = measure_regions(maps, maps.gt, find_regions(pred, maps.gt))
    assert regions["size"].tolist() == [corner.sum()]
    table = regions.assign(image="one", rank=1, kind="confusion", score=0.5, reason="")
    drawn, rankings = [], pd.DataFrame({"average_precision": {"model": 0.5}})
    monkeypatch.setattr(review, "to_jpeg", lambda pixels, quality: drawn.append(pixels) or b"")
    write_queue(Review(table[list(COLUMNS)], rankings, 5, 3), one, tmp_path / "queue", 1)
    (crop,) = drawn
    times = crop.shape[0] // 60
    outlined = (crop[::times, ::times] == review._OUTLINE).all(axis=-1)[:, :90]
    inside = corner[:-2, 1:-1] & corner[2:, 1:-1] & corner[1:-1, :-2] & corner[1:-1, 2:]
    np.testing.assert_array_equal(outlined, corner & ~np.pad(inside, 1))


def wait_for_crop(page):
    """A crop that is left before it is loaded counts as a file that is missing."""
    page.evaluate("document.getElementById('crop').decode()")


def press(page, key):
    wait_for_crop(page)
    page.keyboard.press(key)


def test_the_queue_is_worked_by_keyboard_and_corrects_labels(
    browser, run, folder, queue, tmp_path, monkeypatch
):
    monkeypatch.setattr(browsing, "settle", lambda page: None)
    with browsing.opened(browser, folder / "index.html") as (page, said):
        assert page.locator("#place").text_content() == "1 of 4, 0 decided"
        assert page.locator("#reason").text_content() == HOSTILE
        for key in "ars":
            press(page, key)
        assert page.locator("#place").text_content() == "4 of 4, 3 decided"
        press(page, "ArrowLeft")
        pressed = page.locator("#buttons [aria-pressed=true]")
        assert pressed.text_content() == "skip"
        press(page, "s")
        assert page.locator("#place").text_content() == "3 of 4, 2 decided"
        wait_for_crop(page)
        page.reload()
        assert page.locator("#place").text_content() == "3 of 4, 2 decided"
        with page.expect_download() as saved:
            page.get_by_role("button", name="Export decisions.json").click()
        path = tmp_path / saved.value.suggested_filename
        saved.value.save_as(path)
        rows = list(csv.DictReader(io.StringIO(page.evaluate("metaseg.review.toText('csv')"))))
        assert page.evaluate("window.harm === undefined && violations.length === 0")
        assert said == []
    decided = json.loads(path.read_text())
    assert [(row["rank"], row["decision"]) for row in decided] == [(1, "accept"), (2, "reject")]
    assert tuple(rows[0]) == (*COLUMNS, "decision")
    assert rows[0]["reason"] == f"'{HOSTILE}"
    (written,) = correct_run(run, path, tmp_path)
    changed = np.asarray(Image.open(written)) != run.load_maps(queue["image"][0]).gt
    assert changed.sum() == queue["size"][0]
