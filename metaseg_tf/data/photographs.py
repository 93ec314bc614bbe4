"""Photographs: image files of any common format, without labels."""

import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from metaseg_tf.data.folders import check_file, find_files
from metaseg_tf.data.sample import FileItem, Sample
from metaseg_tf.errors import DataFormatError, in_one_line
from metaseg_tf.untrusted.arrays import READ_ERRORS

__all__ = ["Photograph", "find_photographs", "read_photograph"]

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


@dataclass(frozen=True)
class Photograph(FileItem):
    """An image file without labels."""

    path: Path

    @property
    def name(self) -> str:
        """The file's name without an image's suffix."""
        name = self.path.stem if self.path.suffix.lower() in _FORMATS else self.path.name
        return name.removesuffix(_CITYSCAPES_ENDING)

    def read(self) -> Sample:
        """The image as `read_photograph` decodes it."""
        return Sample(self.name, read_photograph(self.path))


def find_photographs(paths: Iterable[str | os.PathLike]) -> list[Path]:
    """The image files that are named, and those in the folders that are named, in that order.

    Raises DataFormatError if a path is neither a file nor a folder, or a folder holds no image.
    """
    found = []
    for path in map(Path, paths):
        check_file(path)
        files = [path] if path.is_file() else find_files(path, tuple(_FORMATS), "images")
        found += [file for file in files if file not in found]
    return found


def read_photograph(path: str | os.PathLike) -> np.ndarray:
    """A photograph as uint8 [H, W, 3] in RGB, turned as its file declares; of several the first.

    Raises DataFormatError if the file is truncated, not an image of a known format, of more than 8
    bits per channel, or too large.
    """
    path = Path(path)
    check_file(path)
    try:
        with warnings.catch_warnings():
            # Oddities of a file that can be read all the same need no warning.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=sorted(set(_FORMATS.values()))) as image:
                if image.mode in _MODES:
                    return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
                mode = image.mode
    except Image.DecompressionBombError as error:
        raise DataFormatError(
            f"{path}: expected an image of fewer pixels, got: {in_one_line(error)}; cut it into "
            "pieces"
        ) from error
    except READ_ERRORS as error:
        raise DataFormatError(
            f"{path}: expected a whole image ({', '.join(_FORMATS)}), got a file that cannot be "
            f"read ({in_one_line(error)}); copy it again or leave it out"
        ) from error
    raise DataFormatError(
        f"{path}: expected an image of 8 bits per channel, got mode {mode}; convert it to RGB"
    )
