"""Masks: ground truth as image files, by class id or by colour, paired with images by name."""

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ImageOps

from metaseg_tf.data.classes import VOID, ClassTable, check_class_ids
from metaseg_tf.data.folders import find_files
from metaseg_tf.data.photographs import FORMATS, Photograph, find_photographs, open_image
from metaseg_tf.data.sample import FileItem, Sample, Source
from metaseg_tf.errors import DataFormatError, InputError, ShapeError

__all__ = ["Labelled", "MaskCode", "find_labelled", "open_labelled"]

_LOG = logging.getLogger(__name__)
#: JPEG changes ids and colours.
_SUFFIXES = tuple(suffix for suffix, kind in FORMATS.items() if kind != "JPEG")
#: Pillow's modes of masks that hold ids, and of those in colour.
_IDS = ("1", "L", "P", "I", "I;16", "I;16B", "I;16L")
_COLOURS = ("RGB", "RGBA", "RGBX")
_UNKNOWN = VOID - 1


@dataclass(frozen=True)
class MaskCode:
    """How the masks of a data set tell classes: by ids, or by the colours of a class table.

    Attributes
    ----------
    n_classes : int
    classes : ClassTable or None
        Its colours, if they were given by somebody.
    by_colour : bool
        Masks are read by colour.
    void : int or None
        Id of pixels without ground truth. None: 255, unless that seems to be the second of two.
    reduce_zero_label : bool
        0 is void, and 1 is the first class.
    ignore_colours : tuple of str
        Colours ``#rrggbb`` of pixels without ground truth.
    """

    n_classes: int
    classes: ClassTable | None = None
    by_colour: bool = False
    void: int | None = None
    reduce_zero_label: bool = False
    ignore_colours: tuple[str, ...] = ()

    def read(self, path: Path) -> np.ndarray:
        """The class ids of a mask, uint8 [H, W] with 255 for void, turned as its file declares.

        Raises DataFormatError if the file cannot be read or stores something else, and InputError
        if it holds ids or colours of no class.
        """
        with open_image(path) as image:
            _check_storage(path, image)
            if not self.by_colour and image.mode in _COLOURS:
                raise DataFormatError(
                    f"{path}: expected class ids as in the first mask, got colours ({image.mode}); "
                    "store all masks in one way"
                )
            image = ImageOps.exif_transpose(image)
            if self.by_colour:
                return self._from_colours(path, np.asarray(image.convert("RGBA")))
            ids = np.asarray(image)
            if image.mode == "P" and self.classes:
                self._check_palette(path, ids, np.reshape(image.getpalette(), (-1, 3)))
        guessed = self.void is None and not self.reduce_zero_label
        if guessed and self.n_classes == 2 and (ids == VOID).any() and not (ids == 1).any():
            raise InputError(
                f"{path}: expected ids 0, 1 and 255 (void), got 255 but no 1; if 255 is the second "
                "class, give both a colour in --classes, #000000 and #ffffff, and if it is void, "
                "say --void 255"
            )
        void = VOID if self.void is None else self.void
        return check_class_ids(ids, self.n_classes, void, self.reduce_zero_label, str(path))

    def _from_colours(self, path: Path, rgba: np.ndarray) -> np.ndarray:
        codes = rgba.view("<u4")[..., 0] & 0xFFFFFF
        table = np.full(1 << 24, _UNKNOWN, np.uint8)
        table[_encode(self.classes.colours)] = np.arange(self.n_classes)
        table[_encode(self.ignore_colours)] = VOID
        ids = table[codes]
        unknown = codes[ids == _UNKNOWN]
        if unknown.size:
            found, counts = np.unique(unknown, return_counts=True)
            rgb = found[counts.argmax()] >> np.array([0, 8, 16]) & 255
            distances = np.square(self.classes.palette - rgb).sum(1)
            name, near = (x[distances.argmin()] for x in (self.classes.names, self.classes.colours))
            colour = f"#{bytes(rgb.tolist()).hex()}"
            others = f", and {len(found) - 1} others in all {unknown.size}" * (len(found) > 1)
            raise InputError(
                f"{path}: expected the colours of the classes, got {colour} in {counts.max()} "
                f"pixels{others} (the nearest is {near}, {name!r}); correct --classes, or give "
                f"--ignore-colour '{colour}' if it is void"
            )
        return ids

    def _check_palette(self, path: Path, ids: np.ndarray, palette: np.ndarray) -> None:
        """Refuse a palette that gives an id the colour of another class: which one is meant?"""
        first = int(self.reduce_zero_label)
        for i in np.flatnonzero(np.bincount(ids.ravel())):
            colour = f"#{bytes(palette[i].tolist()).hex()}" if i < len(palette) else ""
            if colour in self.classes.colours and i in range(first, self.n_classes + first):
                own, other = i - first, self.classes.colours.index(colour)
                if self.classes.colours[own] != colour:
                    names = self.classes.names
                    raise InputError(
                        f"{path}: expected a palette with the colours of the classes, got {colour} "
                        f"of {names[other]!r} for id {i}, {names[own]!r}; store the mask as RGB if "
                        "its colours are right, else leave the colours out of --classes"
                    )


@dataclass(frozen=True)
class Labelled(FileItem):
    """A photograph and the mask that is its ground truth."""

    photograph: Photograph
    mask: Path
    code: MaskCode

    @property
    def name(self) -> str:
        return self.photograph.name

    @property
    def origin(self) -> str:
        return self.photograph.origin

    def read(self) -> Sample:
        """Image and ground truth; errors as `MaskCode.read` and `Photograph.read`.

        Raises ShapeError if they differ in size.
        """
        gt = self.code.read(self.mask)
        sample = self.photograph.read()
        if gt.shape != sample.image.shape[:2]:
            with open_image(self.photograph.path) as image:
                fits_as_stored = gt.shape == image.size[::-1]
            (height, width), (h, w) = sample.image.shape[:2], gt.shape
            raise ShapeError(
                f"{self.mask}: expected the size of its image, {height}x{width}, got {h}x{w}; "
                + (
                    "the image is turned as its EXIF orientation declares: turn its mask, too, or "
                    "take the orientation out of the image"
                    if fits_as_stored
                    else "resize it with nearest neighbour, or take the mask of this image"
                )
            )
        return sample._replace(gt=gt)


def find_labelled(
    images: str | os.PathLike, masks: str | os.PathLike, mask_suffix: str = ""
) -> list[tuple[Photograph, Path]]:
    """The images in and below a folder, each with its mask, sorted by path.

    A mask has the relative path and name of its image, with ``mask_suffix`` behind the name; what
    is a mask is no image, if both are in one folder. Masks without an image are logged as a
    warning. Raises DataFormatError if a folder is missing or holds none, or an image has no mask.
    """
    named = {}
    for file in find_files(masks, _SUFFIXES, "masks in a lossless format", deep=True):
        name = Photograph(file, Path(masks)).name
        if name in named:
            raise DataFormatError(
                f"{file}: expected one mask called {name}, got {named[name]}, too; remove one"
            )
        named[name] = file
    own = {name: file for name, file in named.items() if name.endswith(mask_suffix)}
    files = set(own.values())
    photographs = [photo for photo in find_photographs([images]) if photo.path not in files]
    missing = [photo for photo in photographs if photo.name + mask_suffix not in own]
    if missing or not photographs:
        name = missing[0].name if missing else next(iter(named))
        longer = (other[len(name) :] for other in named if other.startswith(name))
        near = min(filter(None, longer), key=len, default="")
        raise DataFormatError(
            f"{masks}: expected a mask for each of {len(photographs)} images in {images}, "
            f"{len(missing)} are missing, the first is {name}{mask_suffix}; "
            + (f"try --mask-suffix {near}" if near else "add them, or take these images out")
        )
    alone = sorted(own.keys() - {photo.name + mask_suffix for photo in photographs})
    if alone:
        _LOG.warning("%s: %d masks have no image, the first is %s", masks, len(alone), alone[0])
    return [(photo, own[photo.name + mask_suffix]) for photo in photographs]


def open_labelled(
    pairs: Sequence[tuple[Photograph, Path]],
    n_classes: int,
    classes: ClassTable | None = None,
    *,
    mask_suffix: str = "",
    void: int | None = None,
    reduce_zero_label: bool = False,
    ignore_colours: Sequence[str] = (),
) -> Source:
    """The pairs of `find_labelled` as a source of images with ground truth.

    The first mask decides whether masks are read by colour: if it is in colour, or the given
    colours of all ``classes`` are grey. Further options are those of `MaskCode`. Raises InputError
    if an option does not go with such masks.
    """
    first = pairs[0][1]
    given = classes if classes and classes.colours != ClassTable(classes.names).colours else None
    with open_image(first) as image:
        _check_storage(first, image)
        in_colour = image.mode in _COLOURS
    all_grey = given is not None and (given.palette.T == given.palette[:, 0]).all()
    by_colour = in_colour or (all_grey and void is None and not reduce_zero_label)
    code = MaskCode(n_classes, given, by_colour, void, reduce_zero_label, tuple(ignore_colours))
    _check_code(first, code)
    settings = {
        "suffix": mask_suffix,
        "void": None if void == VOID else void,
        "reduce_zero_label": reduce_zero_label,
        "ignore_colours": sorted(ignore_colours),
        "colours": given.colours if by_colour else (),
    }
    settings = {name: value for name, value in settings.items() if value}
    items = [Labelled(*pair, code) for pair in pairs]
    return Source(items, {"source": "folders", "masks": settings}, n_classes, classes=classes)


def _check_code(first: Path, code: MaskCode) -> None:
    """Raise an InputError if options do not go with masks such as the ``first``."""
    for colour in code.ignore_colours:
        if not re.fullmatch("#[0-9a-fA-F]{6}", colour):
            raise InputError(f"--ignore-colour: expected #rrggbb such as #000000, got {colour!r}")
    if not code.by_colour:
        if code.ignore_colours:
            raise InputError(
                f"--ignore-colour: expected masks in colour with it, got class ids in {first}; "
                "name the id that is void by --ignore-label"
            )
        return
    if code.classes is None:
        raise InputError(
            f"{first}: expected class ids, got a mask in colour and no colours of classes; give "
            "--classes a CSV or JSON file with name and colour (#rrggbb), or a built-in table"
        )
    if code.void is not None or code.reduce_zero_label:
        option = "--ignore-label" if code.void is not None else "--reduce-zero-label"
        raise InputError(
            f"{option}: expected masks of class ids with it, got colours in {first}; name the "
            "colour that is void by --ignore-colour"
        )
    colours = code.classes.colours
    for name, colour in zip(code.classes.names, colours, strict=True):
        other = code.classes.names[colours.index(colour)]
        if other != name:
            raise InputError(
                f"classes: expected a colour of its own for each class to read masks in colour, "
                f"got {colour} for {other!r} and {name!r}; change one, or take masks of class ids"
            )


def _check_storage(path: Path, image: Any) -> None:
    """Refuse what Pillow would read as other numbers than are stored, or that is no mask."""
    stored = next((tile[3] for tile in image.tile), "")
    stored = stored[0] if isinstance(stored, tuple) else stored or ""
    scaled = ";" in stored if image.mode == "L" else ";16" in stored and image.mode in _COLOURS
    if scaled or image.mode not in (*_IDS, *_COLOURS):
        raise DataFormatError(
            f"{path}: expected a mask in 8-bit colour, in 8- or 16-bit grey, or with a palette, "
            f"got {stored or image.mode}; store it as a PNG of 8 bits"
        )


def _encode(colours: Sequence[str]) -> list[int]:
    """Each ``#rrggbb`` as R + 256 G + 65536 B."""
    return [int.from_bytes(bytes.fromhex(colour[1:]), "little") for colour in colours]
