import contextlib
import csv
import io
import json
import os
import re

import hypothesis
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from messages import check_line
from scenes import make_scene

from metaseg_tf import load_run, segment_metrics
from metaseg_tf.errors import DataFormatError, InputError, RunError, SettingsMismatchError
from metaseg_tf.paper.published import PUBLISHED
from metaseg_tf.paper.verify import PAPER_SETTINGS, Comparison, explain
from metaseg_tf.report.overview import describe_run
from metaseg_tf.runs import storage
from metaseg_tf.runs.image_maps import ImageMaps
from metaseg_tf.runs.run import Run, _check_settings, compare_settings, csv_text
from metaseg_tf.segments.columns import columns
from metaseg_tf.segments.table import measure_image

SETTINGS = {"convention": "reference", "scales": (1.0, 0.75)}


@pytest.fixture
def made(tmp_path):
    """A run of two images and the tables in it."""
    created = Run.create(tmp_path / "run", SETTINGS)
    tables = {name: segment_metrics(*make_scene(seed=i)) for i, name in enumerate(["b", "a"])}
    for name, table in tables.items():
        created.write_segments(name, table, {"note": name.encode()})
    return created, tables


def test_what_is_written_is_loaded_in_the_order_of_names(made):
    created, tables = made
    expected = pd.concat([tables[n].assign(image=n) for n in "ab"], ignore_index=True)
    loaded = load_run(created.path)
    assert list(loaded) == ["image", *(c.name for c in columns(5))]
    pd.testing.assert_frame_equal(loaded, expected[list(loaded)])


def test_an_image_without_segments_fits_in(made):
    created, tables = made
    created.write_segments("c", tables["a"].iloc[:0])
    assert len(load_run(created.path)) == sum(map(len, tables.values()))


def test_some_columns_only(made):
    assert list(load_run(made[0].path, ["S", "iou_adj"])) == ["S", "iou_adj"]


def test_columns_that_the_run_lacks_are_named(made):
    with pytest.raises(DataFormatError, match=r"expected columns .*nothing.*without ground truth"):
        made[0].load(["S", "nothing"])


def test_the_fingerprint_changes_with_the_content(made):
    created, tables = made
    before = created.fingerprint()
    created.write_text("tables/other.txt", "not a part of it")
    created.write_manifest()
    assert Run(created.path).fingerprint() == before
    created.write_segments("c", tables["a"])
    with_image = created.fingerprint()
    created.manifest.results["miou"] = 0.5
    created.write_manifest()
    assert len({before, with_image, created.fingerprint()}) == 3


def test_a_run_without_images_gives_an_empty_table(tmp_path):
    created = Run.create(tmp_path / "run", SETTINGS)
    table = load_run(created.path)
    assert len(table) == 0
    assert {"image", "S", "iou_adj"} <= set(table)


def test_extra_entries_come_back(made):
    assert dict(made[0].extras("note")) == {"a": b"a", "b": b"b"}
    assert dict(made[0].extras("other")) == {}


def test_a_run_is_continued_with_equal_settings_only(made):
    created, _ = made
    assert Run.create(created.path, SETTINGS).done() == {"a", "b"}
    with pytest.raises(SettingsMismatchError, match="convention 'reference' there, 'paper' now"):
        Run.create(created.path, SETTINGS | {"convention": "paper"})


def test_a_run_without_images_takes_other_settings(tmp_path):
    Run.create(tmp_path, SETTINGS | {"logits": True})
    run = Run.create(tmp_path, SETTINGS)
    assert "logits" not in run.manifest.settings
    blank = np.zeros((2, 2))
    run.write_maps("a", ImageMaps(*(blank.astype(t) for t in ("u1", "i4", "f4", "f4"))))
    with pytest.raises(SettingsMismatchError, match="logits None there, True now"):
        Run.create(tmp_path, SETTINGS | {"logits": True})


def test_the_manifest_tells_versions_and_settings(made):
    content = json.loads((made[0].path / "run.json").read_text())
    assert content["settings"]["convention"] == "reference"
    assert {"numpy", "tensorflow", "metaseg-tf"} <= set(content["versions"])


def test_a_write_that_fails_leaves_nothing_behind(made, monkeypatch):
    created, tables = made
    before = sorted(created.path.rglob("*"))

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage.os, "fsync", full)
    with pytest.raises(RunError, match="No space left on device"):
        created.write_segments("c", tables["a"])
    assert sorted(created.path.rglob("*")) == before
    assert len(load_run(created.path)) == sum(map(len, tables.values()))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(RunError, match="Permission denied"):
        Run.create(tmp_path / "run", SETTINGS)


def test_a_path_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot be written"):
        Run.create(tmp_path / "file" / "run", SETTINGS)


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(RunError, match="other files"):
        Run.create(tmp_path, SETTINGS)


def test_a_part_cut_short_is_named(made):
    part = made[0].path / "segments" / "b.parquet"
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(DataFormatError, match=r"b\.parquet.*delete it and run extract again"):
        load_run(made[0].path)


def test_a_part_with_other_columns_is_named(made):
    created, _ = made
    created.write_segments("c", segment_metrics(*make_scene(n_classes=3)))
    with pytest.raises(DataFormatError, match=r"c\.parquet.*cprob3"):
        load_run(created.path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "without run.json"),
        ("{", "expected the manifest"),
        ("[]", "expected the manifest"),
        ('{"format": 1}', "expected the manifest"),
        ('{"format": 99}', "newer version"),
    ],
)
def test_a_folder_that_is_no_run(tmp_path, content, words):
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(RunError, match=words):
        Run(tmp_path)


def test_a_missing_folder(tmp_path):
    with pytest.raises(RunError, match="metaseg-tf extract"):
        load_run(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "a/b", ".hidden", "a" * 300])
def test_an_image_s_name_cannot_leave_the_run(made, name):
    created, tables = made
    before = sorted(created.path.parent.rglob("*"))
    with pytest.raises(InputError, match="rename it"):
        created.write_segments(name, tables["a"])
    assert sorted(created.path.parent.rglob("*")) == before


def manifest(**changes):
    whole = {"format": 1, "settings": {}, "n_classes": 5, "failed": {}, "versions": {}}
    return json.dumps(whole | {"results": {}} | changes)


@pytest.mark.parametrize(
    "content",
    [
        manifest(format=None),
        manifest(settings=[1]),
        manifest(n_classes="many"),
        manifest(n_classes=10**9),
        manifest(n_classes=float("nan")),
        manifest(failed=None),
        manifest(versions="1.0"),
        manifest(results={"miou": "<script>"}),
        manifest(format=True, results={"miou": float("nan")}),
        manifest(results={"miou": True}),
        manifest(results={"miou": float("nan")}),
        manifest(results={"images": 1.5}),
        manifest(n_classes=5.0),
        manifest(n_classes=-1),
        manifest(n_classes=True),
        manifest(n_classes=[5]),
        manifest(failed={"a": 1}),
        manifest(versions={"numpy": [1]}),
        manifest(settings={"convention": "mine"}),
        manifest(settings={"convention": ["paper"]}),
        manifest(settings={"connectivity": 8.0}),
        manifest(settings={"a\nb": 1}),
        manifest(n_classes=10**12, results={}),
        manifest(settings={"a": json.loads("[" * 500 + "]" * 500)}),
        "[" * 100_000,
        '{"format": ' + "9" * 10_000 + "}",
        "\ufeff" + manifest(),
    ],
)
def test_a_manifest_that_holds_something_else(tmp_path, content):
    (tmp_path / "run.json").write_text(manifest(), encoding="utf-8")
    assert Run(tmp_path).manifest.n_classes == 5
    (tmp_path / "run.json").write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match="expected the manifest"):
        Run(tmp_path)


WORDS = st.text() | st.sampled_from(["convention", "connectivity", "miou", "images", "paper"])
NUMBERS = st.integers() | st.floats() | st.sampled_from([-1, 5.0, True, 10**9, 10**400, 1e308])
JSON = st.recursive(
    st.none() | NUMBERS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
OFF = Comparison(PUBLISHED[0], None, 1, "other")
FIELDS = ("format", "settings", "n_classes", "classes", "failed", "versions", "results")


@hypothesis.settings(max_examples=300)
@given(field=st.sampled_from(FIELDS), value=JSON)
def test_any_json_in_a_field_of_a_manifest_gives_a_run_that_works_or_one_line(
    tmp_path_factory, field, value
):
    path = tmp_path_factory.mktemp("run")
    (path / "run.json").write_text(manifest(**{field: value}))
    try:
        opened = Run(path)
    except RunError as error:
        check_line(error)
        return
    found = opened.manifest
    assert found.n_classes is None or 2 <= found.n_classes <= 254
    assert load_run(path).empty
    describe_run(opened)
    list(explain([OFF], opened, PAPER_SETTINGS["XC"]))
    with pytest.raises(SettingsMismatchError) as refusal:
        _check_settings(path, found.settings, {"other": 1})
    check_line(refusal.value, longest=5000)
    opened.write_manifest()
    assert repr(Run(path).manifest) == repr(found)


def part_with(path, **changes):
    """Put values in place of a part's columns."""
    table = pq.read_table(path)
    for name, value in changes.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, pa.array([value] * len(table)))
    pq.write_table(table, path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("E", "a"),
        ("E", [1.0]),
        ("E", float("nan")),
        ("E", 1.5),
        ("S_rel", float("inf")),
        ("S", 0),
        ("S", None),
        ("class_id", 254),
    ],
)
def test_a_part_with_other_values_is_refused(made, name, value):
    for image in "ab":
        part_with(made[0].path / "segments" / f"{image}.parquet", **{name: value})
    for only in (None, [name]):
        with pytest.raises(DataFormatError, match=f"(expected|got) '?{name}'? of"):
            load_run(made[0].path, only)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ([1, 2], "got 'image' of int64"),
        ([["a"], ["a"]], "no column of images"),
        (["a", None], "rows without an image"),
        ([b"a", b"\xff"], "expected a whole segment table"),
        (["a", "../../evil"], "image: expected a name"),
        (["a", "x" * 10_000], "image: expected a name"),
        (["a", "b\nc"], "image: expected a name"),
    ],
)
def test_a_part_with_other_names_of_images_is_refused(made, images, words):
    path = made[0].path / "segments" / "a.parquet"
    table = pq.read_table(path)
    names = pa.array([images[0]] * (len(table) - 1) + images[1:])
    pq.write_table(table.set_column(0, "image", names), path)
    with pytest.raises(DataFormatError, match=words) as refusal:
        load_run(made[0].path)
    assert "\n" not in str(refusal.value)


def test_a_file_with_an_impossible_name_is_refused(made):
    path = made[0].path / "segments" / "a.parquet"
    path.rename(path.with_name("a\nb.parquet"))
    with pytest.raises(InputError, match=r"got 'a\\nb'; rename it"):
        load_run(made[0].path)


def test_a_part_of_more_classes_than_there_can_be_is_refused(made):
    path = made[0].path / "segments" / "a.parquet"
    table = pq.read_table(path)
    for number in range(5, 300):
        table = table.append_column(f"cprob{number}", table["cprob0"])
    pq.write_table(table, path)
    (path.parent / "b.parquet").unlink()
    with pytest.raises(DataFormatError, match="at most 254 classes, got 300"):
        load_run(made[0].path)
    with pytest.raises(DataFormatError, match="at most 254"), made[0].continued():
        pass


def test_tables_must_be_of_the_manifest_s_classes(made):
    made[0].manifest.n_classes = 19
    made[0].write_manifest()
    with pytest.raises(DataFormatError, match="of the manifest's 19 classes, got 5"):
        load_run(made[0].path)


def test_a_class_beyond_those_of_the_network_is_refused(made):
    for image in "ab":
        part_with(made[0].path / "segments" / f"{image}.parquet", class_id=5)
    with pytest.raises(DataFormatError, match=r"expected class_id of int16 in 0\.\.4, got 5"):
        load_run(made[0].path)


def test_a_part_that_is_no_segment_table_is_refused(tmp_path):
    created = Run.create(tmp_path / "run", SETTINGS)
    (created.path / "segments").mkdir()
    pq.write_table(pa.table({"x": [1]}), created.path / "segments" / "a.parquet")
    with pytest.raises(DataFormatError, match=r"a\.parquet: .* \(no column of images\)"):
        load_run(created.path)
    pq.write_table(pa.table({"image": ["a"], "x": [1]}), created.path / "segments" / "a.parquet")
    with pytest.raises(DataFormatError, match="one without segment, class_id"):
        load_run(created.path)


@pytest.mark.parametrize(
    ("rows", "name", "columns"),
    [(1_000_000, "x" * 100_000, 1), (10_000_000, "a", 1), (100_000, "a", 100)],
)
def test_what_a_small_file_would_unpack_to_is_bounded_before_it_is_read(
    made, rows, name, columns, monkeypatch
):
    """The first one's names would take 100 GB, though its page with the one name is small."""
    indices, zeros = pa.array(np.zeros(rows, np.int32)), pa.array(np.zeros(rows))
    names = pa.DictionaryArray.from_arrays(indices, pa.array([name]))
    table = pa.table({"image": names} | {f"E{number}": zeros for number in range(columns)})
    path = made[0].path / "segments" / "a.parquet"
    pq.write_table(table, path, compression="zstd")
    assert path.stat().st_size < 40_000
    read = []
    monkeypatch.setattr(pq.ParquetFile, "read", lambda *args, **kwargs: read.append(args))
    with pytest.raises(DataFormatError, match=r"a\.parquet: expected a table .*, got \d+ byte"):
        load_run(made[0].path)
    assert read == []


def test_extra_entries_of_a_broken_part(made):
    (made[0].path / "segments" / "b.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataFormatError, match=r"b\.parquet"):
        dict(made[0].extras("note"))


def test_columns_and_packs_of_unprintable_names_are_refused_in_one_line(made):
    path = made[0].path / "segments" / "a.parquet"
    table = pq.read_table(path)
    pq.write_table(table.append_column("x\ny", table["E"]), path)
    with pytest.raises(DataFormatError, match=r"got 'x\\ny' of double") as refusal:
        load_run(made[0].path)
    check_line(refusal.value)
    (made[0].path / "packs").mkdir()
    path.rename(made[0].path / "packs" / "x\ny.parquet")
    with pytest.raises(InputError, match=r"got 'x\\ny'; rename it"):
        load_run(made[0].path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-1e9, 1e9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


def otherwise_written(value):
    """The same value as a tuple, or as a number of numpy."""
    if isinstance(value, list):
        return tuple(map(otherwise_written, value))
    return np.array(value)[()] if isinstance(value, bool | int | float) else value


@given(st.dictionaries(st.sampled_from("abc"), VALUES))
def test_settings_compare_as_values_whatever_they_went_through(settings):
    again = {key: otherwise_written(value) for key, value in settings.items()}
    assert compare_settings(settings, again) == compare_settings(again, settings) == []
    assert compare_settings(json.loads(json.dumps(settings)), again) == []


def test_settings_that_differ_are_named():
    found = compare_settings({"a": [1.0], "b": 1, "c": 2}, {"a": (1.0, 2.0), "b": 1.0, "d": 3})
    assert found == [("a", [1.0], [1.0, 2.0])]


MARKS = ("", "=", "+", "-", "@", "\t", "'", "'=", "''-")
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12)


@given(st.lists(st.tuples(st.sampled_from(MARKS), TEXTS), min_size=1))
def test_no_cell_of_a_csv_is_a_formula_and_each_name_can_be_told(parts):
    names = [mark + rest for mark, rest in parts]
    written = csv_text(pd.DataFrame({"image": names, "E": -1.5, "class_id": -3}))
    read = list(csv.reader(io.StringIO(written)))
    assert read[0] == ["image", "E", "class_id"]
    for name, (cell, *numbers) in zip(names, read[1:], strict=True):
        assert numbers == ["-1.5", "-3"]
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
        assert re.sub(r"^'('*[=+\-@\t])", r"\1", cell) == name


def test_continuing_on_a_store_takes_no_request_per_image(monkeypatch):
    """It lists the folders, and looks into packs alone."""
    memory = type(pytest.importorskip("fsspec").filesystem("memory"))
    measured, requests, counts = measure_image(*make_scene(), truth=True), [], []

    def counted(method):
        return lambda *args, **kwargs: requests.append(method) or method(*args, **kwargs)

    for name in ("_open", "cat_file", "info", "ls", "exists"):
        monkeypatch.setattr(memory, name, counted(getattr(memory, name)))
    for number, singles in enumerate((3, 30)):
        run = Run.create(f"memory://continued/{number}", SETTINGS)
        run.manifest.n_classes = 5
        for i in range(singles + 10):
            with run.packed(1) if i < 10 else contextlib.nullcontext():
                run.write_segments(f"image{i}", measured.table, None, measured.truth)
        requests.clear()
        with run.continued():
            done = run.done()
            assert run.lacking_truth(done) == set()
        counts.append(len(requests))
        assert len(done) == singles + 10
    assert counts[0] == counts[1]
