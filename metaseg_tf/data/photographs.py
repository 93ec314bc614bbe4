"""Photographs: image files of any common format, alone or in folders."""

import contextlib
import os
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from metaseg_tf.data.folders import check_file, find_files
from metaseg_tf.data.sample import MAX_PIXELS, FileItem, Sample
from metaseg_tf.errors import DataFormatError, restate
from metaseg_tf.untrusted.arrays import READ_ERRORS

__all__ = ["FORMATS", "Photograph", "find_photographs", "open_image", "read_photograph"]

#: Suffix -> Pillow's name of the format; Pillow itself goes by a file's content, and would hand a
#: PostScript file to Ghostscript, whatever its name.
FORMATS = {
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
    #: A folder somewhere above it; the folders between are part of its name.
    folder: Path | None = None

    @property
    def name(self) -> str:
        """The file's name without an image's suffix, such as ``sub__name`` below a folder."""
        name = self.path.stem if self.path.suffix.lower() in FORMATS else self.path.name
        between = self.path.parent.relative_to(self.folder).parts if self.folder else ()
        return "__".join((*between, name.removesuffix(_CITYSCAPES_ENDING)))

    def read(self) -> Sample:
        """The image as `read_photograph` decodes it."""
        return Sample(self.name, read_photograph(self.path))


def find_photographs(paths: Iterable[str | os.PathLike]) -> list[Photograph]:
    """The image files that are named, and those in or below the folders that are named, in order.

    Raises DataFormatError if a path is neither a file nor a folder, or a folder holds no image.
    """
    found = {}
    for path in map(Path, paths):
        check_file(path)
        if path.is_file():
            found.setdefault(path, Photograph(path))
        else:
            for file in find_files(path, tuple(FORMATS), "images", deep=True):
                found.setdefault(file, Photograph(file, path))
    return list(found.values())


def read_photograph(path: str | os.PathLike) -> np.ndarray:
    """A photograph as uint8 [H, W, 3] in RGB, turned as its file declares; of several the first.

    Of 16 bits per channel in RGB the upper 8 are taken. Raises DataFormatError if the file is not
    a whole image of a known format, too large, or of another mode with more than 8 bits.
    """
    path = Path(path)
    with open_image(path) as image:
        if image.mode in _MODES:
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        raise DataFormatError(
            f"{path}: expected an image of 8 bits per channel, got mode {image.mode}; convert it "
            "to RGB"
        )


@contextlib.contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """Open an image file of a known format; what Pillow raises meanwhile is a DataFormatError."""
    check_file(path)
    large = f"{path}: expected an image of fewer pixels"
    kinds = ", ".join(FORMATS)
    broken = f"{path}: expected a whole image ({kinds}), got a file that cannot be read"
    with (
        restate(Image.DecompressionBombError, DataFormatError, large, "cut it into pieces"),
        restate(READ_ERRORS, DataFormatError, broken, "copy it again or leave it out"),
        warnings.catch_warnings(),
    ):
        # Oddities of a file that can be read all the same need no warning.
        warnings.simplefilter("ignore")
        with Image.open(path, formats=sorted(set(FORMATS.values()))) as image:
            if image.width * image.height > MAX_PIXELS:
                found = f"{image.width * image.height} pixels exceed the limit of {MAX_PIXELS}"
                raise Image.DecompressionBombError(found)
            yield image
