"""Softmax dumps: class probabilities of one image on disk, as HDF5 in MetaSeg's layout or as npz.

HDF5 holds ``probabilities`` [1, H, W, C] or [H, W, C], ``ground_truths`` [1, H, W] or [H, W] and
``file_names``; npz holds ``probs`` [H, W, C] and, where known, ``gt`` [H, W] and ``name``.
"""

import os
import zipfile
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from metaseg_tf.errors import DataFormatError, ShapeError

__all__ = ["SUFFIXES", "SoftmaxDump", "find_dumps", "load_dump", "save_dump"]

HDF5_SUFFIXES = (".hdf5", ".h5")
SUFFIXES = (*HDF5_SUFFIXES, ".npz")


class SoftmaxDump(NamedTuple):
    """One image's class probabilities.

    Attributes
    ----------
    probs : float array [H, W, C]
    gt : integer array [H, W] or None
        Train ids with 255 for void.
    name : str
        The image's file name without folder and suffix.
    """

    probs: np.ndarray
    gt: np.ndarray | None
    name: str


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
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise DataFormatError(
            f"{path}: expected one of {', '.join(SUFFIXES)}, got {path.suffix or 'no suffix'!r}; "
            "convert it"
        )
    if not path.is_file():
        raise DataFormatError(f"{path}: no such file; check the path")
    return _load_hdf5(path) if path.suffix in HDF5_SUFFIXES else _load_npz(path)


def save_dump(path: str | os.PathLike, dump: SoftmaxDump) -> None:
    """Write one softmax dump in the format that the suffix of ``path`` names."""
    path = Path(path)
    if path.suffix in HDF5_SUFFIXES:
        _save_hdf5(path, dump)
    elif path.suffix == ".npz":
        arrays = {"probs": dump.probs, "name": np.array(dump.name)}
        np.savez(path, **arrays, **({} if dump.gt is None else {"gt": dump.gt}))
    else:
        raise DataFormatError(
            f"{path}: expected one of {', '.join(SUFFIXES)}, got {path.suffix or 'no suffix'!r}; "
            "choose one of them"
        )


def _load_hdf5(path: Path) -> SoftmaxDump:
    try:
        with h5py.File(path, "r") as file:
            if not isinstance(file.get("probabilities"), h5py.Dataset):
                raise _lacks(path, "probabilities", list(file))
            probs = file["probabilities"][()]
            gt = file["ground_truths"][()] if "ground_truths" in file else None
            names = np.atleast_1d(file["file_names"][()]) if "file_names" in file else []
    except DataFormatError:
        raise
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise _broken(path, "HDF5", error) from error
    return _dump(path, probs, gt, names[0] if len(names) else path.stem)


def _load_npz(path: Path) -> SoftmaxDump:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if "probs" not in arrays:
                raise _lacks(path, "probs", list(arrays))
            probs = arrays["probs"]
            gt = arrays["gt"] if "gt" in arrays else None
            name = str(arrays["name"]) if "name" in arrays else path.stem
    except DataFormatError:
        raise
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, AttributeError) as error:
        raise _broken(path, "npz", error) from error
    return _dump(path, probs, gt, name)


def _dump(path: Path, probs, gt, name) -> SoftmaxDump:
    probs = _single(path, "probabilities", probs, 3)
    gt = None if gt is None else _single(path, "ground truth", gt, 2)
    name = name.decode(errors="replace") if isinstance(name, bytes) else str(name)
    return SoftmaxDump(probs, gt, Path(name).stem or path.stem)


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
        file.create_dataset("file_names", data=[dump.name.encode()])


def _lacks(path: Path, name: str, found: list[str]) -> DataFormatError:
    return DataFormatError(
        f"{path}: expected a data set {name!r}, found {', '.join(found) or 'none'}; "
        "write it as MetaSeg does"
    )


def _broken(path: Path, kind: str, error: Exception) -> DataFormatError:
    reason = " ".join(str(error).split())[:120]
    return DataFormatError(
        f"{path}: expected a whole {kind} file, got one that cannot be read ({reason}); "
        "it may be truncated: write or copy it again"
    )
