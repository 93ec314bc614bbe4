"""One file an image and packs of many give the same table."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import make_table

from metaseg_tf.parts import Parts
from metaseg_tf.storage import LocalFolder

TABLE = make_table(120, n_images=9, n_classes=3)
IMAGES = sorted(set(TABLE.image))


def write(parts, image):
    rows = TABLE[TABLE.image == image].drop(columns="image")
    parts.write(image, rows, {"note": image[::-1].encode()})


@settings(max_examples=25)
@given(
    order=st.permutations(IMAGES),
    packs=st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5)), max_size=3),
    only=st.sampled_from([None, ["S", "E"], ["image", "S"], ["segment"]]),
)
def test_packing_at_any_time_changes_nothing(order, packs, only, tmp_path_factory):
    """A twin: the table that was written, whatever the order and whenever it was packed."""
    parts = Parts(LocalFolder(tmp_path_factory.mktemp("run")))
    pending = sorted(packs)
    for written, image in enumerate(order):
        while pending and pending[0][0] <= written:
            parts.compact(pending.pop(0)[1])
        write(parts, image)
    assert parts.images() == set(IMAGES)
    expected = TABLE if only is None else TABLE[only]
    pd.testing.assert_frame_equal(parts.load(only).to_pandas(), expected)
    assert list(parts.extras("note")) == [(i, i[::-1].encode()) for i in IMAGES]


def test_packs_hold_as_many_images_as_asked_for(tmp_path):
    parts = Parts(LocalFolder(tmp_path))
    for image in IMAGES:
        write(parts, image)
    assert parts.compact(4) == len(IMAGES)
    assert len(list((tmp_path / "packs").iterdir())) == 3
    assert list((tmp_path / "segments").iterdir()) == []


def test_an_image_without_segments_stays_known_in_a_pack(tmp_path):
    parts = Parts(LocalFolder(tmp_path))
    write(parts, IMAGES[0])
    parts.write("empty", TABLE.iloc[:0].drop(columns="image"), None)
    parts.compact(10)
    assert parts.images() == {IMAGES[0], "empty"}


@pytest.mark.parametrize("left", range(12))
def test_what_lacks_its_end_is_discarded(tmp_path, left):
    parts = Parts(LocalFolder(tmp_path))
    write(parts, IMAGES[0])
    part = tmp_path / "segments" / f"{IMAGES[0]}.parquet"
    assert parts.discard_broken() == []
    part.write_bytes(part.read_bytes()[:left])
    assert parts.discard_broken() == [part]
    assert parts.images() == set()
