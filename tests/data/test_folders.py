import logging
import os

import pytest

from metaseg_tf.data.folders import find_files
from metaseg_tf.errors import DataFormatError


@pytest.fixture
def folder(tmp_path):
    for name in ("b.NPZ", "a.npz", "c.Npz", "._a.npz", ".DS_Store", "Thumbs.db", "desktop.ini"):
        (tmp_path / name).touch()
    return tmp_path


def test_suffixes_are_taken_in_any_case_and_hidden_files_are_no_files(folder, caplog):
    assert [p.name for p in find_files(folder, [".npz"], "dumps")] == ["a.npz", "b.NPZ", "c.Npz"]
    assert not caplog.records


def test_what_is_left_out_is_counted_and_said_once(folder, caplog):
    for name in ("d.npy", "e.NPY", "README"):
        (folder / name).touch()
    (folder / "sub.npz").mkdir()
    os.mkfifo(folder / "pipe.npz")
    with caplog.at_level(logging.WARNING):
        assert len(find_files(str(folder), [".npz"], "dumps")) == 3
    (record,) = caplog.records
    said = record.getMessage()
    assert "takes 3 dumps, leaves out 5 others (2 .npy, " in said
    for part in ("1 file without suffix", "1 folder", "1 broken link, pipe or device", ".npz"):
        assert part in said
    assert str(folder) in said


def test_a_folder_without_such_files_tells_what_it_holds_instead(folder):
    (folder / "d.npy").touch()
    with pytest.raises(
        DataFormatError, match=r"expected images \(\.png, \.bmp\).*3 \.npz, 1 \.npy"
    ):
        find_files(folder, [".png", ".bmp"], "images")


@pytest.mark.parametrize("name", ["nowhere", "a.npz"])
def test_what_is_not_a_folder_is_refused(folder, name):
    with pytest.raises(DataFormatError, match=rf"{name}: expected a folder with dumps"):
        find_files(folder / name, [".npz"], "dumps")
