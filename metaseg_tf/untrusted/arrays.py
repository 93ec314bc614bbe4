"""Arrays in HDF5, npz and npy files from elsewhere, read from that one file and within bounds.

Either format may declare any size, npz may hold pickles, and HDF5 may point to other files of the
machine. So what is declared is checked before anything is read or allocated.
"""

import contextlib
import io
import lzma
import math
import os
import re
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import BinaryIO, NamedTuple

import h5py
import numpy as np

from metaseg_tf.errors import DataFormatError, MetaSegError, in_one_line

__all__ = ["READ_ERRORS", "StoredArrays", "check_hdf5", "fits", "open_hdf5", "open_npy", "open_npz"]

#: Upper bound of one array; 2048x4096 pixels of 150 classes in float32 take 5.0 GB.
MAX_BYTES = 8 * 2**30
#: Deflate, the usual compression of both formats, makes at most 1032 bytes of one.
_MAX_RATIO = 1032
#: Up to this size in bytes no ratio is asked for.
_SMALL = 2**26

#: Raised by h5py, numpy, Pillow and zipfile on files that are truncated or something else.
READ_ERRORS = (
    OSError, EOFError, ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError,
    SyntaxError, SystemError, TypeError, ValueError, lzma.LZMAError, struct.error,
    tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
_REMEDY = "write or copy it again"
# As the format's specification gives them, for files with addresses of 8 bytes.
_HEAP_REFERENCE = struct.Struct("<IQI")
_HEAP_START = b"GCOL\1\0\0\0"
_HEAP = struct.Struct("<8sQ")
_HEAP_OBJECT = struct.Struct("<H6xQ")
_KINDS = {"f": "real numbers", "iu": "integers", "iub": "integers", "fiu": "numbers", "SU": "text"}


class _Origin(NamedTuple):
    """The words that errors have for a file."""

    name: str
    kind: str
    remedy: str = _REMEDY

    def refuse(self, name: str, expected: str, found: object) -> DataFormatError:
        return DataFormatError(
            f"{self.name}: expected {name!r} to hold {expected}, got {found}; {self.remedy}"
        )


class _Array(NamedTuple):
    """An array as it is declared, and how to read it."""

    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[], np.ndarray]


class StoredArrays:
    """The arrays of an open file by their names, each found by ``find`` when it is asked for."""

    def __init__(self, origin: _Origin, names: Iterable[str], find: Callable[[str], _Array]):
        self._origin, self._names, self._find = origin, list(names), find

    def names(self) -> list[str]:
        """Names of the arrays in the file."""
        return self._names

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape that one array is declared to have."""
        return self._find(name).shape

    def read(self, name: str, kinds: str) -> np.ndarray:
        """One array, whose dtype is of one of ``kinds``, such as "f" or "iu", as numpy names them.

        Raises DataFormatError if it is of another kind, too large, or not stored in this file.
        """
        found = self._find(name)
        if found.dtype.kind not in kinds:
            raise self._origin.refuse(name, _KINDS[kinds], found.dtype)
        return found.read()


@contextlib.contextmanager
def open_hdf5(path: str | os.PathLike) -> Iterator[StoredArrays]:
    """Open an HDF5 file; what h5py raises meanwhile becomes a DataFormatError."""
    origin = _Origin(str(path), "HDF5")
    with _translated(origin), h5py.File(path, "r") as file:
        yield StoredArrays(origin, file, partial(_find_in_hdf5, origin, file))


@contextlib.contextmanager
def open_npz(
    file: str | os.PathLike | BinaryIO, name: str = "", remedy: str = ""
) -> Iterator[StoredArrays]:
    """Open an npz file; errors as `open_hdf5`, which give its name and what to do."""
    origin = _Origin(name or str(file), "npz", remedy or _REMEDY)
    with _translated(origin), zipfile.ZipFile(file) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}

        def find(name: str) -> _Array:
            info = members[name]
            opener = partial(archive.open, info)
            return _find_npy(origin, name, opener, info.file_size, info.compress_size)

        yield StoredArrays(origin, members, find)


@contextlib.contextmanager
def open_npy(path: str | os.PathLike, name: str) -> Iterator[StoredArrays]:
    """Open a npy file, whose one array is called ``name``; errors as `open_hdf5`."""
    origin = _Origin(str(path), "npy")
    with _translated(origin):
        size = os.path.getsize(path)
        opener = partial(open, path, "rb")
        yield StoredArrays(origin, [name], lambda _: _find_npy(origin, name, opener, size, size))


def check_hdf5(content: bytes, name: str) -> None:
    """Refuse an HDF5 file, for others to read, unless all its arrays are its own and bounded.

    Raises DataFormatError with the ``name`` of the file and of the array or link, also if h5py
    cannot read the file.
    """
    origin = _Origin(name, "HDF5")
    # libhdf5 1.14.6 never returns from a heap of texts whose free space has no size.
    for heap in re.finditer(re.escape(_HEAP_START), content):
        for number, size, _ in _heap_objects(content[heap.start() : heap.start() + _SMALL]):
            if number == size == 0:
                raise origin.refuse("its texts", "a whole heap", f"a broken one at {heap.start()}")
    with _translated(origin), h5py.File(io.BytesIO(content), "r") as opened:
        names: list[str] = []
        opened.visit_links(names.append)
        for name in names:
            _check_link(origin, opened, name)
            found = opened[name]
            if isinstance(found, h5py.Dataset):
                _check_dataset(origin, found.name, found)


def _heap_objects(heap: bytes) -> Iterator[tuple[int, int, int]]:
    """Number, size and start of each object of a heap of texts; number 0 is its free space."""
    _, end = _HEAP.unpack_from(heap.ljust(_HEAP.size, b"\0"))
    start = _HEAP.size
    while start + _HEAP_OBJECT.size <= min(end, len(heap)):
        number, size = _HEAP_OBJECT.unpack_from(heap, start)
        start += _HEAP_OBJECT.size
        yield number, size, start
        start += -(-size // 8) * 8


def _find_in_hdf5(origin: _Origin, file: h5py.File, name: str) -> _Array:
    _check_link(origin, file, name)
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset) or dataset.shape is None:
        raise origin.refuse(name, "an array", "a group or nothing")

    def read() -> np.ndarray:
        _check_dataset(origin, name, dataset)
        return np.asarray(dataset[()])

    if dataset.dtype.kind == "O" and h5py.check_string_dtype(dataset.dtype):
        text = partial(_read_heap_text, file, dataset)
        return _Array(dataset.shape, np.dtype("S"), lambda: np.asarray(text()))
    return _Array(dataset.shape, dataset.dtype, read)


def _read_heap_text(file: h5py.File, dataset: h5py.Dataset) -> bytes:
    """The first text of any length of a data set, without libhdf5, for which see `check_hdf5`."""
    if not dataset.size:
        raise ValueError(f"no text in {dataset.name}")
    with open(file.filename, "rb") as raw:
        place = dataset.id.get_offset()
        if place is None:
            first = _first_of_chunk(dataset)
        else:
            raw.seek(place)
            first = raw.read(_HEAP_REFERENCE.size)
        length, heap, wanted = _HEAP_REFERENCE.unpack(first)
        raw.seek(heap + file.userblock_size)
        content = raw.read(_SMALL)
    if content.startswith(_HEAP_START):
        for number, size, start in _heap_objects(content):
            if number == wanted and length <= size:
                return content[start : start + length]
    raise ValueError(f"no text at {heap}")


def _first_of_chunk(dataset: h5py.Dataset) -> bytes:
    """The first element as it is stored in a chunk, once the chunk's filters are undone."""
    start, itemsize = (0,) * dataset.ndim, _HEAP_REFERENCE.size
    if not 0 < dataset.id.get_chunk_info_by_coord(start).size <= _SMALL:
        raise ValueError(f"no text in {dataset.name}")
    skipped, content = dataset.id.read_direct_chunk(start)
    filters = dataset.id.get_create_plist()
    for i in reversed(range(filters.get_nfilters())):
        code = filters.get_filter(i)[0]
        if skipped >> i & 1:
            continue
        if code == h5py.h5z.FILTER_DEFLATE:
            content = zlib.decompressobj().decompress(content, _SMALL)
        elif code == h5py.h5z.FILTER_SHUFFLE:
            content = content[:: len(content) // itemsize]
        else:
            raise ValueError(f"text in {dataset.name} behind filter {code}")
    return content[:itemsize]


def _check_link(origin: _Origin, group: h5py.Group, name: str) -> None:
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise origin.refuse(name, "numbers of this file", "a link")


def _check_dataset(origin: _Origin, name: str, dataset: h5py.Dataset) -> None:
    if dataset.is_virtual or dataset.external:
        raise origin.refuse(name, "numbers of this file", "numbers of other files")
    # A chunk is decompressed as a whole, even if it is larger than the array.
    elements = max(math.prod(dataset.shape or ()), math.prod(dataset.chunks or ()))
    size = elements * dataset.dtype.itemsize
    _check_size(origin, name, size, dataset.id.get_storage_size())


def _find_npy(
    origin: _Origin, name: str, opener: Callable[[], BinaryIO], size: int, stored: int
) -> _Array:
    """The array in an npy file, maybe within an archive, of which ``stored`` bytes are there."""
    _check_size(origin, name, size, stored)
    form = np.lib.format
    headers = {(1, 0): form.read_array_header_1_0, (2, 0): form.read_array_header_2_0}
    with opener() as stream:
        shape, _, dtype = headers[form.read_magic(stream)](stream)

    def read() -> np.ndarray:
        if not 0 <= math.prod(shape) * dtype.itemsize <= size:
            raise origin.refuse(name, "as many bytes as its shape takes", list(shape))
        with opener() as stream:
            return form.read_array(stream, allow_pickle=False)

    return _Array(shape, dtype, read)


@contextlib.contextmanager
def _translated(origin: _Origin) -> Iterator[None]:
    try:
        yield
    except MetaSegError:
        raise
    except READ_ERRORS as error:
        expected, remedy = "whole", origin.remedy
        if isinstance(error, BlockingIOError) or "already open for write" in str(error):
            expected = "finished"
            remedy = "wait for its writer, or run h5clear -s on it if that was killed"
        elif isinstance(error, MemoryError):
            remedy = "free memory, or make the image smaller"
        elif isinstance(error, PermissionError):
            remedy = "ask for the permission to read it"
        raise DataFormatError(
            f"{origin.name}: expected a {expected} {origin.kind} file, got one that cannot be read "
            f"({in_one_line(error)}); {remedy}"
        ) from error


def fits(size: int, stored: int, small: int = 0) -> bool:
    """True if a file may unpack to ``size`` bytes; up to ``small`` at any ratio."""
    return size <= min(MAX_BYTES, max(small, stored * _MAX_RATIO))


def _check_size(origin: _Origin, name: str, size: int, stored: int) -> None:
    if not fits(size, stored, _SMALL):
        raise origin.refuse(
            name,
            f"at most {MAX_BYTES} bytes and {_MAX_RATIO} times what is stored of it",
            f"{size} of which {stored} are stored",
        )
