import io
import pickle
import tempfile
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scenes import make_scene

from metaseg_tf.data.softmax import (
    SoftmaxDump,
    find_dumps,
    load_dump,
    open_dumps,
    read_name,
    save_dump,
)
from metaseg_tf.errors import DataFormatError, InputError, ShapeError

PROBS = make_scene(6, 8, 3)[0]
GT = np.argmax(PROBS, -1)
IMAGE = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)


def write(path, names, parts):
    """Parts of a dump under other names, as HDF5 or npz."""
    arrays = {names.get(part, part): array for part, array in parts.items()}
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file[name] = array
    return path


@pytest.fixture(params=[".hdf5", ".h5", ".npz", ".NPZ", ".HDF5"])
def dump(request, tmp_path):
    """(path, content) of a stored dump."""
    content = SoftmaxDump(*make_scene(), "aachen_000000_000019_leftImg8bit")
    path = tmp_path / f"probs_0{request.param}"
    save_dump(path, content)
    return path, content


def test_what_is_saved_is_loaded(dump):
    path, content = dump
    loaded = load_dump(path)
    np.testing.assert_array_equal(loaded.probs, content.probs)
    np.testing.assert_array_equal(loaded.gt, content.gt)
    assert loaded.name == content.name == read_name(path)
    assert open_dumps(path.parent).n_classes == content.probs.shape[-1]


@pytest.mark.parametrize("suffix", [".hdf5", ".npz"])
def test_ground_truth_is_optional(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    save_dump(path, SoftmaxDump(make_scene()[0], None, "a"))
    assert load_dump(path).gt is None


@pytest.mark.parametrize("dtype", ["f2", "f4", ">f4", "f8"])
def test_npy_holds_probabilities_only(tmp_path, dtype):
    np.save(tmp_path / "a.0.npy", PROBS.astype(dtype))
    dump = load_dump(tmp_path / "a.0.npy")
    np.testing.assert_array_equal(dump.probs, PROBS.astype(dtype))
    assert dump[1:] == (None, "a.0", None, None)
    assert read_name(tmp_path / "a.0.npy") == "a.0"
    assert open_dumps(tmp_path).n_classes == 3
    with pytest.raises(DataFormatError, match="'truth', found 'probs'"):
        load_dump(tmp_path / "a.0.npy", keys={"gt": "truth"})


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", np.arange(6)])
def test_npy_of_something_else_is_refused(tmp_path, content):
    if isinstance(content, bytes):
        (tmp_path / "a.npy").write_bytes(content)
    else:
        np.save(tmp_path / "a.npy", content)
    with pytest.raises(DataFormatError, match="expected"):
        load_dump(tmp_path / "a.npy")


def test_a_large_npy_that_is_cut_short_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", PROBS)
    content = (tmp_path / "a.npy").read_bytes()
    for kept in (len(content) - 1, len(content) - 400):
        (tmp_path / "a.npy").write_bytes(content[:kept])
        with pytest.raises(DataFormatError, match="expected"):
            load_dump(tmp_path / "a.npy")


KEYS = {"probs": "softmax", "gt": "label", "name": "title", "image": "rgb"}


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_other_keys(tmp_path, suffix):
    parts = {"probs": PROBS, "gt": GT, "name": np.bytes_("b.png"), "image": IMAGE}
    path = write(tmp_path / f"a{suffix}", KEYS, parts)
    dump = load_dump(path, keys=KEYS)
    np.testing.assert_array_equal(dump.probs, PROBS)
    np.testing.assert_array_equal(dump.gt, GT)
    np.testing.assert_array_equal(dump.image, IMAGE)
    assert dump.name == read_name(path, KEYS) == "b"
    assert open_dumps(tmp_path, keys=KEYS).n_classes == 3
    with pytest.raises(DataFormatError, match="name the right one by --keys probs=NAME"):
        load_dump(path)
    for part in KEYS:
        with pytest.raises(DataFormatError, match=f"'nothing'.*--keys {part}=NAME"):
            load_dump(path, keys=KEYS | {part: "nothing"})
    with pytest.raises(InputError, match=r"got 'labels'"):
        load_dump(path, keys={"labels": "label"})


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
@pytest.mark.parametrize("leading", [False, True])
def test_an_image_is_taken_where_it_is_one(tmp_path, suffix, leading):
    names = {"probs": "probabilities"} if suffix == ".h5" else {}
    stored = IMAGE[None] if leading else IMAGE
    path = write(tmp_path / f"a{suffix}", names, {"probs": PROBS, "image": stored})
    np.testing.assert_array_equal(load_dump(path).image, IMAGE)
    save_dump(path, load_dump(path))
    np.testing.assert_array_equal(load_dump(path).image, IMAGE)
    others = (IMAGE / 255, IMAGE[:3], IMAGE[..., 0], IMAGE.astype(int), np.bytes_("a.png"))
    for other in others:
        path = write(tmp_path / f"b{suffix}", names, {"probs": PROBS, "image": other})
        assert load_dump(path).image is None
        with pytest.raises((DataFormatError, ShapeError), match="'image' to hold"):
            load_dump(path, keys={"image": "image"})


@pytest.mark.parametrize("leading", [False, True])
@pytest.mark.parametrize("dtype", ["f2", "f4", ">f4", "f8"])
def test_logits_with_channels_first(tmp_path, leading, dtype):
    logits = (5 * np.log(PROBS) + 100).astype(dtype)
    expected = np.exp(logits.astype(float) - logits.max(-1, keepdims=True).astype(float))
    expected /= expected.sum(-1, keepdims=True)
    stored = np.moveaxis(logits, -1, 0)
    np.savez(tmp_path / "a.npz", probs=stored[None] if leading else stored, gt=GT[None])
    dump = load_dump(tmp_path / "a.npz", logits=True, channels_first=True)
    assert dump.probs.dtype == np.result_type(dtype, "f4")
    np.testing.assert_allclose(dump.probs, expected, atol=1e-6)
    np.testing.assert_array_equal(dump.gt, GT)
    assert open_dumps(tmp_path, channels_first=True).n_classes == 3


@pytest.mark.filterwarnings("error")
def test_logits_that_are_none_are_left_to_the_measuring_or_refused(tmp_path):
    logits = np.log(PROBS)
    logits[0, 0], logits[0, 1], logits[0, 2, 0] = np.nan, -np.inf, -np.inf
    np.savez(tmp_path / "a.npz", probs=logits)
    probs = load_dump(tmp_path / "a.npz", logits=True).probs
    assert np.isnan(probs[0, :2]).all()
    assert probs[0, 2, 0] == 0
    np.testing.assert_allclose(probs[1:].sum(-1), 1, atol=1e-6)
    spoilt = PROBS.copy()
    spoilt[0] = np.nan
    for values in (PROBS, PROBS.astype("f2"), spoilt):
        np.savez(tmp_path / "a.npz", probs=values)
        with pytest.raises(InputError, match=r"a\.npz: .*leave out 'logits'"):
            load_dump(tmp_path / "a.npz", logits=True)
    np.savez(tmp_path / "a.npz", probs=np.zeros((4, 0, 3)))
    assert load_dump(tmp_path / "a.npz", logits=True).probs.size == 0


@pytest.mark.parametrize("axes", [(), (0,), (-1,), (0, -1)])
@pytest.mark.parametrize("size", [(6, 8), (1, 8), (6, 1)])
def test_ground_truth_may_have_axes_of_length_one(tmp_path, axes, size):
    probs, gt = PROBS[: size[0], : size[1]], GT[: size[0], : size[1]]
    for values in (gt, gt == 1):
        np.savez(tmp_path / "a.npz", probs=probs, gt=np.expand_dims(values, axes))
        np.testing.assert_array_equal(load_dump(tmp_path / "a.npz").gt, values)


def test_one_channel_is_told_from_several_images(tmp_path):
    np.savez(tmp_path / "a.npz", probs=PROBS[..., 0])
    with pytest.raises(ShapeError, match=r"\[1-p, p\]"):
        load_dump(tmp_path / "a.npz")


def test_the_authors_layout_with_and_without_a_leading_axis(tmp_path):
    probs, gt = make_scene()
    for leading in (False, True):
        path = tmp_path / f"{leading}.hdf5"
        with h5py.File(path, "w") as file:
            file["probabilities"] = probs[None] if leading else probs
            file["ground_truths"] = gt[None] if leading else gt
            file["file_names"] = [b"some/folder/image.png"]
        loaded = load_dump(path)
        np.testing.assert_array_equal(loaded.probs, probs)
        np.testing.assert_array_equal(loaded.gt, gt)
        assert loaded.name == "image"


def test_a_dump_without_a_name_is_named_after_its_file(tmp_path):
    path = tmp_path / "street.npz"
    np.savez(path, probs=make_scene()[0])
    assert load_dump(path).name == read_name(path) == "street"


def test_dumps_are_found_in_order_and_what_is_left_out_is_said(tmp_path, caplog):
    for name in ("b.NPZ", "a.hdf5", "c.txt", "d.h5", "e.npy", "._a.hdf5", "f.H5"):
        (tmp_path / name).touch()
    (tmp_path / "sub.npz").mkdir()
    assert [p.name for p in find_dumps(tmp_path)] == ["a.hdf5", "b.NPZ", "d.h5", "f.H5"]
    (record,) = caplog.records
    assert all(part in record.getMessage() for part in ("1 .npy", "1 .txt", "1 folder"))


def test_npy_is_taken_where_nothing_else_is_there(tmp_path, caplog):
    for name in ("b.npy", "a.NPY", "._a.npy", ".hidden.npz"):
        (tmp_path / name).touch()
    assert [p.name for p in find_dumps(tmp_path)] == ["a.NPY", "b.npy"]
    assert not caplog.records


@pytest.mark.parametrize("missing", [True, False])
def test_a_missing_or_empty_folder_is_refused(tmp_path, missing):
    with pytest.raises(DataFormatError, match="expected"):
        find_dumps(tmp_path / "nowhere" if missing else tmp_path)


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99])
def test_a_truncated_file_is_refused(dump, keep):
    path, _ = dump
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if keep < 1 else keep])
    with pytest.raises(DataFormatError, match="whole"):
        load_dump(path)


@pytest.mark.parametrize("suffix", [".hdf5", ".npz"])
def test_a_missing_data_set_is_named(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    if suffix == ".npz":
        np.savez(path, scores=1)
    else:
        with h5py.File(path, "w") as file:
            file["scores"] = 1
    with pytest.raises(DataFormatError, match=r"expected a data set 'prob.*found 'scores'"):
        load_dump(path)


def test_a_group_in_place_of_a_data_set_is_refused(tmp_path):
    path = tmp_path / "a.hdf5"
    with h5py.File(path, "w") as file:
        file.create_group("probabilities")
    with pytest.raises(DataFormatError):
        load_dump(path)


def test_several_images_in_a_file_are_refused(tmp_path):
    path = tmp_path / "a.hdf5"
    with h5py.File(path, "w") as file:
        file["probabilities"] = np.zeros((2, 4, 4, 3), np.float32)
        file["ground_truths"] = np.zeros((2, 4, 4), np.uint8)
    with pytest.raises(ShapeError, match="one file per image"):
        load_dump(path)


@pytest.mark.parametrize("suffix", [".hdf5", ".npz", ".npy"])
def test_passes_over_one_image_are_read_and_announced(tmp_path, suffix):
    path, passes = tmp_path / f"a{suffix}", np.stack([PROBS, PROBS[::-1]])
    if suffix == ".npy":
        np.save(path, passes)
    else:
        save_dump(path, SoftmaxDump(passes, GT, "a"))
    loaded = load_dump(path)
    np.testing.assert_array_equal(loaded.probs, passes)
    assert (loaded.gt is None) == (suffix == ".npy")
    source = open_dumps(tmp_path)
    assert (source.passes, source.n_classes) == (True, 3)
    turned = load_dump(path, channels_first=True).probs
    np.testing.assert_array_equal(turned, np.moveaxis(passes, 1, -1))


@pytest.mark.parametrize("suffix", [".hdf5", ".npz"])
@pytest.mark.parametrize("keys", [None, {"disagreement": "spread"}])
def test_a_disagreement_is_read_by_its_name(tmp_path, suffix, keys):
    path, expected = tmp_path / f"a{suffix}", np.full((6, 8, 3), 0.1, np.float32)
    names = {"probs": "probabilities"} if suffix == ".hdf5" else {}
    write(path, names | (keys or {}), {"probs": PROBS, "disagreement": expected})
    np.testing.assert_array_equal(load_dump(path, keys=keys).disagreement, expected)
    assert open_dumps(tmp_path, keys=keys).passes
    assert load_dump(path).disagreement is None or keys is None
    assert not open_dumps(write_one(tmp_path / "single")).passes


def write_one(folder):
    folder.mkdir()
    np.save(folder / "a.npy", PROBS)
    return folder


class Bomb:
    """Whoever unpickles this runs code."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was run",))


def test_pickled_arrays_are_never_loaded(tmp_path):
    array = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        array, {"descr": "|O", "fortran_order": False, "shape": (1,)}
    )
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("probs.npy", array.getvalue() + pickle.dumps([Bomb()]))
    with pytest.raises(DataFormatError):
        load_dump(tmp_path / "a.npz")


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(DataFormatError, match="convert it"):
        load_dump(tmp_path / "a.pt")
    for name in ("a", "a.npy"):
        with pytest.raises(DataFormatError, match="convert it"):
            save_dump(tmp_path / name, SoftmaxDump(np.zeros((1, 1, 2)), None, "a"))


@pytest.mark.parametrize(
    ("stored", "name"),
    [
        ("C:\\data\\ulm.png", "ulm"),
        ("/data/ulm.png", "ulm"),
        ("../../ulm.png", "ulm"),
        ("", "a"),
        ("..", ".."),
        ("1508039851.412345", "1508039851.412345"),
        ("frame.0001", "frame.0001"),
        ("v1.5_scene", "v1.5_scene"),
        ("some.folder/v1.5_scene", "v1.5_scene"),
        ("frame.0001.PNG", "frame.0001"),
        (".png", ".png"),
    ],
)
@pytest.mark.parametrize("suffix", [".hdf5", ".npz"])
def test_folders_and_image_suffixes_of_a_stored_name_are_left_out(tmp_path, suffix, stored, name):
    path = tmp_path / f"a{suffix}"
    save_dump(path, SoftmaxDump(make_scene()[0], None, stored))
    assert read_name(path) == load_dump(path).name == name


@given(
    st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True),
    st.sampled_from(["", "a/b.c/", "C:\\d.e\\"]),
    st.sampled_from([".png", ".JPG", ".jpeg", ".tif", ".webp", ".bmp"]),
)
def test_a_name_loses_one_image_suffix_and_nothing_else(name, folder, suffix):
    content = io.BytesIO()
    np.savez(content, probs=np.zeros((1, 1, 2)), name=folder + name + suffix)
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / f"{name}{suffix}.npz"
        path.write_bytes(content.getvalue())
        assert read_name(path) == name
        np.savez(path, probs=np.zeros((1, 1, 2)))
        assert read_name(path) == name


TEXT = h5py.string_dtype()


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("a", {"data": ["a.png"], "dtype": TEXT}),
        ("a", {"data": "a.png"}),
        ("a", {"data": ["a.png", "b.png"], "dtype": TEXT, "maxshape": (None,)}),
        ("a", {"data": ["a.png"], "dtype": TEXT, "compression": "gzip"}),
        ("a", {"data": ["a.png", "b"], "dtype": TEXT, "compression": "gzip", "shuffle": True}),
        ("a", {"data": ["a.png"], "dtype": TEXT, "compression": "lzf"}),
        ("a", {"data": [["a.png", "b"]], "dtype": TEXT, "chunks": (1, 2), "shuffle": True}),
        ("a", {"data": np.array([b"a.png"]), "compression": "gzip", "maxshape": (None,)}),
        ("x", {"data": ["a.png"] * 99, "dtype": TEXT, "compression": "lzf"}),
        ("x", {"shape": (0,), "dtype": TEXT}),
        ("x", {"shape": (0,), "dtype": TEXT, "maxshape": (None,)}),
        ("x", {"shape": (1,), "dtype": TEXT}),
        ("x", {"shape": (1,), "dtype": TEXT, "maxshape": (None,)}),
        ("x", {"data": [""], "dtype": TEXT}),
        ("x", {"data": [7]}),
        ("x", {"data": [1.5]}),
        ("x", {"shape": (2,), "dtype": h5py.ref_dtype}),
        ("x", {"data": h5py.Empty("S5")}),
    ],
)
@pytest.mark.parametrize("userblock", [0, 512])
def test_a_name_is_read_from_any_layout_or_is_that_of_the_file(tmp_path, name, stored, userblock):
    path = tmp_path / "x.hdf5"
    with h5py.File(path, "w", userblock_size=userblock) as file:
        file["probabilities"] = PROBS
        file.create_dataset("file_names", **stored)
    assert read_name(path) == load_dump(path).name == name
    if name == "x" and stored.get("data") != [""] and "shape" not in stored:
        # Who asks for it is told.
        with pytest.raises(DataFormatError):
            read_name(path, {"name": "file_names"})


def test_a_compact_name_is_that_of_the_file(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_layout(h5py.h5d.COMPACT)
        kind, space = h5py.h5t.py_create(TEXT, logical=True), h5py.h5s.create_simple((1,))
        h5py.h5d.create(file.id, b"file_names", kind, space, plist)
        file["file_names"][0] = "a.png"
    assert read_name(tmp_path / "x.h5") == "x"


def test_npz_names_that_cannot_be_read_give_way_to_the_files(tmp_path):
    for name in (7, np.array([], "U3"), np.zeros(3), np.array([["b.png"]])):
        np.savez(tmp_path / "a.npz", probs=PROBS, name=name)
        assert read_name(tmp_path / "a.npz") == ("b" if np.ndim(name) == 2 else "a")


def test_names_of_data_sets_cannot_break_the_line(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("probs\n\x1b[2J.npy", b"")
    with pytest.raises(DataFormatError, match=r"found 'probs\\n\\x1b") as caught:
        load_dump(tmp_path / "a.npz")
    assert str(caught.value).isprintable()


def test_names_of_any_length_as_h5py_stores_lists(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["file_names"] = ["some/folder/Straße.png"]
    assert read_name(tmp_path / "a.h5") == "Straße"


def test_a_name_of_signs_that_do_not_exist_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        content = io.BytesIO()
        np.lib.format.write_array(content, np.array("ab"))
        archive.writestr("name.npy", content.getvalue()[:-4] + b"\xff" * 4)
    with pytest.raises(DataFormatError, match="whole npz"):
        read_name(tmp_path / "a.npz")


def test_the_number_of_classes_is_known_before_images_are_read(tmp_path):
    save_dump(tmp_path / "1.npz", SoftmaxDump(*make_scene(n_classes=3), "image"))
    assert open_dumps(tmp_path).n_classes == 3


@pytest.mark.parametrize("probs", [np.ones((2, 2)), np.ones((2, 2, 300), "f4"), np.array(1.0)])
def test_a_dump_without_classes_tells_no_number_of_them(tmp_path, probs):
    np.savez(tmp_path / "0.npz", probs=probs[..., :1] if probs.ndim == 2 else probs)
    assert open_dumps(tmp_path).n_classes is None
    (tmp_path / "0.npz").write_bytes(b"broken")
    assert open_dumps(tmp_path).n_classes is None
    assert open_dumps(tmp_path, limit=0).n_classes is None


def test_dumps_are_found_from_elsewhere(tmp_path, monkeypatch):
    save_dump(tmp_path / "0.npz", SoftmaxDump(*make_scene(), "image"))
    monkeypatch.chdir(tmp_path)
    (sent,) = map(pickle.dumps, open_dumps(".").items)
    monkeypatch.chdir("/")
    assert pickle.loads(sent).read().name == "image"
