"""One file an image and packs of many give the same table."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import make_table

from metaseg_tf.errors import DataFormatError
from metaseg_tf.runs.segment_files import SegmentFiles
from metaseg_tf.runs.storage import LocalFolder

TABLE = make_table(120, n_images=9, n_classes=3)
IMAGES = sorted(set(TABLE.image))


def write(files, image):
    rows = TABLE[TABLE.image == image].drop(columns="image")
    files.write(image, rows, {"note": image[::-1].encode()})


@settings(max_examples=25)
@given(
    order=st.permutations(IMAGES),
    packs=st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5)), max_size=3),
    only=st.sampled_from([None, ["S", "E"], ["image", "S"], ["segment"]]),
)
def test_packing_at_any_time_changes_nothing(order, packs, only, tmp_path_factory):
    """A twin: the table that was written, whatever the order and whenever it was packed."""
    files = SegmentFiles(LocalFolder(tmp_path_factory.mktemp("run")))
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
    assert files.images() == {IMAGES[0], "empty"}


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
