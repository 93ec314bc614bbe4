"""Cityscapes: its labels, its folders, and images with labels as one tf.data chain.

TensorFlow is imported only when images are read: tables and reports need the labels alone.
"""

import contextlib
import functools
import os
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from metaseg_tf.data.classes import CITYSCAPES, VOID
from metaseg_tf.data.folders import check_file
from metaseg_tf.data.sample import MAX_PIXELS, FileItem, Sample, Source
from metaseg_tf.errors import DataFormatError, InputError, restate

__all__ = ["LABELS", "LABEL_IDS_TO_TRAIN_IDS", "Label", "Pair", "PairSource", "find_pairs"]

_UNKNOWN = 254
_IMAGES, _TRUTH = "leftImg8bit", "gtFine"
_IMAGE_SUFFIX = "_leftImg8bit.png"
_LABEL_SUFFIXES = ("_gtFine_labelIds.png", "_gtFine_labelTrainIds.png")
_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
_PNG_HEADER = struct.Struct(">16s2I2B")
#: Bits and colour type of a PNG of labels; photographs may have any.
_GREY = (8, 0)
# Pairs whose headers are checked at once, before the first of them is decoded.
_AHEAD = 64
_REMEDY = "unpack leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip into one folder"


class Label(NamedTuple):
    """One of the data set's labels; ``train_id`` is 255 for those that are not evaluated."""

    name: str
    label_id: int
    train_id: int


_NAMES = (
    "unlabeled, ego vehicle, rectification border, out of roi, static, dynamic, ground, "
    "road, sidewalk, parking, rail track, building, wall, fence, guard rail, bridge, "
    "tunnel, pole, polegroup, traffic light, traffic sign, vegetation, terrain, sky, "
    "person, rider, car, truck, bus, caravan, trailer, train, motorcycle, bicycle"
)
_TRAIN_IDS = {name: train_id for train_id, name in enumerate(CITYSCAPES.names)}
#: All labels of the data set, by label id.
LABELS = tuple(
    Label(name, label_id, _TRAIN_IDS.get(name, VOID))
    for label_id, name in enumerate(_NAMES.split(", "))
)

#: Train ids of files that hold label ids, and of files that hold train ids, uint8 [2, 256].
_TABLES = np.full((2, 256), _UNKNOWN, np.uint8)
_TABLES[0, : len(LABELS)] = [label.train_id for label in LABELS]
_TABLES[1, : len(CITYSCAPES)] = range(len(CITYSCAPES))
_TABLES[:, 255] = VOID
#: Train id of each label id, uint8 [256]; 255 for void, 254 for ids that do not exist. The licence
#: plate has the label id -1, which a PNG of bytes holds as 255.
LABEL_IDS_TO_TRAIN_IDS = _TABLES[0]


@dataclass(frozen=True)
class Pair(FileItem):
    """An image and its labels on disk."""

    name: str
    image: Path
    labels: Path

    @property
    def has_train_ids(self) -> bool:
        """True if the label image holds train ids, False for label ids."""
        return self.labels.name.endswith(_LABEL_SUFFIXES[1])

    def read(self) -> Sample:
        """Decode the pair: image uint8 [H, W, 3], and gt uint8 [H, W] of train ids, 255 for void.

        Raises DataFormatError as `check`, and InputError if the label image holds unknown ids.
        """
        import tensorflow as tf

        self.check()
        found = "expected two whole PNG files, got one that cannot be read"
        said = f"{self.image} with {self.labels.name}: {found}"
        with restate(tf.errors.OpError, DataFormatError, said, "unpack it again"):
            given = [tf.constant(column[0]) for column in _columns([self], {self: 0})]
            _, image, gt = _decoder()(*given)
        return _as_sample(self, image, gt)

    def check(self) -> None:
        """Check the headers: decoders allocate what they declare, and turn labels into other ids.

        Raises DataFormatError if a file cannot be read, or is not what belongs in its place.
        """
        for path, kind in ((self.image, None), (self.labels, _GREY)):
            with (
                restate(OSError, DataFormatError, f"{path}: cannot be read", "unpack it again"),
                path.open("rb") as file,
            ):
                header = file.read(_PNG_HEADER.size)
            if len(header) < _PNG_HEADER.size or not header.startswith(_PNG):
                raise DataFormatError(
                    f"{path}: expected a whole PNG file, got something else; unpack it again"
                )
            _, width, height, bits, colour = _PNG_HEADER.unpack(header)
            if not 0 < width * height <= MAX_PIXELS:
                raise DataFormatError(
                    f"{path}: expected at most {MAX_PIXELS} pixels, got a PNG file of "
                    f"{height}x{width}; it is not an image of a street"
                )
            if kind not in (None, (bits, colour)):
                raise DataFormatError(
                    f"{path}: expected labels as a PNG of 8-bit grey, got {bits} bits of colour "
                    f"type {colour}; take the file ending in {' or '.join(_LABEL_SUFFIXES)}"
                )


class PairSource(Source):
    """Pairs, by `find_pairs`, as a source of images that are read ahead."""

    def __init__(self, pairs: Sequence[Pair], **settings: Any):
        settings = {"source": "cityscapes", **settings}
        super().__init__(pairs, settings, len(CITYSCAPES), classes=CITYSCAPES)

    def reader(self, done: set[str]) -> Callable[[Pair], Sample]:
        """`read_ahead` of the pairs that are not ``done``."""
        return read_ahead([pair for pair in self.items if pair.name not in done])


def find_pairs(
    root: str | os.PathLike,
    *,
    split: str = "val",
    city: str | None = None,
    limit: int | None = None,
) -> list[Pair]:
    """Images of a split, or of one of its cities, with their labels, sorted by name.

    ``root`` holds ``leftImg8bit`` and ``gtFine``, and each of these ``split``, such as "train".
    Raises DataFormatError if a folder is missing, holds no images, or images lack their labels.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataFormatError(f"{root}: expected the Cityscapes folder, found none; check the path")
    for part in (root / _IMAGES, root / _TRUTH):
        if not part.is_dir():
            raise DataFormatError(
                f"{root}: expected the Cityscapes folder with {_IMAGES} and {_TRUTH}, {part.name} "
                f"is missing; {_REMEDY}"
            )
        if not (part / split).is_dir():
            there = ", ".join(sorted(p.name for p in part.iterdir())) or "nothing"
            raise DataFormatError(
                f"{part}: expected the split {split!r}, found {there}; choose another --split, or "
                f"{_REMEDY}"
            )
    folder, truth, pairs, missing = root / _IMAGES / split, root / _TRUTH / split, [], []
    cities = sorted(path.name for path in folder.iterdir() if path.is_dir())
    for place in cities if city is None else [city]:
        labelled = {name for name, whole in _list(truth / place, _LABEL_SUFFIXES) if whole}
        for image, _ in _list(folder / place, _IMAGE_SUFFIX):
            name = image.removesuffix(_IMAGE_SUFFIX)
            candidates = [name + suffix for suffix in _LABEL_SUFFIXES]
            labels = next(filter(labelled.__contains__, candidates), candidates[0])
            missing += [] if labels in labelled else [labels]
            pairs.append(Pair(name, folder / place / image, truth / place / labels))
    if not pairs:
        raise DataFormatError(
            f"{folder}: expected images {city or '<city>'}/*{_IMAGE_SUFFIX}, found none "
            f"(there is {', '.join(cities) or 'no city'}); choose a city that is there, or "
            f"{_REMEDY}"
        )
    if missing:
        raise DataFormatError(
            f"{truth}: expected labels for all {len(pairs)} images, {len(missing)} are missing, "
            f"the first is {missing[0]}; {_REMEDY}"
        )
    return pairs[:limit]


def _list(folder: Path, suffixes: str | tuple[str, ...]) -> list[tuple[str, bool]]:
    """The names in a folder with one of the endings, in order; False for anything but a file."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        found = sorted((e.name, e.is_file()) for e in entries if e.name.endswith(suffixes))
    for name in (name for name, whole in found if not whole):
        check_file(folder / name)
    return found


def read_ahead(pairs: Sequence[Pair]) -> Callable[[Pair], Sample]:
    """Decode pairs ahead of their reader, in their order and on several threads.

    The function returned reads any pair as `Pair.read` does, and drops the unread ones before it. A
    pair that is broken, dropped, read before or not among ``pairs`` is decoded on its own: the
    chain itself could not say what is wrong.
    """
    places = {pair: place for place, pair in enumerate(pairs)}
    elements = (
        element
        for begin in range(0, len(pairs), _AHEAD)
        for element in _chain(filter(_is_sound, pairs[begin : begin + _AHEAD]), places)
    )
    element = (-1,)

    def read(pair: Pair) -> Sample:
        nonlocal element
        wanted = places.get(pair, -1)
        while int(element[0]) < wanted:
            # The chain ends early if its last pairs are broken.
            element = next(elements, (len(places),))
        place, *decoded = element
        return _as_sample(pair, *decoded) if int(place) == wanted >= 0 else pair.read()

    return read


def _is_sound(pair: Pair) -> bool:
    with contextlib.suppress(DataFormatError):
        pair.check()
        return True
    return False


def _chain(pairs: Iterable[Pair], places: dict[Pair, int]):
    """A tf.data.Dataset of (place, uint8 [H, W, 3], uint8 [H, W]) that leaves broken pairs out."""
    import tensorflow as tf

    # No Python runs in it: when a process ends, its threads would wait for Python without end.
    # There is nothing to tune, and leaving the chain would wait for its tuner, which sleeps for as
    # long as the chain has been in use, up to a minute.
    options = tf.data.Options()
    options.autotune.enabled = False
    return (
        tf.data.Dataset.from_tensor_slices(_columns(list(pairs), places))
        .map(_decoder(), num_parallel_calls=2, deterministic=True)
        .ignore_errors()
        .prefetch(2)
        .with_options(options)
    )


def _columns(pairs: Sequence[Pair], places: dict[Pair, int]) -> tuple[np.ndarray, ...]:
    """Place, paths of image and labels, and table of ids; of the same dtypes without any pair."""
    return (
        # Each element carries the place of its pair, so that pixels and pair cannot part.
        np.array([places[pair] for pair in pairs], np.int64),
        # As bytes: a name that is not UTF-8 has no other form that TensorFlow takes.
        np.array([os.fsencode(pair.image) for pair in pairs], bytes),
        np.array([os.fsencode(pair.labels) for pair in pairs], bytes),
        np.array([pair.has_train_ids for pair in pairs], np.int64),
    )


@functools.cache
def _decoder():
    """A function of what `_columns` gives of a pair, which passes the place on; traced but once."""
    import tensorflow as tf

    tables = tf.constant(_TABLES)
    signature = [tf.TensorSpec([], t) for t in (tf.int64, tf.string, tf.string, tf.int64)]

    @tf.function(input_signature=signature, autograph=False)
    def decode(place, image, labels, table):
        pixels = tf.image.decode_png(tf.io.read_file(image), channels=3)
        ids = tf.image.decode_png(tf.io.read_file(labels), channels=1)[..., 0]
        return place, pixels, tf.gather(tables[table], tf.cast(ids, tf.int32))

    return decode.get_concrete_function()


def _as_sample(pair: Pair, image, gt) -> Sample:
    image, gt = image.numpy(), gt.numpy()
    if image.shape[:2] != gt.shape:
        raise DataFormatError(
            f"{pair.labels}: expected the size of its image, {image.shape[0]}x{image.shape[1]}, "
            f"got {gt.shape[0]}x{gt.shape[1]}; unpack both again"
        )
    if (gt == _UNKNOWN).any():
        expected = "train ids 0..18 and 255" if pair.has_train_ids else "label ids 0..33"
        raise InputError(
            f"{pair.labels}: expected {expected}, got others; "
            "is it a label image of Cityscapes, and not one in colour?"
        )
    return Sample(pair.name, image, gt=gt)
