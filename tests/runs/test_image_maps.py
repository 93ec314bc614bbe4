import dataclasses
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from messages import check_line
from PIL import Image
from scenes import make_blobs

from metaseg_tf.errors import DataFormatError, InputError
from metaseg_tf.runs.image_maps import ImageMaps, decode_maps, encode_maps
from metaseg_tf.runs.run import Run


@pytest.fixture
def maps():
    rng = np.random.default_rng(0)
    pred, gt = (make_blobs(24, 32, 4, seed) for seed in (1, 2))
    *heat, information = rng.random((3, 24, 32), np.float32)
    image = np.stack(np.broadcast_arrays(*np.ogrid[50:74, 90:122], 128), -1).astype(np.uint8)
    segments = np.arange(24 * 32, dtype=np.int32).reshape(24, 32)
    runner_up = make_blobs(24, 32, 4, 3)
    return ImageMaps(pred, segments, *heat, gt, image, information, runner_up)


@pytest.fixture
def run(tmp_path):
    return Run.create(tmp_path / "run", {})


def test_maps_come_back(maps, run):
    run.write_maps("a", maps)
    back = run.load_maps("a")
    for name in ("pred", "segments", "gt", "runner_up"):
        np.testing.assert_array_equal(getattr(back, name), getattr(maps, name))
        assert getattr(back, name).dtype == getattr(maps, name).dtype
    for name in ("entropy", "difference", "mutual_information"):
        assert getattr(back, name).dtype == np.float32
        np.testing.assert_allclose(getattr(back, name), getattr(maps, name), atol=1 / 510 + 1e-6)
    assert np.abs(back.image.astype(int) - maps.image).mean() < 4
    assert run.with_maps() == {"a"}


def test_photograph_truth_and_passes_are_optional(maps):
    lacking = dict.fromkeys(("gt", "image", "mutual_information", "runner_up"))
    files = encode_maps(dataclasses.replace(maps, **lacking))
    assert set(files) == {"npz"}
    back = decode_maps(files["npz"])
    assert back.gt is None
    assert back.mutual_information is None
    assert back.image is None
    assert back.runner_up is None


def test_certain_and_undecided_pixels_are_exact(maps):
    certain = dataclasses.replace(maps, entropy=0 * maps.entropy, difference=0 * maps.entropy + 1)
    back = decode_maps(encode_maps(certain)["npz"])
    assert (back.entropy == 0).all()
    assert (back.difference == 1).all()


@pytest.mark.parametrize("damage", [lambda b: b[:-40], lambda b: b"text", lambda b: b""])
@pytest.mark.parametrize("part", ["npz", "jpg"])
def test_a_broken_file_is_named(maps, run, part, damage):
    run.write_maps("a", maps)
    path = run.path / "maps" / f"a.{part}"
    path.write_bytes(damage(path.read_bytes()) if part == "npz" else b"text")
    with pytest.raises(DataFormatError, match=r"a\.npz.*run extract again"):
        run.load_maps("a")


def test_an_image_without_maps_is_refused_with_the_remedy(run):
    with pytest.raises(InputError, match="--keep-maps"):
        run.load_maps("a")


def packed(**arrays):
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


GREY = np.zeros((4, 5), np.uint8)
WHOLE = {"pred": GREY, "segments": GREY, "entropy": GREY, "difference": GREY}


@pytest.mark.parametrize(
    "changes",
    [
        {"gt": GREY.T},
        {"pred": GREY[0]},
        {"entropy": GREY * 1.0},
        {"entropy": GREY.astype(np.uint16)},
        {"difference": GREY.astype(np.int8)},
        {"mutual_information": GREY.T},
        {"mutual_information": GREY * 1.0},
        {"segments": "text"},
        {"segments": GREY + 21},
        {"segments": GREY.astype(np.int64) - 1},
        {"segments": GREY.astype(np.uint64) + 2**63},
        {"pred": GREY + 254},
        {"gt": GREY + 254},
        {"pred": GREY.astype(np.int16) - 1},
        {"pred": GREY.astype(np.int64) + 2**40},
        dict.fromkeys(["pred", "segments", "entropy", "difference"], GREY[:0]),
        dict.fromkeys(["pred", "segments", "entropy", "difference"], GREY[0]),
    ],
)
def test_other_maps_are_refused(changes):
    decode_maps(packed(**WHOLE))
    with pytest.raises(DataFormatError, match="run extract again") as refusal:
        decode_maps(packed(**WHOLE | changes))
    assert "\n" not in str(refusal.value)


def test_classes_are_those_of_the_run(run, maps):
    run.write_maps("a", maps)
    run.manifest.n_classes = 4
    assert run.load_maps("a").pred.max() < 4
    run.manifest.n_classes = 3
    with pytest.raises(DataFormatError, match="pred of uint8 up to 3"):
        run.load_maps("a")


def test_pixels_are_bounded_before_they_are_read():
    """67 million pixels, which take little where all are equal."""
    whole = {name: np.zeros((2**13, 2**13 + 1), bool) for name in ("pred", "segments")}
    content = io.BytesIO()
    np.savez_compressed(content, **WHOLE | whole)
    assert len(content.getvalue()) < 2**18
    with pytest.raises(DataFormatError, match="pixels"):
        decode_maps(content.getvalue())


ARRAYS = hnp.arrays(
    st.sampled_from([np.uint8, np.uint16, np.int32, np.int64, np.uint64, np.float32, bool]),
    st.sampled_from([(4, 5), (0, 5), (5,), (), (4, 5, 1)]),
)


@given(changes=st.dictionaries(st.sampled_from([*WHOLE, "gt"]), ARRAYS), n=st.integers(2, 254))
def test_any_arrays_give_possible_maps_or_one_line(changes, n):
    try:
        maps = decode_maps(packed(**WHOLE | changes), n_classes=n)
    except DataFormatError as error:
        check_line(error)
        return
    for name in ("pred", "gt"):
        if (classes := getattr(maps, name)) is not None:
            assert classes.dtype == np.uint8
            assert ((classes < n) | (classes == 255)).all()
    assert maps.segments.dtype == np.int32
    assert 0 <= maps.segments.min() <= maps.segments.max() <= maps.segments.size
    for heat in (maps.entropy, maps.difference):
        assert heat.shape == maps.pred.shape == (4, 5)
        assert 0 <= heat.min() <= heat.max() <= 1


@pytest.mark.parametrize(
    ("size", "mode", "kind"),
    [((9, 9), "RGB", "JPEG"), ((5, 4), "L", "JPEG"), ((5, 4), "RGB", "PNG")],
)
def test_another_photograph_is_refused(size, mode, kind):
    content = io.BytesIO()
    Image.new(mode, size).save(content, kind)
    with pytest.raises(DataFormatError, match="run extract again"):
        decode_maps(packed(**WHOLE), content.getvalue())
