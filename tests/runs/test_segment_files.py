"""One file an image and packs of many give the same table."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import make_table

from metaseg_tf.errors import DataFormatError, RunError
from metaseg_tf.runs.segment_files import SegmentFiles
from metaseg_tf.runs.storage import LocalFolder

TABLE = make_table(120, n_images=9, n_classes=3)
IMAGES = sorted(set(TABLE.image))


def rows_of(image):
    return TABLE[TABLE.image == image].drop(columns="image")


def note_on(image):
    return {"note": image[::-1].encode()}


def write(files, image):
    files.write(image, rows_of(image), note_on(image))


@settings(max_examples=25)
@given(
    order=st.permutations(IMAGES),
    packs=st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5)), max_size=3),
    batches=st.lists(st.sets(st.sampled_from(IMAGES), min_size=1), max_size=3),
    only=st.sampled_from([None, ["S", "E"], ["image", "S"], ["segment"]]),
)
def test_packing_at_any_time_changes_nothing(order, packs, batches, only, tmp_path_factory):
    """A twin: the table that was written, whatever the order and whenever it was packed.

    Batches that are written as packs may share images, with each other and with the files.
    """
    files = SegmentFiles(LocalFolder(tmp_path_factory.mktemp("run")))
    for batch in batches:
        files.write_pack({image: (rows_of(image), note_on(image)) for image in batch})
    pending = sorted(packs)
    for written, image in enumerate(order):
        while pending and pending[0][0] <= written:
            files.compact(pending.pop(0)[1])
        write(files, image)
    assert files.images() == set(IMAGES)
    expected = TABLE if only is None else TABLE[only]
    pd.testing.assert_frame_equal(files.load(only).to_pandas(), expected)
    assert list(files.extras("note")) == [(i, i[::-1].encode()) for i in IMAGES]


def test_packs_hold_as_many_images_as_asked_for(tmp_path):
    files = SegmentFiles(LocalFolder(tmp_path))
    for image in IMAGES:
        write(files, image)
    assert files.compact(4) == len(IMAGES)
    assert len(list((tmp_path / "packs").iterdir())) == 3
    assert list((tmp_path / "segments").iterdir()) == []


def test_an_image_without_segments_stays_known_in_a_pack(tmp_path):
    files = SegmentFiles(LocalFolder(tmp_path))
    write(files, IMAGES[0])
    files.write("empty", TABLE.iloc[:0].drop(columns="image"), None)
    files.compact(10)
    files.write_pack({"none": (TABLE.iloc[:0].drop(columns="image"), None)})
    assert files.images() == {IMAGES[0], "empty", "none"}


@pytest.mark.parametrize("left", range(12))
def test_what_lacks_its_end_is_moved_aside(tmp_path, left):
    files = SegmentFiles(LocalFolder(tmp_path))
    write(files, IMAGES[0])
    part = tmp_path / "segments" / f"{IMAGES[0]}.parquet"
    assert files.set_aside_broken() == []
    content = part.read_bytes()[:left]
    part.write_bytes(content)
    assert files.set_aside_broken() == [part]
    assert files.images() == set()
    assert [path.name for path in part.parent.iterdir()] == [f"{part.name}.broken"]
    assert part.with_name(f"{part.name}.broken").read_bytes() == content


def test_packs_of_other_names_are_counted_on_from(tmp_path):
    files = SegmentFiles(LocalFolder(tmp_path))
    write(files, IMAGES[0])
    files.compact(1)
    (tmp_path / "packs" / "000001.parquet").rename(tmp_path / "packs" / "mine.parquet")
    write(files, IMAGES[1])
    assert files.compact(1) == 1
    assert files.images() == set(IMAGES[:2])


@pytest.mark.parametrize(
    "names", [b"[]", b"{}", b'["../../evil"]', b"[1]", b"[" * 100_000, b'"ab"', b"\xff"]
)
def test_a_pack_with_other_names_is_refused(tmp_path, names):
    folder = LocalFolder(tmp_path)
    write(SegmentFiles(folder), IMAGES[0])
    SegmentFiles(folder).compact(9)
    (pack,) = (tmp_path / "packs").iterdir()
    table = pq.read_table(pack)
    pq.write_table(table.replace_schema_metadata({b"images": names}), pack)
    with pytest.raises(DataFormatError, match=r"000001\.parquet"):
        SegmentFiles(folder).images()


def test_names_that_are_no_text_are_refused(tmp_path):
    files = SegmentFiles(LocalFolder(tmp_path))
    write(files, IMAGES[0])
    (path,) = (tmp_path / "segments").iterdir()
    table = pq.read_table(path)
    names = pa.array([b"\xff"] * len(table)).view(pa.string())
    pq.write_table(table.set_column(0, "image", names), path)
    with pytest.raises(DataFormatError, match="expected a whole segment table"):
        files.load()


@pytest.fixture
def whole(tmp_path):
    """Files of all images, and the one file of all that was kept when they were read."""
    parts = SegmentFiles(LocalFolder(tmp_path))
    for image in IMAGES:
        write(parts, image)
    parts.load(keep=True)
    return tmp_path / "evaluation" / "segments.parquet"


@pytest.mark.parametrize("only", [None, ["S", "E"], ["image", "S"]])
def test_the_file_of_all_is_read_in_place_of_one_per_image(whole, tmp_path, monkeypatch, only):
    parts, read = SegmentFiles(LocalFolder(tmp_path)), []
    opened = pq.ParquetFile
    monkeypatch.setattr(pq, "ParquetFile", lambda *a, **o: read.append(a) or opened(*a, **o))
    expected = TABLE if only is None else TABLE[only]
    pd.testing.assert_frame_equal(parts.load(only).to_pandas(), expected)
    assert len(read) == 1
    with pytest.raises(DataFormatError, match="expected columns nothing, which the run does not"):
        parts.load(["nothing"])


def test_the_file_of_all_is_not_read_once_an_image_is_added_or_changed(whole, tmp_path):
    parts = SegmentFiles(LocalFolder(tmp_path))
    parts.write("zz", TABLE[TABLE.image == IMAGES[0]].drop(columns="image"), None)
    assert len(parts.load()) > len(TABLE)
    parts.write("zz", TABLE.iloc[:0].drop(columns="image"), None)
    assert len(parts.load()) == len(TABLE)


@pytest.mark.parametrize("content", [b"", b"PAR1", "another table"])
def test_a_file_of_all_that_is_broken_or_of_others_is_not_read(whole, tmp_path, content):
    if isinstance(content, str):
        pq.write_table(pa.table({"image": ["a"], "S": [1]}), whole)
    else:
        whole.write_bytes(content)
    loaded = SegmentFiles(LocalFolder(tmp_path)).load(keep=True)
    pd.testing.assert_frame_equal(loaded.to_pandas(), TABLE)
    assert pq.read_table(whole).num_rows == len(TABLE)


def test_a_folder_that_cannot_be_written_to_is_still_read(tmp_path, monkeypatch):
    parts = SegmentFiles(LocalFolder(tmp_path))
    for image in IMAGES[:2]:
        write(parts, image)

    def refuse(*_):
        raise RunError("disk full")

    monkeypatch.setattr(parts._folder, "write", refuse)
    assert len(parts.load(keep=True)) == TABLE.image.isin(IMAGES[:2]).sum()
