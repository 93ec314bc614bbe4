"""Arrays in HDF5 and npz files from elsewhere, read from that one file and within bounds.

Either format may declare any size, npz may hold pickles, and HDF5 may point to other files of the
machine. So what is declared is checked before anything is read or allocated.
"""

import contextlib
import lzma
import math
import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, Protocol

import h5py
import numpy as np

from metaseg_tf.errors import DataFormatError, MetaSegError, in_one_line

__all__ = ["MAX_BYTES", "READ_ERRORS", "StoredArrays", "open_hdf5", "open_npz"]

#: Upper bound of one array; 2048x4096 pixels of 150 classes in float32 take 5.0 GB.
MAX_BYTES = 8 * 2**30
#: Deflate, the usual compression of both formats, makes at most 1032 bytes of one.
_MAX_RATIO = 1032
#: Up to so many bytes no ratio is asked for.
_SMALL = 2**26

#: What h5py, numpy and zipfile raise on files that are truncated or something else.
READ_ERRORS = (
    OSError,
    EOFError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
_REMEDY = "write or copy it again"
_KINDS = {"f": "real numbers", "iu": "integers", "SU": "text"}


class StoredArrays(Protocol):
    """The arrays of an open file by their names."""

    def names(self) -> list[str]:
        """What the file holds."""

    def read(self, name: str, kinds: str) -> np.ndarray:
        """One array, whose dtype is of one of ``kinds``: "f", "iu" or "SU", as numpy names them.

        Raises
        ------
        DataFormatError
            If it is of another kind, too large, or not stored in this file.
        """


@contextlib.contextmanager
def open_hdf5(path: str | os.PathLike) -> Iterator[StoredArrays]:
    """Open an HDF5 file; what h5py raises meanwhile becomes a DataFormatError."""
    origin = _Origin(str(path), "HDF5")
    with _translated(origin), h5py.File(path, "r") as file:
        yield _HDF5Arrays(origin, file)


@contextlib.contextmanager
def open_npz(
    file: str | os.PathLike | BinaryIO, name: str = "", remedy: str = ""
) -> Iterator[StoredArrays]:
    """Open an npz file; errors as `open_hdf5`, which give its name and what to do."""
    origin = _Origin(name or str(file), "npz", remedy or _REMEDY)
    with _translated(origin), zipfile.ZipFile(file) as archive:
        yield _NpzArrays(origin, archive)


class _Origin(NamedTuple):
    """What errors say of a file."""

    name: str
    kind: str
    remedy: str = _REMEDY

    def refuse(self, name: str, expected: str, found: object) -> DataFormatError:
        return DataFormatError(
            f"{self.name}: expected {name!r} to hold {expected}, got {found}; {self.remedy}"
        )


class _HDF5Arrays(NamedTuple):
    origin: _Origin
    file: h5py.File

    def names(self) -> list[str]:
        return list(self.file)

    def read(self, name: str, kinds: str) -> np.ndarray:
        if not isinstance(self.file.get(name, getlink=True), h5py.HardLink):
            raise _elsewhere(self.origin, name)
        dataset = self.file[name]
        if not isinstance(dataset, h5py.Dataset) or dataset.shape is None:
            raise self.origin.refuse(name, "an array", "a group or nothing")
        if dataset.is_virtual or dataset.external:
            raise _elsewhere(self.origin, name)
        is_text = h5py.check_string_dtype(dataset.dtype) is not None
        _check_kind(self.origin, name, np.dtype("S") if is_text else dataset.dtype, kinds)
        # A chunk is decompressed as a whole, also where it is larger than the array.
        elements = max(math.prod(dataset.shape), math.prod(dataset.chunks or (1,)))
        size = elements * dataset.dtype.itemsize
        _check_size(self.origin, name, size, dataset.id.get_storage_size())
        return np.asarray(dataset[()])


class _NpzArrays(NamedTuple):
    origin: _Origin
    archive: zipfile.ZipFile

    def names(self) -> list[str]:
        return [name.removesuffix(".npy") for name in self.archive.namelist()]

    def read(self, name: str, kinds: str) -> np.ndarray:
        member = self.archive.getinfo(f"{name}.npy")
        _check_size(self.origin, name, member.file_size, member.compress_size)
        with self.archive.open(member) as stream:
            shape, dtype = _read_header(stream)
        _check_kind(self.origin, name, dtype, kinds)
        if not 0 <= math.prod(shape) * dtype.itemsize <= member.file_size:
            raise self.origin.refuse(name, "as many bytes as its shape takes", list(shape))
        with self.archive.open(member) as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)


def _read_header(stream: BinaryIO) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(stream)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"npy version {version}")
    shape, _, dtype = readers[version](stream)
    return shape, dtype


@contextlib.contextmanager
def _translated(origin: _Origin) -> Iterator[None]:
    try:
        yield
    except MetaSegError:
        raise
    except READ_ERRORS as error:
        raise DataFormatError(
            f"{origin.name}: expected a whole {origin.kind} file, got one that cannot be read "
            f"({in_one_line(error)}); {origin.remedy}"
        ) from error


def _check_kind(origin: _Origin, name: str, dtype: np.dtype, kinds: str) -> None:
    if dtype.kind not in kinds:
        raise origin.refuse(name, _KINDS[kinds], dtype)


def _check_size(origin: _Origin, name: str, size: int, stored: int) -> None:
    if size > min(MAX_BYTES, max(_SMALL, stored * _MAX_RATIO)):
        raise origin.refuse(
            name,
            f"at most {MAX_BYTES} bytes and {_MAX_RATIO} times what is stored of it",
            f"{size} of which {stored} are stored",
        )


def _elsewhere(origin: _Origin, name: str) -> DataFormatError:
    return origin.refuse(name, "numbers of this file", "a link, or numbers of other files")
