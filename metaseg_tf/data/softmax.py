"""Softmax dumps: class probabilities of one image on disk, as HDF5 in MetaSeg's layout, npz or npy.

HDF5 holds ``probabilities`` [1, H, W, C] or [H, W, C], ``ground_truths`` [1, H, W] or [H, W] and
``file_names``; npz holds ``probs`` [H, W, C] and, if known, ``gt`` [H, W] and ``name``. Either may
hold ``image``, uint8 [H, W, 3] in RGB, to be shown. npy holds the probabilities only. Of T passes
over one image, any of them holds the probabilities [T, H, W, C]; or, but for npy, their mean and
their ``disagreement``, float [H, W, 3].
"""

import contextlib
import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any, NamedTuple

import h5py
import numpy as np

from metaseg_tf.data.classes import MAX_CLASSES, ClassTable
from metaseg_tf.data.folders import find_files, write_file
from metaseg_tf.data.sample import FileItem, Sample, Source
from metaseg_tf.errors import DataFormatError, InputError, ShapeError, suggest
from metaseg_tf.untrusted.arrays import READ_ERRORS, StoredArrays, open_hdf5, open_npy, open_npz

__all__ = ["SoftmaxDump", "find_dumps", "load_dump", "open_dumps", "read_name", "save_dump"]

_HDF5_SUFFIXES = (".hdf5", ".h5")
#: Formats of whole dumps; .npy, probabilities only, is read if a folder has nothing else.
_SUFFIXES = (*_HDF5_SUFFIXES, ".npz")
_NPY = ".npy"
_BLOCK_PIXELS = 1 << 13
_IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".tif", ".tiff", ".gif")


class SoftmaxDump(NamedTuple):
    """One image's class probabilities, float [H, W, C], or of T passes [T, H, W, C].

    ``gt`` are train ids, integers [H, W] with 255 for void; ``name`` is the image's file name
    without folder and without an image's suffix; ``image`` is the photograph, uint8 [H, W, 3];
    ``disagreement`` is that of the passes behind a mean, float [H, W, 3].
    """

    probs: np.ndarray
    gt: np.ndarray | None
    name: str
    image: np.ndarray | None = None
    disagreement: np.ndarray | None = None


@dataclass(frozen=True)
class _DumpFile(FileItem):
    """A dump that is read with the options of `load_dump`."""

    path: Path
    options: Mapping[str, Any]

    @property
    def name(self) -> str:
        return read_name(self.path, self.options.get("keys"))

    @property
    def state(self) -> str:
        """A text that changes when the file does; empty if there is none."""
        with contextlib.suppress(OSError):
            found = os.stat(self.path)
            return f"{found.st_size} {found.st_mtime_ns}"
        return ""

    def read(self) -> Sample:
        return Sample(**load_dump(self.path, **self.options)._asdict())


def open_dumps(
    folder: str | os.PathLike,
    *,
    limit: int | None = None,
    classes: ClassTable | None = None,
    **options,
) -> Source:
    """The dumps of a folder, at most ``limit``, as a source of images to measure.

    The first dump, if it can be read, tells the number of classes. Further options are those of
    `load_dump`; errors as `find_dumps`.
    """
    items = [_DumpFile(path, options) for path in find_dumps(folder)[:limit]]
    n_classes, passes = None, False
    for item in items[:1]:
        with contextlib.suppress(DataFormatError), _opened(item.path, options.get("keys")) as first:
            shape = first.arrays.shape(first.keys["probs"])
            declared = shape[-3 if options.get("channels_first") else -1]
            n_classes = declared if 2 <= declared <= MAX_CLASSES else None
            passes = len(shape) == 4 and shape[0] > 1
            passes |= first.keys["disagreement"] in first.arrays.names()
    settings = {"source": "softmax", **{name: value for name, value in options.items() if value}}
    return Source(items, settings, n_classes, classes=classes, passes=passes)


def find_dumps(folder: str | os.PathLike) -> list[Path]:
    """The softmax dumps of a folder, sorted by name; npy files if it holds no others.

    Raises DataFormatError if the folder is missing or holds no dump.
    """
    try:
        return find_files(folder, _SUFFIXES, "softmax dumps")
    except DataFormatError:
        return find_files(folder, (*_SUFFIXES, _NPY), "softmax dumps")


def load_dump(
    path: str | os.PathLike,
    *,
    logits: bool = False,
    channels_first: bool = False,
    keys: Mapping[str, str] | None = None,
) -> SoftmaxDump:
    """Read one softmax dump.

    Parameters
    ----------
    path : path
    logits : bool
        The file holds logits, to which a softmax over the classes is applied.
    channels_first : bool
        The file holds [C, H, W], [1, C, H, W] or, of T passes, [T, C, H, W].
    keys : mapping, optional
        The file's names of "probs", "gt", "name", "image" and "disagreement", if they are not those
        above.

    Raises
    ------
    DataFormatError
        If the file is missing, truncated, not what its suffix says, or lacks a data set.
    ShapeError
        If it holds arrays of other dimensions.
    InputError
        If ``keys`` names something else, or the logits are probabilities already.
    """
    with _opened(path, keys) as dump:
        probs = dump.read("probs", "f")
        if probs.ndim != 4 or len(probs) < 2:  # not those of several passes
            probs = _single(dump.path, "probabilities", probs, 3)
        if channels_first:
            probs = np.ascontiguousarray(np.moveaxis(probs, -3, -1))
        size = probs.shape[-3:-1]
        gt, disagreement = dump.read("gt", "iub"), dump.read("disagreement", "f")
        name, image = dump.name(), dump.image(size)
    gt = None if gt is None else _single(dump.path, "ground truth", gt, 2, size)
    if disagreement is not None:
        disagreement = _single(dump.path, "disagreement", disagreement, 3)
    probs = apply_softmax(dump.path, probs) if logits else probs
    return SoftmaxDump(probs, gt, name, image, disagreement)


def read_name(path: str | os.PathLike, keys: Mapping[str, str] | None = None) -> str:
    """The image's name as a dump holds it, else that of the file; ``keys`` as `load_dump`."""
    with _opened(path, keys) as dump:
        return dump.name()


def save_dump(path: str | os.PathLike, dump: SoftmaxDump) -> None:
    """Write one softmax dump as HDF5 or npz, by the suffix of ``path``, whole or not at all."""
    path = Path(path)
    _check_suffix(path, _SUFFIXES)
    arrays = {key: x for key, x in dump._asdict().items() if x is not None and key != "name"}
    content = io.BytesIO()
    if path.suffix.lower() in _HDF5_SUFFIXES:
        with h5py.File(content, "w") as file:
            for name, array in arrays.items():
                one = array[None] if name in ("probs", "gt") and array.ndim < 4 else array
                file.create_dataset(_HDF5[name], data=one)
            file.create_dataset(_HDF5["name"], data=np.array([dump.name.encode()]))
    else:
        np.savez(content, name=np.array(dump.name), **arrays)
    write_file(path, content.getbuffer())


def _check_suffix(path: Path, suffixes: tuple[str, ...]) -> None:
    if path.suffix.lower() not in suffixes:
        raise DataFormatError(
            f"{path}: expected one of {', '.join(suffixes)}, got {path.suffix or 'no suffix'!r}; "
            "convert it"
        )


#: Names of a dump's parts in each format.
_NPZ = {part: part for part in SoftmaxDump._fields}
_HDF5 = _NPZ | {"probs": "probabilities", "gt": "ground_truths", "name": "file_names"}


class _Opened(NamedTuple):
    path: Path
    arrays: StoredArrays
    keys: Mapping[str, str]
    asked: Mapping[str, str]

    def read(self, part: str, kinds: str, *, lenient: bool = False) -> np.ndarray | None:
        """A part of the dump; None if not asked for and missing or, if ``lenient``, unreadable."""
        needed = part == "probs" or part in self.asked
        found = self.arrays.names()
        if self.keys[part] in found:
            with contextlib.suppress(*READ_ERRORS if lenient and not needed else ()):
                return self.arrays.read(self.keys[part], kinds)
        elif needed:
            shown = ", ".join(map(ascii, found[:9])) or "none"
            raise DataFormatError(
                f"{self.path}: expected a data set {self.keys[part]!r}, found {shown}; name the "
                f"right one by --keys {part}=NAME"
            )
        return None

    def name(self) -> str:
        """The stored name without folder and an image's suffix, or else the dump's own."""
        names = self.read("name", "SU", lenient=True)
        name = names.flat[0] if names is not None and names.size else ""
        name = name.decode(errors="replace") if isinstance(name, bytes) else str(name)
        return _without_suffix(name) or _without_suffix(self.path.stem)

    def image(self, size: tuple[int, ...]) -> np.ndarray | None:
        """The photograph of that size, if the file holds one."""
        image = self.read("image", "iu", lenient=True)
        fits = image is not None and image.shape in ((*size, 3), (1, *size, 3))
        if fits and image.dtype == np.uint8:
            return image.reshape(*size, 3)
        if "image" in self.asked:
            raise ShapeError(
                f"{self.path}: expected {self.keys['image']!r} to hold an image uint8 "
                f"{[*size, 3]} as probs, got {image.dtype} {list(image.shape)}; leave image= out"
            )
        return None


def _without_suffix(name: str) -> str:
    """A name without folder and an image's suffix; other dots are part of it, as in time stamps."""
    # Windows' rules know both kinds of slash.
    path = PureWindowsPath(name)
    return path.stem if path.suffix.lower() in _IMAGE_SUFFIXES else path.name


@contextlib.contextmanager
def _opened(path: str | os.PathLike, keys: Mapping[str, str] | None) -> Iterator[_Opened]:
    path, asked = Path(path), keys or {}
    for part in set(asked) - set(_NPZ):
        raise InputError(
            f"keys: expected {', '.join(_NPZ)} and their names in files, got {part!r}; "
            f"{suggest(part, _NPZ, 'write probs=softmax,gt=label')}"
        )
    _check_suffix(path, (*_SUFFIXES, _NPY))
    if not path.is_file():
        raise DataFormatError(f"{path}: no such file; check the path")
    suffix = path.suffix.lower()
    keys = (_HDF5 if suffix in _HDF5_SUFFIXES else _NPZ) | asked
    if suffix == _NPY:
        opened = open_npy(path, keys["probs"])
    else:
        opened = (open_hdf5 if suffix in _HDF5_SUFFIXES else open_npz)(path)
    with opened as arrays:
        yield _Opened(path, arrays, keys, asked)


def _single(
    path: Path, what: str, array: np.ndarray, ndim: int, size: tuple[int, ...] | None = None
) -> np.ndarray:
    """Drop a leading axis of length one, or all axes but those of ``size`` if that is known."""
    if size and [n for n in array.shape if n > 1] == [n for n in size if n > 1]:
        return array.reshape(size)
    if array.ndim == ndim + 1 and array.shape[0] == 1:
        return array[0]
    if array.ndim != ndim:
        wanted = "[H, W, C] or passes [T, H, W, C]" if ndim == 3 else "[H, W]"
        raise ShapeError(
            f"{path}: expected {what} {wanted} of one image, got {list(array.shape)}; "
            f"write {'[1-p, p] for one channel p' if array.ndim == 2 else 'one file per image'}"
        )
    return array


def apply_softmax(origin: object, logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis; NaN in logits is NaN here, which measuring will report."""
    probs = np.empty(logits.shape, np.result_type(logits, np.float32))
    given, made = (array.reshape(-1, logits.shape[-1] or 1) for array in (logits, probs))
    least, error = np.inf, 0.0
    with np.errstate(all="ignore"):
        # Blocks that fit a cache, with the classes first: numpy adds planes faster than rows.
        for begin in range(0, len(given), _BLOCK_PIXELS):
            block = slice(begin, begin + _BLOCK_PIXELS)
            planes = np.array(given[block].T, probs.dtype, order="C")
            total = planes.sum(0)
            known = np.isfinite(total)
            least = min(least, planes.min(0)[known].min(initial=np.inf))
            error = max(error, np.abs(total[known] - 1).max(initial=0.0))
            planes = np.exp(planes - planes.max(0))
            made[block] = (planes / planes.sum(0)).T
    # Even a softmax that was stored as float16 sums to nothing else.
    if 0 <= least < np.inf and error <= 1e-2:
        raise InputError(f"{origin}: expected logits, got probabilities; leave out 'logits'")
    return probs
