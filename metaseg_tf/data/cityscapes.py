"""Cityscapes: its labels, its folders, and images with labels as one tf.data chain.

TensorFlow is imported where images are read only: tables and reports need the labels alone.
"""

import functools
import glob
import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from metaseg_tf.data.classes import CITYSCAPES, VOID
from metaseg_tf.data.folders import check_file
from metaseg_tf.errors import DataFormatError, InputError

__all__ = [
    "CLASSES",
    "LABELS",
    "LABEL_IDS_TO_TRAIN_IDS",
    "PALETTE",
    "ImageWithLabels",
    "Label",
    "Pair",
    "PairsAhead",
    "find_pairs",
    "name_classes",
    "read_pair",
    "read_pairs",
]

_UNKNOWN = 254
_IMAGES, _TRUTH = "leftImg8bit", "gtFine"
_IMAGE_SUFFIX = "_leftImg8bit.png"
_LABEL_SUFFIXES = ("_gtFine_labelIds.png", "_gtFine_labelTrainIds.png")
_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
_PNG_HEADER = struct.Struct(">16s2I2B")
#: Upper bound of an image's pixels, 32 times those of Cityscapes.
_MAX_PIXELS = 2**26
#: Bits and colour type of what is asked of a PNG: 8-bit grey for labels, whatever for photographs.
_GREY = (8, 0)
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

#: Names of the 19 classes by train id.
CLASSES = CITYSCAPES.names
PALETTE = CITYSCAPES.palette


def name_classes(n_classes: int) -> tuple[str, ...]:
    """Names of a network's classes: those of Cityscapes if it has as many, else numbers."""
    if n_classes == len(CLASSES):
        return CLASSES
    return tuple(f"class {j}" for j in range(n_classes))


#: Train id of each label id, uint8 [256]; 255 for void, 254 for ids that do not exist. The licence
#: plate has the label id -1, which a PNG of bytes holds as 255.
LABEL_IDS_TO_TRAIN_IDS = np.full(256, _UNKNOWN, np.uint8)
LABEL_IDS_TO_TRAIN_IDS[: len(LABELS)] = [label.train_id for label in LABELS]
LABEL_IDS_TO_TRAIN_IDS[255] = VOID

_TRAIN_IDS_TO_TRAIN_IDS = np.full(256, _UNKNOWN, np.uint8)
_TRAIN_IDS_TO_TRAIN_IDS[: len(CITYSCAPES)] = range(len(CITYSCAPES))
_TRAIN_IDS_TO_TRAIN_IDS[255] = VOID


@dataclass(frozen=True)
class Pair:
    """An image and its labels on disk."""

    name: str
    image: Path
    labels: Path

    @property
    def has_train_ids(self) -> bool:
        """Whether the label image holds train ids and not label ids."""
        return self.labels.name.endswith(_LABEL_SUFFIXES[1])


class ImageWithLabels(NamedTuple):
    """A decoded pair.

    Attributes
    ----------
    image : uint8 [H, W, 3]
        RGB.
    gt : uint8 [H, W]
        Train ids 0..18, 255 for void.
    """

    image: np.ndarray
    gt: np.ndarray


def find_pairs(
    root: str | os.PathLike,
    *,
    split: str = "val",
    city: str | None = None,
    limit: int | None = None,
) -> list[Pair]:
    """Images of a split with their labels, sorted by name.

    Parameters
    ----------
    root : path
        The folder that holds ``leftImg8bit`` and ``gtFine``.
    split : str
        "train", "val", or another folder below both.
    city : str, optional
        Only this city.
    limit : int, optional
        Only the first images.

    Raises
    ------
    DataFormatError
        If a folder is missing, holds no images, or images lack their labels.
    """
    folder = _split_folder(Path(root), split)
    images = sorted(folder.glob(f"{glob.escape(city) if city else '*'}/*{_IMAGE_SUFFIX}"))
    if not images:
        cities = ", ".join(sorted(p.name for p in folder.iterdir() if p.is_dir())) or "no city"
        raise DataFormatError(
            f"{folder}: expected images {city or '<city>'}/*{_IMAGE_SUFFIX}, found none "
            f"(there is {cities}); choose a city that is there, or {_REMEDY}"
        )
    truth = Path(root) / _TRUTH / split
    pairs = [_pair(image, truth) for image in images]
    for pair in pairs:
        check_file(pair.image)
        check_file(pair.labels)
    missing = [pair for pair in pairs if not pair.labels.exists()]
    if missing:
        raise DataFormatError(
            f"{truth}: expected labels for all {len(pairs)} images, {len(missing)} are missing, "
            f"the first is {missing[0].labels.name}; {_REMEDY}"
        )
    return pairs[:limit]


def _split_folder(root: Path, split: str) -> Path:
    if not root.is_dir():
        raise DataFormatError(f"{root}: expected the Cityscapes folder, found none; check the path")
    for part in (_IMAGES, _TRUTH):
        if not (root / part).is_dir():
            raise DataFormatError(
                f"{root}: expected the Cityscapes folder with {_IMAGES} and {_TRUTH}, {part} is "
                f"missing; {_REMEDY}"
            )
        if not (root / part / split).is_dir():
            there = ", ".join(sorted(p.name for p in (root / part).iterdir())) or "nothing"
            raise DataFormatError(
                f"{root / part}: expected the split {split!r}, found {there}; choose another "
                f"--split, or {_REMEDY}"
            )
    return root / _IMAGES / split


def _pair(image: Path, truth: Path) -> Pair:
    name = image.name.removesuffix(_IMAGE_SUFFIX)
    candidates = [truth / image.parent.name / (name + suffix) for suffix in _LABEL_SUFFIXES]
    labels = next((path for path in candidates if path.exists()), candidates[0])
    return Pair(name, image, labels)


def read_pair(pair: Pair) -> ImageWithLabels:
    """Decode one pair.

    Raises
    ------
    DataFormatError
        If a file cannot be read, or is not what the data set has in its place.
    InputError
        If the label image holds unknown ids.
    """
    import tensorflow as tf

    try:
        _, *decoded = _decoder()(*(tf.constant(column[0]) for column in _columns([pair])))
    except tf.errors.OpError as error:
        # What is wrong is said better here than by TensorFlow.
        _check_image(pair.image)
        _check_labels(pair.labels)
        raise _unreadable(pair, error) from error
    return _check(pair, decoded)


def read_pairs(pairs: Iterable[Pair], *, prefetch: int = 2) -> "PairsAhead":
    """Decode pairs in their order, ahead of the reader and on several threads.

    Parameters
    ----------
    pairs : iterable of Pair
    prefetch : int
        How many pairs may wait, decoded.

    Returns
    -------
    PairsAhead
        An iterator over ImageWithLabels; a pair that cannot be read raises what `read_pair`
        raises, and does not end the iteration.
    """
    pairs = list(pairs)
    return PairsAhead(pairs, iter(_chain(pairs, prefetch)))


class PairsAhead(Iterator):
    """Pairs that are decoded ahead of the reader, in an order known to both.

    Each element of the chain carries the place of its pair, so that pixels and pair cannot part,
    whichever pairs are broken, never taken, or taken in another order.
    """

    def __init__(self, pairs: list[Pair], elements: Iterator):
        self._pairs, self._elements = iter(pairs), elements
        self._places = {pair: place for place, pair in enumerate(pairs)}
        self._place, self._decoded = -1, ()

    def __next__(self) -> ImageWithLabels:
        return self.take(next(self._pairs))

    def take(self, pair: Pair) -> ImageWithLabels:
        """One pair; those before it that were not taken are dropped.

        A pair that does not come out of the chain, or has come out already, is decoded on its own.
        Errors as `read_pair`.
        """
        wanted = self._places.get(pair, -1)
        while self._place < wanted:
            # The chain ends early where its last pairs are broken.
            place, *self._decoded = next(self._elements, (len(self._places),))
            self._place = int(place)
        return _check(pair, self._decoded) if self._place == wanted >= 0 else read_pair(pair)


def _chain(pairs: list[Pair], prefetch: int):
    """A tf.data.Dataset of (place, uint8 [H, W, 3], uint8 [H, W]), which leaves broken pairs out.

    No Python runs in it: when a process ends, its threads would wait for Python without end.
    """
    import tensorflow as tf

    # Nothing here is to be tuned, and who leaves the chain would wait for its tuner, which sleeps
    # for as long as the chain has been in use, up to a minute.
    options = tf.data.Options()
    options.autotune.enabled = False
    return (
        tf.data.Dataset.from_tensor_slices(_columns(pairs))
        .map(_decoder(), num_parallel_calls=2, deterministic=True)
        .ignore_errors()
        .prefetch(prefetch)
        .with_options(options)
    )


def _columns(pairs: list[Pair]) -> tuple[np.ndarray, ...]:
    """Place, paths of image and labels, and table of ids; of the same dtypes without any pair."""
    return (
        np.arange(len(pairs)),
        # As bytes: a name that is not UTF-8 has no other form that TensorFlow takes.
        np.array([os.fsencode(pair.image) for pair in pairs], bytes),
        np.array([os.fsencode(pair.labels) for pair in pairs], bytes),
        np.array([pair.has_train_ids for pair in pairs], np.int64),
    )


@functools.cache
def _decoder():
    """A function of what `_columns` gives of a pair, which passes the place on; traced but once."""
    import tensorflow as tf

    tables = tf.constant(np.stack([LABEL_IDS_TO_TRAIN_IDS, _TRAIN_IDS_TO_TRAIN_IDS]))
    signature = [tf.TensorSpec([], t) for t in (tf.int64, tf.string, tf.string, tf.int64)]

    @tf.function(input_signature=signature, autograph=False)
    def decode(place, image, labels, table):
        pixels = tf.image.decode_png(_read_png(image), channels=3)
        ids = tf.image.decode_png(_read_png(labels, _GREY), channels=1)[..., 0]
        return place, pixels, tf.gather(tables[table], tf.cast(ids, tf.int32))

    return decode.get_concrete_function()


def _read_png(path, kind: tuple[int, int] | None = None):
    """A PNG file as a string tensor, which fails where `_check_image` or `_check_labels` would."""
    import tensorflow as tf

    content = tf.io.read_file(path)
    header = tf.io.decode_raw(tf.strings.substr(content, 0, _PNG_HEADER.size), tf.uint8)
    places = tf.constant([1 << 24, 1 << 16, 1 << 8, 1], tf.int64)
    sides = tf.linalg.matvec(tf.reshape(tf.cast(header[16:24], tf.int64), [2, 4]), places)
    # Each side by itself, too, since a product of two can be too large for its type.
    sizes = tf.concat([sides, [tf.reduce_prod(sides)]], 0)
    sound = [header[:16] == list(_PNG), sizes <= _MAX_PIXELS]
    if kind is not None:
        sound.append(header[24:] == kind)
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(tf.concat(sound, 0)), [path])]):
        return tf.identity(content)


def _check_image(path: Path) -> bytes:
    """The content of a PNG file with a sound header: decoders allocate what it declares."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataFormatError(
            f"{path}: cannot be read ({error.strerror}); unpack it again"
        ) from error
    _check_header(path, content)
    return content


def _check_labels(path: Path) -> None:
    """As `_check_image`; TensorFlow would turn 16 bits, a palette or colours into other ids."""
    *_, bits, colour = _PNG_HEADER.unpack_from(_check_image(path))
    if (bits, colour) != _GREY:
        raise DataFormatError(
            f"{path}: expected labels as a PNG of 8-bit grey, got {bits} bits of "
            f"colour type {colour}; take the file ending in {' or '.join(_LABEL_SUFFIXES)} as it is"
        )


def _check_header(path: Path, content: bytes) -> None:
    if len(content) < _PNG_HEADER.size or not content.startswith(_PNG):
        raise DataFormatError(
            f"{path}: expected a whole PNG file, got something else; unpack it again"
        )
    _, width, height, *_ = _PNG_HEADER.unpack_from(content)
    if not 0 < width * height <= _MAX_PIXELS:
        raise DataFormatError(
            f"{path}: expected at most {_MAX_PIXELS} pixels, got a PNG file of {height}x{width}; "
            "it is not an image of a street"
        )


def _unreadable(pair: Pair, error: Exception) -> DataFormatError:
    reason = " ".join(str(error).split())[:160]
    return DataFormatError(
        f"{pair.image} with {pair.labels.name}: expected two whole PNG files, got one that cannot "
        f"be read ({reason}); unpack it again"
    )


def _check(pair: Pair, tensors: Iterable) -> ImageWithLabels:
    decoded = ImageWithLabels(*(tensor.numpy() for tensor in tensors))
    if decoded.image.shape[:2] != decoded.gt.shape:
        raise DataFormatError(
            f"{pair.labels}: expected the size of its image, "
            f"{decoded.image.shape[0]}x{decoded.image.shape[1]}, got "
            f"{decoded.gt.shape[0]}x{decoded.gt.shape[1]}; unpack both again"
        )
    if (decoded.gt == _UNKNOWN).any():
        expected = "train ids 0..18 and 255" if pair.has_train_ids else "label ids 0..33"
        raise InputError(
            f"{pair.labels}: expected {expected}, got others; "
            "is it a label image of Cityscapes, and not one in colour?"
        )
    return decoded
