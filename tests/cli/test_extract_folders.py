"""Folders of one's own: the command line, from images and masks to a run."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scenes import make_blobs

import metaseg_tf
from metaseg_tf import load_network, load_run, segment_metrics
from metaseg_tf.data.classes import BUILT_IN, load_classes
from metaseg_tf.runs.run import Run

CLASSES = {"road": "#804080", "car": "#00008e", "sky": "#4682b4"}
PALETTE = np.array([list(bytes.fromhex(colour[1:])) for colour in CLASSES.values()], np.uint8)


def write_network(path, palette):
    """A Keras model whose likeliest class is that of the nearest colour."""
    image = tf.keras.Input((None, None, 3))
    layer = tf.keras.layers.Conv2D(len(palette), 1, activation="softmax")
    model = tf.keras.Model(image, layer(image))
    colours = palette.astype(np.float32) / 255
    layer.set_weights([20 / 255 * colours.T[None, None], -10 * (colours**2).sum(1)])
    model.save(path)
    return path


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return write_network(tmp_path_factory.mktemp("network") / "mine.keras", PALETTE)


def draw(palette, seed, height=24, width=36):
    """(photograph, class ids), in which some patches look like another class."""
    n, rng = len(palette), np.random.default_rng(seed)
    ids = make_blobs(height, width, n, seed)
    seen = np.where(make_blobs(height, width, 5, seed + 99) == 0, (ids + 1) % n, ids)
    pixels = palette[seen] + rng.normal(0, 20, (height, width, 3))
    return np.clip(pixels, 0, 255).astype(np.uint8), ids


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def data(tmp_path):
    """Three images, one of them in a subfolder, masks of ids and in colour, a file of classes."""
    for i, name in enumerate(("a.1", "b", "sub/a.1")):
        pixels, ids = draw(PALETTE, i)
        save(tmp_path / "images" / f"{name}.jpg", pixels)
        save(tmp_path / "masks" / f"{name}.png", ids)
        save(tmp_path / "colours" / f"{name}.png", PALETTE[ids])
    rows = [f"{name},{colour}\n" for name, colour in CLASSES.items()]
    (tmp_path / "classes.csv").write_text("name,colour\n" + "".join(rows))
    return tmp_path


@pytest.fixture
def words(network, data):
    """The command, to be completed by masks or what else is to be tried."""
    start = ("extract", "--network", network, "--out", data / "run")
    return (*start, "--images", data / "images")


def test_images_and_masks_become_a_run(metaseg, words, data, network):
    code, output, error = metaseg(*words, "--masks", data / "masks", "--classes", "classes.txt")
    assert code == 2
    assert "classes.txt" in error
    code, output, error = metaseg(
        *words, "--masks", data / "masks", "--classes", data / "classes.csv"
    )
    assert (code, error) == (0, "")
    assert "3 images measured" in " ".join(output.split())
    assert "  car " in output
    run = Run(data / "run")
    assert run.done() == {"a.1", "b", "sub__a.1"}
    assert dict(zip(run.classes.names, run.classes.colours, strict=True)) == CLASSES
    seen = load_network(network)
    for name in ("b", "sub/a.1"):
        image = np.asarray(Image.open(data / "images" / f"{name}.jpg"))
        gt = np.asarray(Image.open(data / "masks" / f"{name}.png"))
        expected = segment_metrics(seen.probabilities(image), gt)
        table = load_run(run.path).query(f"image == '{name.replace('/', '__')}'")
        np.testing.assert_array_equal(table[list(expected)], expected)
    maps = run.load_maps("b")
    np.testing.assert_array_equal(maps.gt, np.asarray(Image.open(data / "masks" / "b.png")))


def test_colours_give_the_same_run_as_ids(metaseg, refused, words, data):
    classes = ("--classes", data / "classes.csv")
    assert metaseg(*words, "--masks", data / "masks", *classes)[0] == 0
    ids = load_run(data / "run")
    colours = (*words, "--masks", data / "colours", *classes)
    assert "other settings (masks {} there, {'colours': " in refused(*colours)
    assert metaseg(*colours, "--out", data / "again")[0] == 0
    assert load_run(data / "again").equals(ids)
    assert "3 kept" in " ".join(metaseg(*colours, "--out", data / "again")[1].split())


def test_classes_may_stay_without_names(metaseg, words, data):
    assert "class 2" in metaseg(*words, "--masks", data / "masks", "--limit", 2)[1]
    run = Run(data / "run")
    assert run.manifest.classes is None
    assert len(run.done()) == 2
    # Names are no setting: they may come later, and the run goes on.
    classes = ("--classes", data / "classes.csv")
    assert "2 kept" in " ".join(metaseg(*words, "--masks", data / "masks", *classes)[1].split())


def test_images_alone_are_measured_without_ground_truth(metaseg, refused, words, data):
    code, output, _ = metaseg(*words, "--classes", data / "classes.csv")
    assert code == 0
    assert "mIoU" not in output
    assert "iou" not in load_run(data / "run")
    assert Run(data / "run").classes.names == tuple(CLASSES)
    for option in (["--ignore-label", 9], ["--reduce-zero-label"]):
        assert "--masks" in refused(*words, *option)


def test_workers_read_masks_too(metaseg, words, data, workers):
    words = (*words, "--masks", data / "masks", "--classes", data / "classes.csv")
    assert metaseg(*words)[0] == 0
    assert metaseg(*words, "--out", data / "spread", "--workers", 1)[0] == 0
    assert load_run(data / "spread").equals(load_run(data / "run"))


def test_a_model_of_the_run_judges_other_images(metaseg, words, data, network):
    assert metaseg(*words, "--masks", data / "masks", "--classes", data / "classes.csv")[0] == 0
    assert metaseg("fit", data / "run", "--out", data / "model.json")[0] == 0
    judge = ("predict", data / "model.json", "--network", network)
    code, _, error = metaseg(*judge, "--images", data / "images", "--out", data / "judged")
    assert (code, error) == (0, "")
    assert "sub__a.1" in (data / "judged" / "judged.csv").read_text()


def change(data, **changes):
    """Store pixels in place of masks, by their names with an underscore for the dot."""
    for name, pixels in changes.items():
        Image.fromarray(np.asarray(pixels, np.uint8)).save(data / "masks" / f"{name}.png")


#: What is wrong: what is done to the data, the options, and what is said.
WRONG = {
    "another size": (lambda data: change(data, b=np.zeros((9, 9))), [], "24x36, got 9x9"),
    "an id beyond": (
        lambda data: change(data, b=np.full((24, 36), 7)),
        [],
        "b.png: expected ids 0..2 or 255 (void), got 7 in 864 pixels",
    ),
    "a colour of no class": (
        lambda data: change(data, **{"b": np.full((24, 36, 3), 7), "a.1": np.zeros((24, 36, 3))}),
        ["--ignore-colour", "#000000"],
        "b.png: expected the colours of the classes, got #070707 in 864 pixels (the nearest is",
    ),
    "a mask that is missing": (
        lambda data: (data / "masks" / "sub" / "a.1.png").unlink(),
        [],
        "1 are missing, the first is sub__a.1",
    ),
    "no masks": (lambda data: None, ["--masks", "images"], "masks in a lossless format"),
    "no image": (lambda data: (data / "masks" / "b.png").write_text("x"), [], "cannot be read"),
    "doubles": (
        lambda data: (data / "classes.csv").write_text("name\nroad\nroad\nsky\n"),
        [],
        "got 'road' twice",
    ),
    "another number of classes": (
        lambda data: (data / "classes.csv").write_text("name\nroad\ncar\n"),
        [],
        "mine.keras: expected 2 classes, as the images' class table has, got 3",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_bad_data_are_one_line_and_nothing_is_lost(
    metaseg, refused, words, data, what, monkeypatch
):
    monkeypatch.chdir(data)
    words = (*words, "--masks", data / "masks", "--classes", data / "classes.csv")
    spoil, options, said = WRONG[what]
    if not options:
        assert metaseg(*words, "--limit", 1)[0] == 0
    spoil(data)
    assert said in refused(*words, *options)
    if not options:
        assert "a.1" in Run(data / "run").done()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--masks", "masks", "--split", "val"], "--split: expected --cityscapes ROOT with it"),
        (["--masks", "masks", "--city", "ulm"], "--city: expected --cityscapes ROOT with it"),
        (["--masks", "masks", "--cityscapes", "."], "--cityscapes: expected --network NAME alone"),
        (["--mask-suffix", "_m"], "--mask-suffix: expected --masks DIR with it"),
        (["--ignore-colour", "#000000"], "--ignore-colour: expected --masks DIR with it"),
        (["--masks", "masks", "--logits"], "--logits: expected --softmax FOLDER with it"),
        (["--masks", "masks", "--classes", "voc"], "expected 21 classes"),
        (["--masks", "masks", "--ignore-label", "2"], "outside the classes 0..2, got 2"),
        (["--masks", "masks", "--ignore-colour", "#000000"], "by --ignore-label"),
        (["--masks", "colours"], "no colours of classes"),
        (["--masks", "nowhere"], "nowhere"),
    ],
)
def test_options_that_do_nothing_are_refused(refused, words, data, monkeypatch, options, said):
    monkeypatch.chdir(data)
    assert said in refused(*words, *options)


@pytest.mark.parametrize("options", [["--masks", "masks"], ["--masks", "masks", "--softmax", "d"]])
def test_masks_want_images(refused, data, network, monkeypatch, options):
    monkeypatch.chdir(data)
    said = refused("extract", "--network", network, "--out", "run", *options)
    assert "--images DIR" in said


def test_the_help_names_the_tables_that_there_are():
    from metaseg_tf.cli import options

    assert all(f"'{name}'" in options.Classes.__metadata__[0].help for name in BUILT_IN)


def test_the_manifest_is_plain(metaseg, words, data):
    masks = ("--masks", data / "masks", "--void", 9)
    assert metaseg(*words, *masks, "--classes", data / "classes.csv")[0] == 0
    settings = json.loads((data / "run" / "run.json").read_text())["settings"]
    assert settings["source"] == "folders"
    assert settings["masks"] == {"void": 9}


def test_black_and_white_masks_of_two_classes(metaseg, refused, tmp_path):
    palette = np.array([[0, 0, 0], [255, 255, 255]], np.uint8)
    network = write_network(tmp_path / "two.keras", palette)
    for i in range(2):
        ids = make_blobs(16, 16, 2, i)
        for folder, content in (("images", palette[ids]), ("masks", ids * 255)):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(content.astype(np.uint8)).save(tmp_path / folder / f"{i}.png")
    (tmp_path / "plain.txt").write_text("background\nroad\n")
    (tmp_path / "classes.csv").write_text("name,colour\nbackground,#000000\nroad,#ffffff\n")
    words = ("extract", "--network", network, "--out", tmp_path / "run")
    words = (*words, "--images", tmp_path / "images", "--masks", tmp_path / "masks", "--classes")
    assert "give both a colour in --classes" in refused(*words, tmp_path / "plain.txt")
    code, output, error = metaseg(*words, tmp_path / "classes.csv")
    assert (code, error) == (0, "")
    assert "mIoU           100.00%" in output


DOCS = Path(metaseg_tf.__file__).parents[1] / "docs"


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def lay_out(images, masks, palette, store=lambda ids: ids):
    """Four images, two of them in a subfolder, and their masks as ``store`` makes them of ids."""
    for i in range(4):
        name = f"{'sub/' if i % 2 else ''}frame.{i:04}"
        pixels, ids = draw(palette, i, 48, 64)
        save(Path(images, f"{name}.jpg"), pixels)
        save(Path(masks, f"{name}.png"), store(ids))


@pytest.mark.long
def test_the_page_about_own_data_works_as_written(metaseg, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = DOCS / "own-data.md"
    mine, two, snippet = blocks(page, "text")
    (tmp_path / "classes.csv").write_text(mine)
    (tmp_path / "two.csv").write_text(two)
    networks = {"my_network": "classes.csv", "two": "two.csv", "ade": "ade20k", "voc": "voc"}
    mine, two, ade, voc = (load_classes(name).palette for name in networks.values())
    for name, palette in zip(networks, (mine, two, ade, voc), strict=True):
        write_network(f"{name}.keras", palette)
    lay_out("images", "masks", mine)
    lay_out("new_images", "unused", mine)
    lay_out("road/images", "road/masks", two, lambda ids: ids * np.uint8(255))
    lay_out("ade/images", "ade/annotations", ade, lambda ids: ids + np.uint8(1))
    # One in sixteen pixels is void.
    void = make_blobs(48, 64, 16, 7) == 0
    with_void = np.vstack([voc, [[0xE0, 0xE0, 0xC0]]]).astype(np.uint8)
    lay_out(
        "voc/JPEGImages",
        "voc/SegmentationClass",
        voc,
        lambda ids: np.where(void, 255, ids).astype(np.uint8),
    )
    lay_out("voc/unused", "voc/colours", voc, lambda ids: with_void[np.where(void, 21, ids)])
    for file in Path("voc/SegmentationClass").rglob("*.png"):
        mask = Image.open(file)
        mask.putpalette(voc.tobytes())
        mask.save(file)
    for line in "".join(blocks(page, "sh")).splitlines():
        words = shlex.split(line)
        assert words[0] == "metaseg-tf"
        code, _, error = metaseg(*words[1:])
        assert code == 0, (line, error)
    # With 150 classes a mask that is read wrongly gives less than a hundredth.
    for run in ("mine", "ade", "voc", "road", "voc_colours"):
        assert Run(f"runs/{run}").manifest.results["miou"] > 0.1, run
    ours, same = (load_run(f"runs/{run}") for run in ("voc", "voc_colours"))
    assert ours.equals(same)
    # The run is that of the first command: nothing is left to be measured.
    exec(compile(snippet, page.name, "exec"), {})
