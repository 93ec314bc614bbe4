"""Masks: ground truth as image files, by class id or by colour, paired with images by name."""

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ImageOps

from metaseg_tf.data.classes import VOID, ClassTable, check_class_ids
from metaseg_tf.data.folders import find_files
from metaseg_tf.data.photographs import FORMATS, Photograph, find_photographs, open_image
from metaseg_tf.data.sample import Sample, Source
from metaseg_tf.errors import DataFormatError, InputError, ShapeError

__all__ = ["Labelled", "MaskCode", "find_labelled", "open_labelled"]

_LOG = logging.getLogger(__name__)
#: JPEG changes ids and colours.
_SUFFIXES = tuple(suffix for suffix, kind in FORMATS.items() if kind != "JPEG")
#: Pillow's modes of masks in colour, of those that have colours, too, and of those that hold ids.
_COLOURS = ("RGB", "RGBA", "RGBX")
_COLOURED = (*_COLOURS, "1", "L", "P")
_IDS = ("1", "L", "P", "I", "I;16", "I;16B", "I;16L")
_UNKNOWN = VOID - 1


@dataclass(frozen=True)
class MaskCode:
    """How the masks of a data set tell ``n_classes`` classes: by ids, or by colours."""

    n_classes: int
    #: The classes, if somebody gave their colours.
    classes: ClassTable | None = None
    by_colour: bool = False
    #: Id of pixels without ground truth; None is 255, unless that may be the second of two classes.
    void: int | None = None
    #: 0 is void, and 1 is the first class.
    reduce_zero_label: bool = False
    #: Colours ``#rrggbb`` of pixels without ground truth.
    ignore_colours: tuple[str, ...] = ()

    def read(self, path: Path) -> np.ndarray:
        """The class ids of a mask, uint8 [H, W] with 255 for void, turned as its file declares.

        Raises DataFormatError if the file cannot be read or is stored otherwise, and InputError if
        it holds ids or colours of no class.
        """
        with open_image(path) as image:
            stored = next((tile[3] for tile in image.tile), "")
            stored = stored[0] if isinstance(stored, tuple) else stored or ""
            # Pillow scales grey of fewer bits than 8, and colours of more.
            scaled = (";" if image.mode == "L" else ";16") in stored and image.mode[0] != "I"
            if scaled or image.mode not in (_COLOURED if self.by_colour else _IDS):
                kind = (
                    "8-bit colours" if self.by_colour else "ids in 8- or 16-bit grey or a palette"
                )
                raise DataFormatError(
                    f"{path}: expected {kind} as in the first mask, got {stored or image.mode}; "
                    "store all masks in one way, as PNG of 8 bits"
                )
            image = ImageOps.exif_transpose(image)
            if self.by_colour:
                return self._from_colours(path, np.asarray(image.convert("RGBA")))
            ids = np.asarray(image)
            if image.mode == "P" and self.classes:
                self._check_palette(path, ids, image.getpalette())
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
        table, own = np.full(1 << 24, _UNKNOWN, np.uint8), np.arange(self.n_classes)
        for colours, ids in ((self.classes.colours, own), (self.ignore_colours, VOID)):
            table[[int.from_bytes(bytes.fromhex(c[1:]), "little") for c in colours]] = ids
        ids = table[codes]
        unknown = codes[ids == _UNKNOWN]
        if unknown.size:
            found, counts = np.unique(unknown, return_counts=True)
            rgb = found[counts.argmax()] >> np.array([0, 8, 16]) & 255
            near = np.square(self.classes.palette - rgb).sum(1).argmin()
            colour = f"#{bytes(rgb.tolist()).hex()}"
            others = f", and {len(found) - 1} others in all {unknown.size}" * (len(found) > 1)
            raise InputError(
                f"{path}: expected the colours of the classes, got {colour} in {counts.max()} "
                f"pixels{others} (the nearest is {self.classes.colours[near]}, "
                f"{self.classes.names[near]!r}); correct --classes, or give --ignore-colour "
                f"'{colour}' if it is void"
            )
        return ids

    def _check_palette(self, path: Path, ids: np.ndarray, palette: list[int]) -> None:
        """Refuse a palette that gives an id the colour of another class: which one is meant?"""
        names, colours = self.classes.names, self.classes.colours
        for i in np.flatnonzero(np.bincount(ids.ravel())):
            colour, own = f"#{bytes(palette[3 * i : 3 * i + 3]).hex()}", i - self.reduce_zero_label
            if 0 <= own < len(colours) and colours[own] != colour in colours:
                raise InputError(
                    f"{path}: expected a palette with the colours of the classes, got {colour} of "
                    f"{names[colours.index(colour)]!r} for id {i}, {names[own]!r}; store the mask "
                    "as RGB if its colours are right, else leave the colours out of --classes"
                )


@dataclass(frozen=True, kw_only=True)
class Labelled(Photograph):
    """A photograph and the mask that is its ground truth."""

    mask: Path
    code: MaskCode

    def read(self) -> Sample:
        """Image and ground truth; a ShapeError if they differ in size, else errors of their own."""
        gt, sample = self.code.read(self.mask), super().read()
        (height, width), (h, w) = sample.image.shape[:2], gt.shape
        if (height, width) != (h, w):
            with open_image(self.path) as image:
                fits_as_stored = image.size == (w, h)
            advice = (
                "the image is turned as its EXIF orientation declares: turn its mask, too, or take "
                "the orientation out of the image"
            )
            raise ShapeError(
                f"{self.mask}: expected the size of its image, {height}x{width}, got {h}x{w}; "
                f"{advice if fits_as_stored else 'resize it with nearest neighbour'}"
            )
        return sample._replace(gt=gt)


def find_labelled(
    images: str | os.PathLike, masks: str | os.PathLike, mask_suffix: str = ""
) -> list[tuple[Photograph, Path]]:
    """The images in and below a folder, each with its mask, sorted by path.

    A mask has the relative path and name of its image, with ``mask_suffix`` behind the name, and
    is not an image. Raises DataFormatError if a folder is missing or holds none, or an image has no
    mask; masks without an image are logged as a warning.
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
    files = {*own.values()}
    photographs = [photo for photo in find_photographs([images]) if photo.path not in files]
    wanted = [photo.name + mask_suffix for photo in photographs]
    missing = [photo.name for photo in photographs if photo.name + mask_suffix not in own]
    if missing or not photographs:
        first = missing[0] if missing else min(named)
        longer = [name[len(first) :] for name in named if name.startswith(first) and name != first]
        advice = (
            f"try --mask-suffix {min(longer)}" if longer else "add them, or take such images out"
        )
        raise DataFormatError(
            f"{masks}: expected a mask for each of {len(photographs)} images in {images}, "
            f"{len(missing)} are missing, the first is {first}{mask_suffix}; {advice}"
        )
    if alone := sorted(own.keys() - {*wanted}):
        _LOG.warning("%s: %d masks have no image, the first is %s", masks, len(alone), alone[0])
    return [(photo, own[name]) for photo, name in zip(photographs, wanted, strict=True)]


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

    Masks are read by colour if the first is in colour, or the given colours of all ``classes`` are
    grey. Further options are those of `MaskCode`. Raises InputError if an option does not go with
    such masks, or colours do not tell the classes apart.
    """
    first = pairs[0][1]
    with open_image(first) as image:
        by_colour = image.mode in _COLOURS
    given = classes if classes and classes.has_own_colours else None
    if given and void is None and not reduce_zero_label:
        by_colour |= bool((given.palette.T == given.palette[:, 0]).all())
    used = {"--ignore-label": void is not None, "--reduce-zero-label": reduce_zero_label}
    kinds = [("in colour", {"--ignore-colour": ignore_colours}), ("of class ids", used)]
    (own, useful), (other, useless) = kinds if by_colour else kinds[::-1]
    for option in (option for option, is_given in useless.items() if is_given):
        raise InputError(
            f"{option}: expected masks {other}, got some {own} such as {first}; say what is void "
            f"by {next(iter(useful))}"
        )
    if by_colour and given is None:
        raise InputError(
            f"{first}: expected class ids, got a mask in colour and no colours of classes; give "
            "--classes a CSV or JSON file with name and colour (#rrggbb), or a built-in table"
        )
    if twice := by_colour and [c for c in given.colours if given.colours.count(c) > 1]:
        names = [n for n, c in zip(given.names, given.colours, strict=True) if c == twice[0]]
        raise InputError(
            f"classes: expected a colour of its own for each class to read masks in colour, got "
            f"{twice[0]} for {' and '.join(map(repr, names))}; change one, or take class ids"
        )
    for colour in ignore_colours:
        if not re.fullmatch("#[0-9a-fA-F]{6}", colour):
            raise InputError(f"--ignore-colour: expected #rrggbb such as #000000, got {colour!r}")
    settings = {
        "suffix": mask_suffix,
        "void": None if void == VOID else void,
        "reduce_zero_label": reduce_zero_label,
        "ignore_colours": sorted(ignore_colours),
        "colours": given.colours if by_colour else (),
    }
    settings = {name: value for name, value in settings.items() if value}
    code = MaskCode(n_classes, given, by_colour, void, reduce_zero_label, tuple(ignore_colours))
    items = [Labelled(**vars(photo), mask=mask, code=code) for photo, mask in pairs]
    return Source(items, {"source": "folders", "masks": settings}, n_classes, classes=classes)
