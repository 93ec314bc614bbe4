"""Softmax dumps: class probabilities of one image on disk, as HDF5 in MetaSeg's layout or as npz.

HDF5 holds ``probabilities`` [1, H, W, C] or [H, W, C], ``ground_truths`` [1, H, W] or [H, W] and
``file_names``; npz holds ``probs`` [H, W, C] and, where known, ``gt`` [H, W] and ``name``.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import NamedTuple

import h5py
import numpy as np

from metaseg_tf.errors import DataFormatError, ShapeError
from metaseg_tf.stored_arrays import StoredArrays, open_hdf5, open_npz

__all__ = [
    "SUFFIXES",
    "SoftmaxDump",
    "find_dumps",
    "load_dump",
    "read_classes",
    "read_name",
    "save_dump",
]

HDF5_SUFFIXES = (".hdf5", ".h5")
SUFFIXES = (*HDF5_SUFFIXES, ".npz")
_IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".tif", ".tiff", ".gif")


class SoftmaxDump(NamedTuple):
    """One image's class probabilities.

    Attributes
    ----------
    probs : float array [H, W, C]
    gt : integer array [H, W] or None
        Train ids with 255 for void.
    name : str
        The image's file name without folder and without an image's suffix.
    image : uint8 array [H, W, 3] or None
        The photograph in RGB, where it is at hand; dumps do not hold it.
    """

    probs: np.ndarray
    gt: np.ndarray | None
    name: str
    image: np.ndarray | None = None


def find_dumps(folder: str | os.PathLike) -> list[Path]:
    """The softmax dumps of a folder, sorted by name.

    Raises
    ------
    DataFormatError
        If the folder is missing or holds no dump.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataFormatError(
            f"softmax: expected a folder with {', '.join(SUFFIXES)} files, got {folder}, "
            "which is no folder; check the path"
        )
    dumps = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES)
    if not dumps:
        raise DataFormatError(
            f"softmax: expected {', '.join(SUFFIXES)} files in {folder}, found none; "
            "point to the folder that holds them"
        )
    return dumps


def load_dump(path: str | os.PathLike) -> SoftmaxDump:
    """Read one softmax dump.

    Raises
    ------
    DataFormatError
        If the file is missing, truncated, not what its suffix says, or lacks a data set.
    ShapeError
        If it holds more than one image, or arrays of other dimensions.
    """
    with _opened(path) as dump:
        probs = dump.read(dump.layout.probs, "f")
        gt = dump.read(dump.layout.gt, "iu") if dump.layout.gt in dump.found else None
        name = dump.name()
    probs = _single(dump.path, "probabilities", probs, 3)
    gt = None if gt is None else _single(dump.path, "ground truth", gt, 2)
    return SoftmaxDump(probs, gt, name)


def read_name(path: str | os.PathLike) -> str:
    """The image's name that a dump holds, without reading its arrays; errors as `load_dump`."""
    with _opened(path) as dump:
        return dump.name()


def read_classes(path: str | os.PathLike) -> int:
    """The number of classes that a dump declares, without reading it; errors as `load_dump`."""
    with _opened(path) as dump:
        *_, n_classes = dump.arrays.shape(dump.layout.probs)
        return n_classes


def save_dump(path: str | os.PathLike, dump: SoftmaxDump) -> None:
    """Write one softmax dump in the format that the suffix of ``path`` names."""
    path = Path(path)
    _check_suffix(path)
    if path.suffix in HDF5_SUFFIXES:
        _save_hdf5(path, dump)
    else:
        arrays = {"probs": dump.probs, "name": np.array(dump.name)}
        np.savez(path, **arrays, **({} if dump.gt is None else {"gt": dump.gt}))


def _check_suffix(path: Path) -> None:
    if path.suffix not in SUFFIXES:
        raise DataFormatError(
            f"{path}: expected one of {', '.join(SUFFIXES)}, got {path.suffix or 'no suffix'!r}; "
            "convert it"
        )


class _Layout(NamedTuple):
    """What a format calls the probabilities, the ground truth and the image's name."""

    probs: str
    gt: str
    name: str


_HDF5 = _Layout("probabilities", "ground_truths", "file_names")
_NPZ = _Layout("probs", "gt", "name")


class _Opened(NamedTuple):
    path: Path
    arrays: StoredArrays
    found: list[str]
    layout: _Layout

    def read(self, name: str, kinds: str) -> np.ndarray:
        if name not in self.found:
            raise _lacks(self.path, name, self.found)
        return self.arrays.read(name, kinds)

    def name(self) -> str:
        """The stored name without folder and an image's suffix, or else the dump's own."""
        if self.layout.name not in self.found:
            return _without_suffix(self.path.stem)
        names = self.arrays.read(self.layout.name, "SU").ravel()
        name = names[0] if len(names) else ""
        name = name.decode(errors="replace") if isinstance(name, bytes) else str(name)
        return _without_suffix(name) or _without_suffix(self.path.stem)


def _without_suffix(name: str) -> str:
    """A name without folder and an image's suffix; other dots are part of it, as in time stamps."""
    # Windows' rules know both kinds of slash.
    path = PureWindowsPath(name)
    return path.stem if path.suffix.lower() in _IMAGE_SUFFIXES else path.name


@contextlib.contextmanager
def _opened(path: str | os.PathLike) -> Iterator[_Opened]:
    path = Path(path)
    _check_suffix(path)
    if not path.is_file():
        raise DataFormatError(f"{path}: no such file; check the path")
    is_hdf5 = path.suffix in HDF5_SUFFIXES
    with (open_hdf5 if is_hdf5 else open_npz)(path) as arrays:
        yield _Opened(path, arrays, arrays.names(), _HDF5 if is_hdf5 else _NPZ)


def _single(path: Path, what: str, array: np.ndarray, ndim: int) -> np.ndarray:
    """Drop a leading axis of length one."""
    if array.ndim == ndim + 1 and array.shape[0] == 1:
        return array[0]
    if array.ndim != ndim:
        wanted = "[H, W, C]" if ndim == 3 else "[H, W]"
        raise ShapeError(
            f"{path}: expected {what} {wanted} of one image, got {list(array.shape)}; "
            "write one file an image"
        )
    return array


def _save_hdf5(path: Path, dump: SoftmaxDump) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("probabilities", data=dump.probs[None])
        if dump.gt is not None:
            file.create_dataset("ground_truths", data=dump.gt[None])
        file.create_dataset("file_names", data=np.array([dump.name.encode()]))


def _lacks(path: Path, name: str, found: list[str]) -> DataFormatError:
    shown = ", ".join(map(ascii, found[:9])) or "none"
    return DataFormatError(
        f"{path}: expected a data set {name!r}, found {shown}; write it as MetaSeg does"
    )
