import json
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from messages import check_line
from skimage.color import deltaE_cie76, rgb2lab

from metaseg_tf.data.cityscapes import LABELS
from metaseg_tf.data.classes import (
    CITYSCAPES,
    VOID,
    ClassTable,
    appearance,
    distinct_colours,
    load_classes,
    shorten,
)
from metaseg_tf.errors import DataFormatError, InputError

ROWS = [{"name": "road", "colour": "#804080", "kind": "stuff"}, {"name": "cat"}]


def test_the_nineteen_classes_of_cityscapes_by_train_id():
    assert CITYSCAPES.names == tuple(
        label.name for label in sorted(LABELS, key=lambda x: x.train_id) if label.train_id != VOID
    )
    assert CITYSCAPES.names[10] == "sky"
    assert CITYSCAPES.colours[18] == "#770b20"
    things = dict(zip(CITYSCAPES.names, CITYSCAPES.kinds, strict=True))
    assert (things["person"], things["pole"]) == ("thing", "stuff")


def test_a_palette_holds_the_colour_of_each_class():
    palette = CITYSCAPES.palette
    assert (palette.shape, palette.dtype) == ((19, 3), np.uint8)
    assert palette[13].tolist() == [0, 0, 142]


def test_colours_that_are_missing_are_made():
    table = ClassTable.from_json(ROWS)
    assert table.colours[0] == "#804080"
    assert table.kinds == ("stuff", "")
    assert table.colours[1] == distinct_colours(1, ("#804080",))[0]


def test_made_colours_are_told_apart_by_normal_eyes():
    colours = np.array([list(bytes.fromhex(c[1:])) for c in distinct_colours(20)]) / 255
    lab = rgb2lab(np.concatenate([colours, [[0, 0, 0], [1, 1, 1]]]))
    distances = deltaE_cie76(lab[:, None], lab[None])
    assert distances[~np.eye(len(lab), dtype=bool)].min() > 20


def test_every_number_of_classes_has_names_and_colours_of_their_own():
    table = ClassTable.numbered(254)
    assert table.names[253] == "class 253"
    assert len(set(table.colours)) == 254


@given(st.lists(st.sampled_from(["", "#00ff00", "#FF0000"]), min_size=2, max_size=40))
def test_a_table_comes_back_from_json(colours):
    names = tuple(f"n{j}" for j in range(len(colours)))
    table = ClassTable(names, tuple(colours))
    assert ClassTable.from_json(json.loads(json.dumps(table.to_json()))) == table


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("names.txt", "road\n\n  cat \n"),
        ("names.csv", "name,colour,kind\nroad,#804080,stuff\ncat,,\n"),
        ("names.csv", "name\nroad\ncat\n"),
        ("names.json", json.dumps(["road", "cat"])),
        ("names.JSON", json.dumps(ROWS)),
    ],
)
def test_tables_are_read_as_people_write_them(tmp_path, file, text):
    (tmp_path / file).write_text(text, encoding="utf-8-sig")
    assert load_classes(tmp_path / file).names == ("road", "cat")


def test_a_built_in_table_goes_by_its_name():
    assert load_classes("cityscapes") == CITYSCAPES


@pytest.mark.parametrize(
    ("file", "content", "error", "words"),
    [
        ("a.txt", b"road\n", InputError, "2 to 254 names, got 1"),
        ("a.txt", b"road\nroad\n", InputError, "got 'road' twice"),
        ("a.txt", b"ro\x00ad\ncat\n", InputError, "printable"),
        ("a.txt", b"\xff\xfe\x00", DataFormatError, "cannot be read"),
        ("a.json", b"{}", DataFormatError, "not a list"),
        ("a.json", b"[" * 100000, DataFormatError, "cannot be read"),
        ("a.json", b"[1, 2]", InputError, "expected names, or objects"),
        ("a.json", b'[{"name": 1}, {"name": "b"}]', InputError, "printable"),
        ("a.json", b'[{"name": "a", "color": "red"}, "b"]', InputError, "expected names, or"),
        ("a.csv", b"name,colour\na,red\nb,\n", InputError, "a colour such as #804080 for 'a'"),
        ("a.csv", b"name,kind\na,animal\nb,\n", InputError, "thing or stuff for 'a'"),
        ("a.csv", b"name\na,b,c\nd\n", InputError, "expected names, or objects"),
        ("a.txt", b"x\n" * 600000, DataFormatError, "larger than"),
    ],
)
def test_what_is_no_table_is_said_in_one_line(tmp_path, file, content, error, words):
    (tmp_path / file).write_bytes(content)
    with pytest.raises(error, match=words) as raised:
        load_classes(tmp_path / file)
    check_line(raised.value)


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(DataFormatError, match="expected names of classes"):
        load_classes(tmp_path / "missing.txt")


@given(st.text(min_size=1, max_size=100), st.integers(2, 100))
def test_names_are_shortened_at_their_end(name, most):
    short = shorten(name, most)
    assert len(short) <= most
    if len(name) <= most:
        assert short == name
    else:
        assert short.endswith("…")
        assert name.startswith(short[:-1])


@pytest.mark.parametrize(
    ("n", "all_differ", "neighbours_differ"),
    [(2, 100, 100), (19, 20, 25), (150, 5, 9), (254, 3, 7)],
)
def test_made_colours_are_told_apart_by_all_eyes(n, all_differ, neighbours_differ):
    """In CIELAB, in which 2.3 is just noticed; neighbours are classes of successive ids."""
    distinct_colours.cache_clear()
    begun = time.process_time()
    palette = ClassTable.numbered(n).palette / 255
    assert time.process_time() - begun < 1
    for seen in appearance(palette):
        distance = np.linalg.norm(seen[:, None] - seen, axis=-1)
        assert distance[np.triu_indices(n, 1)].min() > all_differ
        assert np.diag(distance, 1).min() > neighbours_differ
