"""What a file declares is bounded, plain, and stored in that file; all else is refused in time."""

import io
import struct
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest

from metaseg_tf.errors import DataFormatError
from metaseg_tf.untrusted import arrays as stored_arrays
from metaseg_tf.untrusted.arrays import check_hdf5, open_hdf5, open_npz

VALUES = np.full((4, 4, 3), 1 / 3, np.float32)


def write_hdf5(path, fill):
    with h5py.File(path, "w") as file:
        fill(file)
    return path


def npy(descr, shape, body=b"", version=(1, 0)):
    """A npy file with any header."""
    content = io.BytesIO()
    write = getattr(np.lib.format, f"write_array_header_{version[0]}_0")
    write(content, {"descr": descr, "fortran_order": False, "shape": shape})
    return content.getvalue() + body


def npz(content, compression=zipfile.ZIP_DEFLATED):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as archive:
        archive.writestr("x.npy", content)
    return packed


def read_hdf5(path, kinds="f"):
    with open_hdf5(path) as arrays:
        return arrays.read("x", kinds)


def read_npz(content, kinds="f"):
    with open_npz(content, "a.npz") as arrays:
        return arrays.read("x", kinds)


@pytest.mark.parametrize(
    ("values", "kinds"),
    [(VALUES, "f"), (VALUES.T, "f"), (np.arange(3), "iu"), (np.array(1.5), "f")],
)
def test_plain_arrays_are_read(tmp_path, values, kinds):
    path = write_hdf5(tmp_path / "a.h5", lambda file: file.__setitem__("x", values))
    packed = io.BytesIO()
    np.savez(packed, x=values)
    for read in (read_hdf5(path, kinds), read_npz(packed, kinds)):
        np.testing.assert_array_equal(read, values)
        assert read.dtype == values.dtype


def elsewhere(tmp_path):
    """Ways to make HDF5 read another file."""
    secret = write_hdf5(tmp_path / "secret.h5", lambda file: file.__setitem__("x", VALUES))
    (tmp_path / "password").write_bytes(bytes(VALUES.nbytes))
    virtual = h5py.VirtualLayout(VALUES.shape, VALUES.dtype)
    virtual[:] = h5py.VirtualSource(secret, "x", VALUES.shape)
    external = [(str(tmp_path / "password"), 0, VALUES.nbytes)]
    return {
        "link": lambda file: file.__setitem__("x", h5py.ExternalLink(secret, "x")),
        "virtual": lambda file: file.create_virtual_dataset("x", virtual),
        "storage": lambda file: file.create_dataset("x", VALUES.shape, "f4", external=external),
    }


@pytest.mark.parametrize("way", ["link", "virtual", "storage"])
def test_hdf5_reads_no_other_file(tmp_path, way):
    path = write_hdf5(tmp_path / "a.h5", elsewhere(tmp_path)[way])
    with pytest.raises(DataFormatError, match=r"'x' to hold numbers of this file"):
        read_hdf5(path)


@pytest.mark.parametrize(
    "declare",
    [
        pytest.param(lambda f: f.create_dataset("x", (10**4, 10**4, 10**4), "f4"), id="contiguous"),
        pytest.param(lambda f: f.create_dataset("x", (10**6, 10**6), chunks=(9, 9)), id="chunked"),
        pytest.param(lambda f: f.create_dataset("x", (9000, 9000), chunks=True), id="unwritten"),
        pytest.param(
            lambda f: f.create_dataset("x", (2, 2), maxshape=(None, None), chunks=(2**14, 2**15)),
            id="one large chunk",
        ),
    ],
)
def test_hdf5_is_bounded_before_it_is_read(tmp_path, declare):
    with pytest.raises(DataFormatError, match="times what is stored"):
        read_hdf5(write_hdf5(tmp_path / "a.h5", declare))


@pytest.mark.parametrize(
    "declare",
    [
        lambda f: f.create_dataset("x", (4,), h5py.string_dtype()),
        lambda f: f.create_dataset("x", (4,), h5py.vlen_dtype("f4")),
        lambda f: f.create_dataset("x", (4,), h5py.ref_dtype),
        lambda f: f.create_dataset("x", (4,), [("a", "f4")]),
        lambda f: f.create_dataset("x", (4,), "i4"),
        lambda f: f.create_dataset("x", dtype="f4"),
        lambda f: f.create_group("x"),
    ],
    ids=["text", "lists", "references", "records", "integers", "nothing", "group"],
)
def test_hdf5_of_other_kinds_is_refused(tmp_path, declare):
    with pytest.raises(DataFormatError, match="to hold"):
        read_hdf5(write_hdf5(tmp_path / "a.h5", declare))


@pytest.mark.parametrize(
    "content",
    [
        npy("<f4", (10**4, 10**4, 10**4), bytes(8)),
        npy("<f4", (2**62, 4), bytes(8)),
        npy("<f4", (-1, 4), bytes(8)),
        npy("<U999999999", (4,), bytes(8)),
        npy([("a", "<f4")], (1,), bytes(4)),
        npy("|O", (1,), b"cos\nsystem\n"),
        npy("<i4", (1,), bytes(4)),
        b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535,
        b"\x93NUMPY\x02\x00\xff\xff\xff\x7f" + b"(" * 99,
        b"\x93NUMPY\x01\x00\x08\x00(((('a' ",
        b"\x93NUMPY\x09\x00\x08\x00",
        b"something else",
        b"",
    ],
)
def test_npy_headers_are_read_before_their_arrays(content):
    with pytest.raises(DataFormatError, match=r"^a\.npz: ") as caught:
        read_npz(npz(content))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_bomb_is_not_unpacked(compression, monkeypatch):
    monkeypatch.setattr(stored_arrays, "_SMALL", 2**16)
    with pytest.raises(DataFormatError, match="times what is stored"):
        read_npz(npz(npy("<f4", (2**20,), bytes(2**22)), compression))


def test_a_size_that_memory_cannot_hold_is_an_error(monkeypatch):
    def full(*args, **kwargs):
        raise MemoryError("Unable to allocate")

    monkeypatch.setattr(np.lib.format, "read_array", full)
    with pytest.raises(DataFormatError, match=r"Unable to allocate.*free memory"):
        read_npz(npz(npy("<f4", (1,), bytes(4))))


def test_what_is_no_zip_is_refused():
    with pytest.raises(DataFormatError, match="whole npz"):
        read_npz(io.BytesIO(npy("<f4", (10**9, 10**9))))


@pytest.mark.parametrize("texts", [["a"], ["Straße", "b"], ["x" * 5000], [""]])
@pytest.mark.parametrize("userblock", [0, 512])
def test_texts_of_any_length(tmp_path, texts, userblock):
    with h5py.File(tmp_path / "a.h5", "w", userblock_size=userblock) as file:
        file["other"] = ["before", "it"]
        file["x"] = texts
    assert read_hdf5(tmp_path / "a.h5", "SU").item().decode() == texts[0]


def test_a_heap_that_libhdf5_never_returns_from_is_read(tmp_path):
    path = write_hdf5(tmp_path / "a.h5", lambda file: file.__setitem__("x", ["text"]))
    content = path.read_bytes()
    heap = content.index(b"GCOL")
    free = content.index(bytes(8) + struct.pack("<Q", 4096 - 16 - 24), heap)
    path.write_bytes(content[: free + 8] + bytes(8) + content[free + 16 :])
    assert read_hdf5(path, "SU") == b"text"
    check_hdf5(content, "a.h5")
    with pytest.raises(DataFormatError, match=r"a\.h5: expected 'its texts' to hold a whole heap"):
        check_hdf5(path.read_bytes(), "a.h5")
    path.write_bytes(content.replace(b"GCOL", b"LOCG"))
    with pytest.raises(DataFormatError, match="no text"):
        read_hdf5(path, "SU")
    first = heap + 16
    path.write_bytes(content[:first] + b"\7" + content[first + 1 :])
    with pytest.raises(DataFormatError):
        read_hdf5(path, "SU")


def test_a_compression_that_python_lacks(tmp_path):
    content = npz(npy("<f4", (1,), bytes(4)), zipfile.ZIP_STORED).getvalue()
    local, central = content.index(b"PK\3\4") + 8, content.index(b"PK\1\2") + 10
    for place in (local, central):
        content = content[:place] + b"\x63\0" + content[place + 2 :]
    with pytest.raises(DataFormatError, match="compression"):
        read_npz(io.BytesIO(content))


@pytest.mark.parametrize("killed", [False, True])
def test_a_file_that_is_being_written_is_not_called_broken(tmp_path, killed):
    code = (
        "import h5py, sys\n"
        "file = h5py.File(sys.argv[1], 'w', libver='latest')\n"
        "file['x'] = [0.5]\n"
        "file.flush()\n"
        "print('written', flush=True)\n"
        "sys.stdin.read()"
    )
    words = [sys.executable, "-c", code, tmp_path / "a.h5"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(words, **pipes) as writer:
        writer.stdout.readline()
        if killed:
            writer.kill()
            writer.wait()
        try:
            with pytest.raises(DataFormatError, match=r"finished HDF5 .*wait.* h5clear") as caught:
                read_hdf5(tmp_path / "a.h5")
        finally:
            writer.kill()
    assert "copy it" not in str(caught.value)


@pytest.mark.parametrize("way", ["link", "virtual", "storage"])
def test_all_of_a_file_is_checked_for_others_to_read(tmp_path, way):
    def fill(file):
        inner = file.create_group("outer/inner")
        inner["circle"] = file["outer"]
        inner["y"] = VALUES

    path = write_hdf5(tmp_path / "a.h5", fill)
    check_hdf5(path.read_bytes(), "a.h5")
    with h5py.File(path, "a") as file:
        elsewhere(tmp_path)[way](file["outer/inner"])
    with pytest.raises(DataFormatError, match="numbers of this file"):
        check_hdf5(path.read_bytes(), "a.h5")
