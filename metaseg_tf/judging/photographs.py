"""Photographs without labels, seen through a network."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from metaseg_tf.deeplab.network import describe_network, paper_options
from metaseg_tf.errors import DataFormatError
from metaseg_tf.jobs import ImageJob
from metaseg_tf.softmax import SoftmaxDump
from metaseg_tf.sources import ProcessNetwork, threads_beside_network

__all__ = [
    "PhotographSource",
    "find_photographs",
    "name_photograph",
    "open_photographs",
    "read_photograph",
]

_SUFFIXES = (".png", ".jpg", ".jpeg")
_CITYSCAPES_ENDING = "_leftImg8bit"
# Pillow's names of what turns into 8-bit RGB without loss of range.
_MODES = ("RGB", "RGBA", "L", "LA", "P", "CMYK")


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
        If a path does not exist or a folder holds no image.
    """
    found = []
    for path in map(Path, paths):
        files = [path] if path.is_file() else _list_folder(path)
        found += [file for file in files if file not in found]
    return found


def name_photograph(path: Path) -> str:
    """What results of a photograph are called: its file name without ending."""
    return path.stem.removesuffix(_CITYSCAPES_ENDING)


def read_photograph(path: Path) -> np.ndarray:
    """A photograph as uint8 [H, W, 3] in RGB.

    Raises
    ------
    DataFormatError
        If the file is truncated, no image, or of more than 8 bits a channel.
    """
    try:
        with Image.open(path) as image:
            if image.mode not in _MODES:
                raise DataFormatError(
                    f"{path}: expected an image of 8 bits a channel, got mode {image.mode}; "
                    "convert it to RGB"
                )
            return np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        if isinstance(error, DataFormatError):
            raise
        raise DataFormatError(
            f"{path}: expected a whole image ({', '.join(_SUFFIXES)}), got a file that cannot be "
            f"read ({' '.join(str(error).split())[:120]}); copy it again or leave it out"
        ) from error


def _list_folder(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DataFormatError(
            f"images: expected image files or a folder with them, got {folder}, which does not "
            "exist; check the path"
        )
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    if not files:
        raise DataFormatError(
            f"images: expected {', '.join(_SUFFIXES)} files in {folder}, found none; point to the "
            "folder that holds them"
        )
    return files
