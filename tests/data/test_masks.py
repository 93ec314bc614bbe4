import os
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from messages import check_line
from PIL import Image

from metaseg_tf.data.classes import VOID, ClassTable, load_classes
from metaseg_tf.data.masks import MaskCode, find_labelled, open_labelled
from metaseg_tf.errors import DataFormatError, InputError, ShapeError

ROAD = ClassTable(("road", "car", "sky"), ("#804080", "#00008e", "#4682b4"))


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)
    return path


def photograph(path, height=4, width=6, **options):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return save(path, pixels, **options)


def with_palette(ids, palette):
    image = Image.fromarray(ids)
    image.putpalette(np.asarray(palette, np.uint8).tobytes())
    return image


def read(folder, mask, classes=None, n_classes=3, suffix=".png", **options):
    """The ground truth that a data set of one image has."""
    height, width = mask.shape[:2] if isinstance(mask, np.ndarray) else mask.size[::-1]
    photograph(folder / "images" / "a.png", height, width)
    save(folder / "masks" / f"a{suffix}", mask)
    pairs = find_labelled(folder / "images", folder / "masks")
    n_classes = len(classes) if classes else n_classes
    return open_labelled(pairs, n_classes, classes, **options).items[0].read().gt


@st.composite
def labelled(draw):
    """A class table with colours of its own, and a map of its ids with void."""
    colours = draw(st.lists(st.integers(0, 0xFFFFFE), min_size=2, max_size=254, unique=True))
    names = tuple(f"class {j}" for j in range(len(colours)))
    classes = ClassTable(names, tuple(f"#{colour:06x}" for colour in colours))
    ids = st.sampled_from([*range(len(names)), VOID])
    return classes, draw(hnp.arrays(np.uint8, st.tuples(*[st.integers(1, 9)] * 2), elements=ids))


@given(labelled(), st.sampled_from([".png", ".bmp", ".tif"]))
def test_colours_come_back_as_ids(tmp_path_factory, case, suffix):
    classes, ids = case
    palette = np.full((256, 3), 255, np.uint8)
    palette[: len(classes)] = classes.palette
    # White is no class's: it is void.
    found = read(
        tmp_path_factory.mktemp("a"),
        palette[ids],
        classes,
        suffix=suffix,
        ignore_colours=("#FFFFFF",),
    )
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, ids)


@given(labelled(), st.sampled_from(["grey", "16 bits", "palette"]), st.booleans())
def test_ids_come_back(tmp_path_factory, case, kind, reduce):
    classes, ids = case
    stored = np.where(ids == VOID, 0, ids + 1).astype(np.uint8) if reduce else ids
    if kind == "palette":
        palette = np.zeros((256, 3), np.uint8)
        palette[int(reduce) :][: len(classes)] = classes.palette[: 256 - reduce]
        stored = with_palette(stored, palette)
    elif kind == "16 bits":
        stored = stored.astype(np.uint16)
    names = ClassTable(classes.names)
    found = read(
        tmp_path_factory.mktemp("a"),
        stored,
        classes if kind == "palette" else names,
        void=VOID,
        reduce_zero_label=reduce,
    )
    np.testing.assert_array_equal(found, ids)


def test_the_id_of_void_may_be_any_other(tmp_path):
    mask = np.array([[0, 1, 2, 9000]], np.uint16)
    assert read(tmp_path, mask, void=9000).tolist() == [[0, 1, 2, VOID]]


def test_black_and_white_are_two_classes_if_these_are_their_colours(tmp_path):
    classes = ClassTable(("background", "road"), ("#000000", "#ffffff"))
    mask = np.array([[0, 255]], np.uint8)
    assert read(tmp_path, mask, classes).tolist() == [[0, 1]]
    assert read(tmp_path, mask.astype(bool), classes).tolist() == [[0, 1]]
    with pytest.raises(InputError, match=r"255 but no 1.*#000000 and #ffffff.*--void 255"):
        read(tmp_path, mask, n_classes=2)
    assert read(tmp_path, mask, n_classes=2, void=255).tolist() == [[0, VOID]]
    assert read(tmp_path, mask > 0, n_classes=2).tolist() == [[0, 1]]


def test_grey_values_may_be_colours_of_any_number_of_classes(tmp_path):
    classes = ClassTable(("a", "b", "c"), ("#000000", "#7f7f7f", "#ffffff"))
    mask = np.array([[255, 127, 0]], np.uint8)
    assert read(tmp_path, mask, classes).tolist() == [[2, 1, 0]]


def test_alpha_does_not_count(tmp_path):
    mask = np.dstack([ROAD.palette[[[0, 2]]], np.array([[0, 255]], np.uint8)])
    assert read(tmp_path, mask, ROAD).tolist() == [[0, 2]]


WRONG = {
    "an id beyond the classes": (np.array([[0, 3, 3]], np.uint8), {}, "got 3 in 2 pixels.*--void"),
    "an id that is void elsewhere": (np.array([[255]], np.uint8), {"void": 9}, "got 255 in 1 pix"),
    "classes from one": (np.array([[1, 3]], np.uint8), {}, "--reduce-zero-label"),
    "a class as void": (np.array([[1]], np.uint8), {"void": 1}, "outside the classes 0..2"),
    "a colour of no class": (
        np.array([[[128, 64, 128], [1, 0, 142], [1, 0, 142], [9, 9, 9]]], np.uint8),
        {"classes": ROAD},
        "got #01008e in 2 pixels, and 1 others in all 3 .*#00008e, 'car'.*-colour '#01008e'",
    ),
    "colours without a table": (np.zeros((2, 2, 3), np.uint8), {}, "no colours of classes.*CSV"),
    "colours with names alone": (
        np.zeros((2, 2, 3), np.uint8),
        {"classes": ClassTable(ROAD.names)},
        "no colours of classes",
    ),
    "an id of void with colours": (
        np.zeros((2, 2, 3), np.uint8),
        {"classes": ROAD, "void": 0},
        "--ignore-label: expected masks of class ids",
    ),
    "a zero label with colours": (
        np.zeros((2, 2, 3), np.uint8),
        {"classes": ROAD, "reduce_zero_label": True},
        "--reduce-zero-label: expected masks of class ids",
    ),
    "a colour of void with ids": (
        np.zeros((2, 2), np.uint8),
        {"ignore_colours": ["#000000"]},
        "expected masks in colour",
    ),
    "a colour that is none": (
        np.zeros((2, 2, 3), np.uint8),
        {"classes": ROAD, "ignore_colours": ["black"]},
        "expected #rrggbb",
    ),
    "a colour of two classes": (
        np.zeros((2, 2, 3), np.uint8),
        {"classes": load_classes("ade20k")},
        "#8c8c8c for 'road' and 'skyscraper'",
    ),
    "a palette in another order": (
        with_palette(np.array([[0, 1]], np.uint8), ROAD.palette[[1, 0, 2]]),
        {"classes": ROAD},
        "got #00008e of 'car' for id 0, 'road'; store the mask as RGB",
    ),
    "real numbers": (Image.fromarray(np.zeros((2, 2), np.float32)), {}, "8- or 16-bit grey"),
    "grey with alpha": (Image.new("LA", (2, 2)), {}, "got LA"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_a_mask_is_said(tmp_path, what):
    mask, options, said = WRONG[what]
    with pytest.raises((InputError, DataFormatError), match=said) as raised:
        read(tmp_path, mask, suffix=".tif" if what == "real numbers" else ".png", **options)
    check_line(raised.value)


def write_png(path, width, bits, kind, row):
    """A PNG of one row, of bits and kinds that Pillow does not write."""
    parts = {
        b"IHDR": struct.pack(">2I5B", width, 1, bits, kind, 0, 0, 0),
        b"IDAT": zlib.compress(b"\0" + row),
        b"IEND": b"",
    }
    chunks = (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts.items()
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


@pytest.mark.parametrize(
    ("bits", "kind", "row"), [(16, 2, b"\0\1" * 6), (16, 6, b"\0\1" * 8), (4, 0, b"\x12")]
)
def test_what_pillow_would_turn_into_other_numbers_is_refused(tmp_path, bits, kind, row):
    write_png(tmp_path / "a.png", 2, bits, kind, row)
    with pytest.raises(DataFormatError, match="store all masks in one way, as PNG of 8 bits"):
        MaskCode(3, ROAD, by_colour=kind > 0).read(tmp_path / "a.png")


def test_all_masks_are_stored_as_the_first(tmp_path):
    save(tmp_path / "a.png", ROAD.palette[[[0]]])
    with pytest.raises(DataFormatError, match="palette as in the first mask, got RGB"):
        MaskCode(3, ROAD).read(tmp_path / "a.png")


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n\0\0"])
def test_what_is_no_image_is_no_mask(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataFormatError, match="cannot be read"):
        MaskCode(3).read(tmp_path / "a.png")


def pairs_of(folder, **options):
    found = find_labelled(folder / "images", folder / "masks", **options)
    return {photo.name: mask.relative_to(folder).as_posix() for photo, mask in found}


def test_pairs_have_the_same_path_and_name(tmp_path):
    for name in ("b.1.jpg", "a.2.png", "sub/b.1.JPEG", "sub/deep/c_leftImg8bit.webp"):
        photograph(tmp_path / "images" / name, lossless=True)
    for name in ("b.1.png", "a.2.tif", "sub/b.1.bmp", "sub/deep/c.png"):
        save(tmp_path / "masks" / name, np.zeros((4, 6), np.uint8))
    assert pairs_of(tmp_path) == {
        "a.2": "masks/a.2.tif",
        "b.1": "masks/b.1.png",
        "sub__b.1": "masks/sub/b.1.bmp",
        "sub__deep__c": "masks/sub/deep/c.png",
    }


def test_a_suffix_tells_masks_from_others(tmp_path, caplog):
    photograph(tmp_path / "images" / "ulm_0_leftImg8bit.png")
    for kind in ("labelIds", "color"):
        save(tmp_path / "masks" / f"ulm_0_gtFine_{kind}.png", np.zeros((4, 6), np.uint8))
    found = pairs_of(tmp_path, mask_suffix="_gtFine_labelIds")
    assert found == {"ulm_0": "masks/ulm_0_gtFine_labelIds.png"}
    assert not caplog.records


@pytest.mark.parametrize("suffix", ["", "_mask"])
def test_images_and_masks_may_be_in_one_folder(tmp_path, suffix, caplog):
    for name in "ab":
        photograph(tmp_path / (f"{name}.png" if suffix else f"{name}.jpg"))
        save(tmp_path / f"{name}{suffix}.png", np.zeros((4, 6), np.uint8))
    found = find_labelled(tmp_path, tmp_path, suffix)
    assert [(p.name, mask.name) for p, mask in found] == [(n, f"{n}{suffix}.png") for n in "ab"]
    assert "have no image" not in caplog.text


def test_masks_without_images_are_said(tmp_path, caplog):
    photograph(tmp_path / "images" / "a.jpg")
    for name in ("a", "b", "sub/c"):
        save(tmp_path / "masks" / f"{name}.png", np.zeros((4, 6), np.uint8))
    assert len(pairs_of(tmp_path)) == 1
    (said,) = caplog.messages
    assert "2 masks have no image, the first is b" in said


@pytest.mark.parametrize(
    ("images", "masks", "suffix", "said"),
    [
        (["a.jpg", "b.jpg"], ["a.png"], "", "each of 2 images in .*1 are missing, the first is b"),
        (["a.jpg"], ["a_mask.png"], "", "try --mask-suffix _mask"),
        (["a.jpg"], ["a_mask.png"], "_mask.png", "try --mask-suffix _mask"),
        (["a.jpg"], ["sub/a.png"], "", "the first is a; add them"),
        (["a.jpg"], ["a.png", "a.tif"], "", "expected one mask called a"),
        (["a.jpg"], ["a.jpg"], "", "lossless format.*found 1 .jpg"),
        ([], ["a.png"], "", "expected images"),
        (["a.jpg"], [], "", "expected masks"),
    ],
)
def test_what_has_no_partner_is_said(tmp_path, images, masks, suffix, said):
    for folder, names in (("images", images), ("masks", masks)):
        (tmp_path / folder).mkdir()
        for name in names:
            save(tmp_path / folder / name, np.zeros((4, 6), np.uint8))
    with pytest.raises(DataFormatError, match=said) as raised:
        pairs_of(tmp_path, mask_suffix=suffix)
    check_line(raised.value)


def test_one_folder_of_masks_alone_has_no_images(tmp_path):
    save(tmp_path / "a.png", np.zeros((4, 6), np.uint8))
    with pytest.raises(DataFormatError, match="each of 0 images"):
        find_labelled(tmp_path, tmp_path)


def test_a_link_that_leads_back_ends(tmp_path):
    photograph(tmp_path / "images" / "a.jpg")
    save(tmp_path / "masks" / "a.png", np.zeros((4, 6), np.uint8))
    for folder in ("images", "masks"):
        os.symlink(tmp_path / folder, tmp_path / folder / "again")
    assert pairs_of(tmp_path) == {"a": "masks/a.png"}


def test_pictures_of_runs_are_no_data(tmp_path):
    photograph(tmp_path / "images" / "a.jpg")
    photograph(tmp_path / "images" / "run" / "maps" / "a.jpg")
    (tmp_path / "images" / "run" / "run.json").touch()
    save(tmp_path / "masks" / "a.png", np.zeros((4, 6), np.uint8))
    assert pairs_of(tmp_path) == {"a": "masks/a.png"}


@pytest.mark.parametrize(
    ("size", "orientation", "said"),
    [
        ((4, 5), 1, "4x6, got 4x5; resize"),
        ((6, 4), 1, "4x6, got 6x4; resize"),
        ((4, 6), 6, "6x4, got 4x6; the image is turned as its EXIF orientation"),
    ],
)
def test_sizes_must_be_equal(tmp_path, size, orientation, said):
    exif = Image.Exif()
    exif[0x0112] = orientation
    photograph(tmp_path / "images" / "a.jpg", exif=exif)
    save(tmp_path / "masks" / "a.png", np.zeros(size, np.uint8))
    pairs = find_labelled(tmp_path / "images", tmp_path / "masks")
    with pytest.raises(ShapeError, match=said) as raised:
        open_labelled(pairs, 3).items[0].read()
    check_line(raised.value)


def test_masks_may_be_turned_as_their_images(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    photograph(tmp_path / "images" / "a.jpg", exif=exif)
    ids = np.arange(24, dtype=np.uint8).reshape(4, 6) % 3
    pairs = None
    for options, stored in (({}, np.rot90(ids, -1)), ({"exif": exif}, ids)):
        save(tmp_path / "masks" / "a.png", np.ascontiguousarray(stored), **options)
        pairs = pairs or find_labelled(tmp_path / "images", tmp_path / "masks")
        sample = open_labelled(pairs, 3).items[0].read()
        assert sample.image.shape == (6, 4, 3)
        np.testing.assert_array_equal(sample.gt, np.rot90(ids, -1))


def test_another_process_reads_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photograph(Path("images/sub/a.jpg"))
    save(Path("masks/sub/a.png"), np.ones((4, 6), np.uint8))
    source = open_labelled(find_labelled("images", "masks"), 3, ROAD)
    sent = pickle.dumps(source.items[0])
    monkeypatch.chdir("/")
    item = pickle.loads(sent)
    assert item.name == "sub__a"
    assert item.origin == str(tmp_path / "images/sub/a.jpg")
    assert (item.read().gt == 1).all()


def test_settings_hold_what_ground_truth_depends_on(tmp_path):
    def settings(mask, suffix="", **options):
        photograph(tmp_path / "images" / "a.jpg")
        save(tmp_path / "masks" / f"a{suffix}.png", mask)
        pairs = find_labelled(tmp_path / "images", tmp_path / "masks", suffix)
        return open_labelled(pairs, 3, ROAD, mask_suffix=suffix, **options).settings["masks"]

    ids, colours = np.zeros((4, 6), np.uint8), ROAD.palette[np.zeros((4, 6), int)]
    assert settings(ids) == settings(ids, void=255) == {}
    assert settings(ids, "_m", void=7, reduce_zero_label=True) == {
        "suffix": "_m",
        "void": 7,
        "reduce_zero_label": True,
    }
    assert settings(colours, ignore_colours=["#ffffff"]) == {
        "ignore_colours": ["#ffffff"],
        "colours": ROAD.colours,
    }
