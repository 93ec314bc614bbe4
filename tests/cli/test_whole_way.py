"""From images, masks and names of classes to the pages, as a new user goes, for three data sets."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from browsing import launched, opened, settle
from PIL import Image

from metaseg_tf.data.classes import ClassTable, load_classes
from metaseg_tf.paper.figures import drawing
from metaseg_tf.report import overview
from metaseg_tf.runs.run import Run

HEIGHT, WIDTH = 72, 96
LABELLED, NEW = 8, 2
SCREENS = [{"width": 1400, "height": 900}, {"width": 390, "height": 844}]
#: What names a class, of all that the figures and the diagnosis store.
NAMED = [*(f"figures/figure{i}.csv" for i in (2, 5, 7)), "diagnostics/influential.csv"]
MADE = ClassTable(("lane", *(f"part {i}; of a plant" for i in range(11))))


@dataclass
class DataSet:
    classes: str
    suffix: str
    options: tuple
    name: str
    photograph: str

    def mask(self, ids, palette):
        """What stands in the mask of these classes; 255 is void."""
        raise NotImplementedError


class Two(DataSet):
    def mask(self, ids, palette):
        return np.where(ids == 1, np.uint8(255), np.uint8(0))


class Many(DataSet):
    def mask(self, ids, palette):
        return np.where(ids == 255, 0, ids + 1).astype(np.uint8)


class Coloured(DataSet):
    def mask(self, ids, palette):
        return np.where((ids == 255)[..., None], 0, palette[np.where(ids == 255, 0, ids)])


DATA_SETS = {
    "two": Two("name,colour\nground,#000000\nrails,#ffffff\n", "csv", (), "track{:03}", "jpg"),
    "many": Many(
        "".join(f"kind {i}\n" for i in range(150)), "txt", ("--reduce-zero-label",), "{}", "png"
    ),
    "coloured": Coloured(
        json.dumps(MADE.to_json()),
        "json",
        ("--ignore-colour", "#000000"),
        "field/scene.2024.{:02}.a",
        "jpeg",
    ),
}


def write_network(path, palette):
    """A Keras model that names the nearest colour, surely where no other is half as near."""
    colours = palette.astype(np.float32) / 255
    apart = np.square(colours[:, None] - colours).sum(-1)
    sharpness = 12 / apart[apart > 0].min()
    image = tf.keras.Input((None, None, 3))
    layer = tf.keras.layers.Conv2D(len(palette), 1, activation="softmax")
    model = tf.keras.Model(image, layer(image))
    kernel = 2 * sharpness / 255 * colours.T[None, None]
    layer.set_weights([kernel, -sharpness * (colours**2).sum(1)])
    model.save(path)


def draw(palette, rng):
    """(photograph, class ids): regions with discs; of these some are paint and no class at all."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    middles = rng.integers(0, (HEIGHT, WIDTH), (9, 2))
    region = (
        np.square(y[..., None] - middles[:, 0]) + np.square(x[..., None] - middles[:, 1])
    ).argmin(-1)
    ids = rng.integers(0, len(palette), len(middles))[region]
    seen = palette[ids].astype(float)
    for top, left in np.argwhere(np.ones((6, 8))) * 12 + rng.integers(3, 9, (48, 2)):
        inside = np.hypot(y - top, x - left) < rng.uniform(1, 6)
        below = ids[top, left]
        shown = (below + rng.integers(1, len(palette))) % len(palette)
        is_real = rng.random() < 0.5
        share = rng.uniform(0.6, 1) if is_real else rng.uniform(0.5, 0.7)
        seen[inside] = share * palette[shown] + (1 - share) * palette[below]
        if is_real:
            ids[inside] = shown
    pixels = seen + rng.normal(0, 3, seen.shape)
    ids[:4] = 255
    return pixels.clip(0, 255).round().astype(np.uint8), ids.astype(np.uint8)


def lay_out(data, folder):
    """Write the images, masks, classes and the network; returns the class table."""
    file = folder / f"classes.{data.suffix}"
    file.write_text(data.classes)
    classes = load_classes(file)
    write_network(folder / "net.keras", classes.palette)
    rng = np.random.default_rng(len(classes))
    for i in range(LABELLED + NEW):
        pixels, ids = draw(classes.palette, rng)
        stored = {"images" if i < LABELLED else "new": (pixels, data.photograph)}
        if i < LABELLED:
            stored["masks"] = data.mask(ids, classes.palette), "png"
        for place, (content, suffix) in stored.items():
            path = folder / place / f"{data.name.format(i)}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(content).save(path, quality=95, subsampling=0)
    return file, classes


def check_named(folder, files, classes):
    """Tables with a class for each row, by id and by name."""
    for file in files:
        table = pd.read_csv(folder / file)
        assert len(table) > 1, file
        assert list(table["class_name"]) == [classes.names[i] for i in table["class_id"]], file


def colours_beside(page, place):
    """Name -> (r, g, b) of its swatch, in order, of what the page shows at a place."""
    found = page.locator(place).evaluate_all(
        "all => all.map(e => [e.textContent,"
        " getComputedStyle(e.querySelector('.swatch')).backgroundColor])"
    )
    return {name: tuple(map(int, colour.strip("rgb()").split(","))) for name, colour in found}


def check_page(page, run):
    """Layers, legend and list have the classes that occur, each in its colour."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    name = page.evaluate("metaseg.runs[0].images[0].name")
    maps, classes = run.load_maps(name), run.classes
    given = dict(zip(classes.names, map(tuple, classes.palette.tolist()), strict=True))

    def check_colours(place, ids):
        found = colours_beside(page, place)
        assert found.keys() == {classes.names[i] for i in ids}
        assert found.items() <= given.items()

    page.locator("#layers input[value=prediction]").check()
    settle(page)
    seen = maps.pred != 255
    check_colours("#legend .class", np.unique(maps.pred[seen]))
    painted = page.evaluate(
        "() => { const c = document.getElementById('overlay');"
        " return [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]; }"
    )
    painted = np.array(painted).reshape(*maps.pred.shape, 4)[..., :3]
    np.testing.assert_array_equal(painted[seen], classes.palette[maps.pred[seen]])
    page.select_option("#order", "size")
    listed = page.locator("#list tbody tr").evaluate_all("all => all.map(r => r.dataset.segment)")
    of_segment = dict(zip(maps.segments.ravel().tolist(), maps.pred.ravel().tolist(), strict=True))
    check_colours("#list .name", {of_segment[int(number)] for number in listed})
    if maps.gt is None:
        assert page.locator("#layers input[value=truth]").count() == 0
        return
    page.locator("#layers input[value=truth]").check()
    settle(page)
    known = maps.gt != 255
    check_colours("#legend .class", np.unique(maps.gt[known]))
    assert page.locator("#legend > span").all_inner_texts() == ["no ground truth"] * (
        not known.all()
    )
    # The page may not read the pixels of a picture from disk.
    picture = np.asarray(
        Image.open(run.path / "report" / "run0" / "0" / "truth.png").convert("RGBA")
    )
    np.testing.assert_array_equal(picture[known][:, :3], classes.palette[maps.gt[known]])
    np.testing.assert_array_equal(picture[..., 3] == 255, known)


@pytest.mark.long
@pytest.mark.parametrize("which", DATA_SETS)
def test_from_images_and_masks_to_the_pages(metaseg, tmp_path, monkeypatch, which):
    # To save time: small figures, of which the page has the one that names most.
    monkeypatch.setitem(drawing._SETTINGS, "figure.dpi", 40)
    monkeypatch.delitem(drawing.FORMATS, "pdf")
    monkeypatch.setattr(overview, "FIGURES", {4: overview.FIGURES[4]})
    monkeypatch.chdir(tmp_path)
    data = DATA_SETS[which]
    file, classes = lay_out(data, tmp_path)

    def do(*words):
        code, output, error = metaseg(*words)
        assert (code, error) == (0, ""), words
        return output

    through = ("--network", "net.keras", "--input-range", "0..255")
    output = do(
        *("extract", *through, "--images", "images", "--masks", "masks"),
        *("--classes", file.name, *data.options, "--out", "run"),
    )
    run = Run(tmp_path / "run")
    assert f"{LABELLED} images measured" in output
    assert sum(name in output for name in classes.names) >= min(len(classes), 12)
    assert run.classes == classes
    # Where masks are read wrongly hardly anything is right.
    assert run.manifest.results["miou"] > 0.3
    for number in (1, 2, 3):
        assert "E_rel" in do("table", number, "run") or number > 1
        assert (run.path / "tables" / f"table{number}.tex").is_file()
    assert "Not available" not in (run.path / "tables" / "table2.md").read_text()
    do("figure", "1..7", "run")
    assert len(list((run.path / "figures").glob("figure?.png"))) == 7
    assert "What follows" in do("diagnose", "run")
    check_named(run.path, NAMED, classes)
    assert f"of {LABELLED} images" in do("fit", "run", "--out", "model.json")
    output = do("predict", "model.json", *through, "--images", "new", "--out", "judged")
    assert f"{NEW} images judged" in output
    judged = Run(tmp_path / "judged")
    check_named(judged.path, ["judged.csv"], classes)
    names = {data.name.format(i).split("/")[-1] for i in (LABELLED, LABELLED + 1)}
    images = pd.read_csv("judged/judged.csv", dtype={"image": str})["image"]
    assert {name.split("__")[-1] for name in images} == names
    pages = {}
    for one in (run, judged):
        output = do("report", one.path, "--images", 1)
        pages[one] = Path(output.split("wrote ")[1].splitlines()[0])
    with launched() as browser:
        for one, path in pages.items():
            for screen in SCREENS:
                with opened(browser, path, screen) as (page, said):
                    check_page(page, one)
                    assert said == []
