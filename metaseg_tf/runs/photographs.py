"""Photographs without labels, seen through a network."""

import os
import struct
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from metaseg_tf.data.folders import check_file, find_files
from metaseg_tf.data.softmax import SoftmaxDump
from metaseg_tf.errors import DataFormatError, in_one_line
from metaseg_tf.networks.network import describe_network, paper_options
from metaseg_tf.runs.sources import ProcessNetwork, threads_beside_network
from metaseg_tf.runs.work import ImageJob

__all__ = [
    "PhotographSource",
    "find_photographs",
    "name_photograph",
    "open_photographs",
    "read_photograph",
]

#: Suffix -> Pillow's name of the format; Pillow itself goes by a file's content, and would hand a
#: PostScript file to Ghostscript, whatever its name.
_FORMATS = {
    ".png": "PNG",
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "JPEG"),
    ".webp": "WEBP",
    ".bmp": "BMP",
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
}
_CITYSCAPES_ENDING = "_leftImg8bit"
#: Pillow's names of what turns into 8-bit RGB without loss of range.
_MODES = ("RGB", "RGBA", "RGBX", "L", "LA", "P", "PA", "1", "CMYK", "YCbCr", "LAB", "HSV")
#: What Pillow raises at broken files; of some formats it raises what Python does at a slip.
_BROKEN = (
    *(OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError),
    *(AttributeError, RuntimeError, NotImplementedError, MemoryError, struct.error, zlib.error),
)


class PhotographSource:
    """Photographs seen through a network, as a source of images to judge.

    Parameters
    ----------
    network : object
        With ``probabilities(image)`` and ``classes``, as `metaseg_tf.load_network` gives it.
    paths : sequence of path
        Image files.
    settings : mapping
        What the probabilities depend on; it goes into the manifest of a run.
    """

    classes = None

    def __init__(self, network, paths: Sequence[Path], settings: Mapping[str, Any]):
        self._network, self._paths = network, paths
        self.settings = {"source": "photographs", **settings}

    @property
    def n_classes(self) -> int:
        """Number of classes of the network."""
        return self._network.classes

    def __len__(self) -> int:
        return len(self._paths)

    def jobs(self, done: set[str], *, apart: bool = False) -> Iterator[ImageJob]:
        """One job for each photograph; those that are ``done`` are told by their name.

        Those ``apart`` can be sent to another process, if the network can.
        """
        threads = None if apart else threads_beside_network()
        for path in self._paths:
            load = partial(_predict, self._network, path.absolute() if apart else path)
            yield ImageJob(partial(name_photograph, path), str(path), load, threads)


def _predict(network, path: Path) -> SoftmaxDump:
    image = read_photograph(path)
    return SoftmaxDump(network.probabilities(image), None, name_photograph(path), image)


def open_photographs(
    network: str, paths: Iterable[str | os.PathLike], **options
) -> PhotographSource:
    """Photographs seen through a network.

    Parameters
    ----------
    network : str
        As in `metaseg_tf.load_network`, which takes ``options``.
    paths : iterable of path
        Files, and folders whose image files are taken.
    """
    files = find_photographs(paths)
    options = paper_options(network, options)
    shared = ProcessNetwork(network, **options)
    return PhotographSource(shared, files, describe_network(network, shared.loaded, **options))


def find_photographs(paths: Iterable[str | os.PathLike]) -> list[Path]:
    """The image files that are named, and those in the folders that are named, in that order.

    Raises
    ------
    DataFormatError
        If a path does not exist, is neither a file nor a folder, or a folder holds no image.
    """
    found = []
    for path in map(Path, paths):
        check_file(path)
        files = [path] if path.is_file() else find_files(path, tuple(_FORMATS), "images")
        found += [file for file in files if file not in found]
    return found


def name_photograph(path: Path) -> str:
    """What results of a photograph are called: its file name without an image's suffix."""
    name = path.stem if path.suffix.lower() in _FORMATS else path.name
    return name.removesuffix(_CITYSCAPES_ENDING)


def read_photograph(path: str | os.PathLike) -> np.ndarray:
    """A photograph as uint8 [H, W, 3] in RGB, turned as its file declares; of several its first.

    Raises
    ------
    DataFormatError
        If the file is truncated, not an image of a known format, of more than 8 bits per channel,
        or too large.
    """
    path = Path(path)
    check_file(path)
    try:
        with warnings.catch_warnings():
            # What is odd in a file that can be read all the same concerns nobody.
            warnings.simplefilter("ignore")
            return _read_rgb(path)
    except DataFormatError:
        raise
    except Image.DecompressionBombError as error:
        raise DataFormatError(
            f"{path}: expected an image of fewer pixels, got: {in_one_line(error)}; cut it into "
            "pieces"
        ) from error
    except _BROKEN as error:
        raise DataFormatError(
            f"{path}: expected a whole image ({', '.join(_FORMATS)}), got a file that cannot be "
            f"read ({in_one_line(error)}); copy it again or leave it out"
        ) from error


def _read_rgb(path: Path) -> np.ndarray:
    with Image.open(path, formats=sorted(set(_FORMATS.values()))) as image:
        if image.mode not in _MODES:
            raise DataFormatError(
                f"{path}: expected an image of 8 bits per channel, got mode {image.mode}; "
                "convert it to RGB"
            )
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
