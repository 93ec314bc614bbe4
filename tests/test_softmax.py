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

from metaseg_tf.errors import DataFormatError, ShapeError
from metaseg_tf.softmax import (
    SoftmaxDump,
    find_dumps,
    load_dump,
    read_classes,
    read_name,
    save_dump,
)


@pytest.fixture(params=[".hdf5", ".h5", ".npz"])
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
    assert read_classes(path) == content.probs.shape[-1]


@pytest.mark.parametrize("suffix", [".hdf5", ".npz"])
def test_ground_truth_is_optional(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    save_dump(path, SoftmaxDump(make_scene()[0], None, "a"))
    assert load_dump(path).gt is None


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


def test_dumps_are_found_in_order(tmp_path):
    for name in ("b.npz", "a.hdf5", "c.txt", "d.h5"):
        (tmp_path / name).touch()
    assert [p.name for p in find_dumps(tmp_path)] == ["a.hdf5", "b.npz", "d.h5"]


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
    with pytest.raises(ShapeError, match="one file an image"):
        load_dump(path)


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
        load_dump(tmp_path / "a.npy")
    with pytest.raises(DataFormatError, match="convert it"):
        save_dump(tmp_path / "a", SoftmaxDump(np.zeros((1, 1, 2)), None, "a"))


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


def test_a_name_that_is_no_text_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["file_names"] = [1.5]
    with pytest.raises(DataFormatError, match="'file_names' to hold text"):
        read_name(tmp_path / "a.h5")


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
