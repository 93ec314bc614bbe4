import io
import os
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from street import write_pair

from metaseg_tf.data import cityscapes
from metaseg_tf.data.cityscapes import LABEL_IDS_TO_TRAIN_IDS, LABELS, Pair, find_pairs, read_ahead
from metaseg_tf.errors import DataFormatError, InputError


def read_pairs(pairs):
    return map(read_ahead(pairs), pairs)


def chain(pairs):
    return cityscapes._chain(pairs, {pair: place for place, pair in enumerate(pairs)})


@pytest.fixture
def root(tmp_path):
    for name, city in (("ulm_1", "ulm"), ("ulm_0", "ulm"), ("bonn_0", "bonn")):
        write_pair(tmp_path, name, city=city)
    return tmp_path


def test_label_ids_become_train_ids():
    assert [label.label_id for label in LABELS] == list(range(34))
    assert LABEL_IDS_TO_TRAIN_IDS[[7, 33, 0, 29, 255]].tolist() == [0, 18, 255, 255, 255]


def test_pairs_are_found_in_the_order_of_names(root):
    assert [p.name for p in find_pairs(root)] == ["bonn_0", "ulm_0", "ulm_1"]
    assert [p.name for p in find_pairs(root, city="ulm", limit=1)] == ["ulm_0"]


def test_pairs_are_decoded_with_train_ids(tmp_path):
    image, labels = write_pair(tmp_path, "ulm_0")
    (decoded,) = read_pairs(find_pairs(tmp_path))
    np.testing.assert_array_equal(decoded.image, image)
    np.testing.assert_array_equal(decoded.gt, LABEL_IDS_TO_TRAIN_IDS[labels])
    assert decoded.gt.dtype == np.uint8


def test_nobody_waits_for_a_tuner_to_leave_the_chain(root):
    # It sleeps for as long as the chain has been in use: short runs took twice their time.
    assert chain(find_pairs(root)).options().autotune.enabled is False


def test_no_python_runs_in_the_chain(root):
    """At the end of a process that left the chain, its threads waited for Python without end."""
    variant = tf.data.experimental.to_variant(chain(find_pairs(root)))
    graph = tf.raw_ops.DatasetToGraphV2(input_dataset=variant)
    assert b"DecodePng" in graph.numpy()
    assert b"PyFunc" not in graph.numpy()


def test_labels_with_train_ids_are_taken_as_they_are(tmp_path):
    labels = np.array([[0, 18, 255]], np.uint8).repeat(8, 0).repeat(4, 1)[:, :10]
    write_pair(tmp_path, "ulm_0", labels=labels, train_ids=True)
    (decoded,) = read_pairs(find_pairs(tmp_path))
    np.testing.assert_array_equal(decoded.gt, labels)


@pytest.mark.parametrize(
    ("remove", "words"),
    [
        ("", "expected the Cityscapes folder, found none"),
        ("leftImg8bit", "leftImg8bit is missing"),
        ("gtFine", "gtFine is missing"),
        ("gtFine/val", "expected the split 'val', found nothing"),
        ("leftImg8bit/val/*/*", "found none"),
        ("gtFine/val/*/ulm_1*", "1 are missing, the first is ulm_1_gtFine_labelIds.png"),
    ],
)
def test_half_a_data_set_is_refused(root, remove, words):
    import shutil

    for path in root.glob(remove) if remove else [root]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(DataFormatError, match=words):
        find_pairs(root)


def test_an_unknown_city_and_split_are_refused(root):
    with pytest.raises(DataFormatError, match="there is bonn, ulm"):
        find_pairs(root, city="aachen")
    with pytest.raises(DataFormatError, match="found val"):
        find_pairs(root, split="test")


def png(width, height, *, bits=8, colour=0, pixels=b""):
    """A PNG file that may declare more than it holds."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(pixels)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def encoded(array, kind="PNG"):
    content = io.BytesIO()
    Image.fromarray(array).save(content, kind)
    return content.getvalue()


IDS = np.full((8, 10), 7, np.uint8)


@pytest.mark.parametrize(
    ("name", "content", "error", "words"),
    [
        ("gtFine", encoded(IDS)[:-30], DataFormatError, "whole PNG"),
        ("gtFine", encoded(IDS)[:20], DataFormatError, "whole PNG"),
        ("gtFine", encoded(IDS, "JPEG"), DataFormatError, "whole PNG"),
        ("leftImg8bit", encoded(IDS, "GIF"), DataFormatError, "whole PNG"),
        ("gtFine", encoded(IDS.astype(np.uint16)), DataFormatError, "8-bit grey, got 16 bits"),
        ("gtFine", encoded(IDS > 0), DataFormatError, "8-bit grey, got 1 bits"),
        ("gtFine", encoded(np.dstack([IDS] * 3)), DataFormatError, "got 8 bits of colour type 2"),
        ("gtFine", png(10, 8, colour=3), DataFormatError, "got 8 bits of colour type 3"),
        ("gtFine", png(2**31 - 1, 2**31 - 1), DataFormatError, "134217728 pixels"),
        ("leftImg8bit", png(2 * 10**4, 10**4, colour=2), DataFormatError, "134217728 pixels"),
        ("leftImg8bit", png(0, 0), DataFormatError, "pixels"),
        ("leftImg8bit", png(10, 8, colour=2), DataFormatError, "whole PNG"),
        ("gtFine", b"not a png", DataFormatError, "whole PNG"),
        ("leftImg8bit", b"", DataFormatError, "whole PNG"),
        ("gtFine", np.full((8, 10), 40, np.uint8), InputError, "label ids 0..33"),
        ("gtFine", np.zeros((4, 10), np.uint8), DataFormatError, "8x10, got 4x10"),
    ],
)
def test_a_bad_pair_is_named_and_the_next_is_read(root, name, content, error, words):
    path = next((root / name / "val" / "ulm").glob("ulm_0*"))
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        Image.fromarray(content).save(path)
    pairs = read_pairs(find_pairs(root))
    assert next(pairs).gt.shape == (8, 10)
    with pytest.raises(error, match=words) as raised:
        next(pairs)
    assert "ulm_0" in str(raised.value)
    assert next(pairs).gt.shape == (8, 10)
    with pytest.raises(StopIteration):
        next(pairs)


def test_pairs_are_taken_by_what_they_are_in_any_order(tmp_path):
    expected = {}
    for i in range(6):
        image, labels = write_pair(tmp_path, f"ulm_{i}", seed=i)
        expected[f"ulm_{i}"] = (image, LABEL_IDS_TO_TRAIN_IDS[labels])
    *pairs, left_out = find_pairs(tmp_path)
    read = read_ahead(pairs)
    for i in (1, 1, 3, 0, 4, 2):
        sample = read(pairs[i])
        assert sample.name == f"ulm_{i}"
        for got, right in zip((sample.image, sample.gt), expected[f"ulm_{i}"], strict=True):
            np.testing.assert_array_equal(got, right)
    np.testing.assert_array_equal(read(left_out).image, expected["ulm_5"][0])


def test_what_is_taken_was_decoded_ahead(root, monkeypatch):
    pairs = find_pairs(root)
    read = read_ahead(pairs)
    monkeypatch.setattr(Pair, "read", lambda pair: pytest.fail("decoded on its own"))
    assert read(pairs[0]).gt.shape == read(pairs[2]).gt.shape == (8, 10)


def test_no_more_files_are_opened_than_are_soon_read(root, monkeypatch):
    """Of 100,000 images all were opened before the first was read."""
    monkeypatch.setattr(cityscapes, "_AHEAD", 1)
    checked, check = [], Pair.check
    monkeypatch.setattr(Pair, "check", lambda pair: (checked.append(pair.name), check(pair)))
    pairs = find_pairs(root)
    read = read_ahead(pairs)
    for n, pair in enumerate(pairs, 1):
        assert read(pair).name == pair.name
        assert checked == ["bonn_0", "ulm_0", "ulm_1"][:n]


def test_a_name_that_is_not_utf8_costs_no_other_image(tmp_path):
    write_pair(tmp_path, "ulm_0")
    write_pair(tmp_path, os.fsdecode(b"ulm_\xff"), seed=1)
    first, second = find_pairs(tmp_path)
    both = [sample.image for sample in read_pairs([first, second])]
    assert not np.array_equal(*both)
    np.testing.assert_array_equal(second.read().image, both[1])


def test_real_images_are_read(real_data):
    pairs = find_pairs(real_data / "cityscapes", split="train")
    assert [p.name for p in pairs] == [f"aachen_00000{i}_000019" for i in range(4)]
    for decoded in read_pairs(pairs):
        assert decoded.image.shape == (1024, 2048, 3)
        assert set(np.unique(decoded.gt)) <= {*range(19), 255}


def test_classes_need_no_tensorflow():
    import ast
    from pathlib import Path

    tree = ast.parse(Path(cityscapes.__file__).read_text())
    top = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    assert "tensorflow" not in ast.dump(ast.Module(top, []))


def test_no_pairs_are_no_images():
    assert list(read_pairs([])) == []


def test_a_pipe_in_place_of_an_image_is_refused_at_once(tmp_path):
    write_pair(tmp_path, "ulm_0")
    image = tmp_path / "leftImg8bit/val/ulm/ulm_0_leftImg8bit.png"
    image.unlink()
    os.mkfifo(image)
    with pytest.raises(DataFormatError, match="regular file"):
        find_pairs(tmp_path)
