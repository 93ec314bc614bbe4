"""Class tables: the names, colours and kinds of what a network tells apart."""

import csv
import io
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from metaseg_tf.data.folders import check_file
from metaseg_tf.errors import DataFormatError, InputError, restate

__all__ = [
    "BUILT_IN", "CITYSCAPES", "KINDS", "MAX_CLASSES", "VOID", "ClassTable", "appearance",
    "check_class_ids", "load_classes", "shorten",
]  # fmt: skip

#: Marks pixels outside of every class in the uint8 maps of this package.
VOID = 255
#: Class ids are stored in 8 bits, with 255 for void.
MAX_CLASSES = 254
#: Countable objects, or regions without instances.
KINDS = ("thing", "stuff")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_LONGEST_NAME = 100
_LARGEST_FILE = 1 << 20
_TABLES = Path(__file__).parent / "class_tables"
#: Names of the class tables that come with the package; voc has its background first, and ade20k
#: the first synonym of each of the benchmark's names, and its stuff classes.
BUILT_IN = ("cityscapes", "voc", "ade20k")
#: From linear RGB to what it looks like with deuteranopia (Machado et al., 2009).
_DEUTERANOPIA = np.array(
    [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ]
)


@dataclass(frozen=True)
class ClassTable:
    """The classes of a network, by class id: 2 to 254 different names.

    ``colours`` are ``#rrggbb``; those that are empty or missing are made distinct from the others.
    ``kinds`` are ``"thing"``, ``"stuff"``, or empty where it is not known. Raises InputError if a
    name, colour or kind is not as described, or their numbers differ.
    """

    names: tuple[str, ...]
    colours: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    #: True if any of the colours was given, so that masks may be read by them.
    has_own_colours: bool = field(init=False, compare=False, repr=False)

    def __post_init__(self):
        n = len(self.names)
        if not 2 <= n <= MAX_CLASSES:
            raise InputError(f"classes: expected 2 to {MAX_CLASSES} names, got {n}; name them all")
        colours, kinds = self.colours or ("",) * n, self.kinds or ("",) * n
        if (len(colours), len(kinds)) != (n, n):
            raise InputError(
                f"classes: expected a colour and a kind for each of {n} names, got "
                f"{len(colours)} and {len(kinds)}; leave them empty where they are not known"
            )
        for name, colour, kind in zip(self.names, colours, kinds, strict=True):
            printable = isinstance(name, str) and name.strip() and name.isprintable()
            if not printable or len(name) > _LONGEST_NAME:
                raise InputError(
                    f"classes: expected printable names of at most {_LONGEST_NAME} characters, got "
                    f"{name!r:.80}; rename this class"
                )
            if colour and not (isinstance(colour, str) and _COLOUR.fullmatch(colour)):
                raise InputError(
                    f"classes: expected a colour such as #804080 for {name!r}, got {colour!r:.40}; "
                    "write it as #rrggbb, or leave it out"
                )
            if kind and kind not in KINDS:
                raise InputError(
                    f"classes: expected the kind thing or stuff for {name!r}, got {kind!r:.40}; "
                    "leave it out where it is not known"
                )
        twice = next((name for name in self.names if self.names.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"classes: expected different names, got {twice!r} twice; rename one")
        given = tuple(colour.lower() for colour in colours if colour)
        made = iter(distinct_colours(n - len(given), given) if len(given) < n else ())
        completed = tuple(colour.lower() if colour else next(made) for colour in colours)
        object.__setattr__(self, "colours", completed)
        object.__setattr__(self, "kinds", tuple(kinds))
        object.__setattr__(self, "has_own_colours", bool(given))

    @classmethod
    def numbered(cls, n_classes: int) -> "ClassTable":
        """Names ``class 0`` ... for a network about whose classes nothing else is known."""
        return cls(tuple(f"class {j}" for j in range(n_classes)))

    @classmethod
    def from_json(cls, rows: Iterable[Any]) -> "ClassTable":
        """The table that `to_json` gave, or rows that are names alone; else an InputError."""
        found = []
        for row in rows:
            row = {"name": row} if isinstance(row, str) else row
            if not isinstance(row, dict) or "name" not in row or set(row) - {*cls._KEYS}:
                raise InputError(
                    f"classes: expected names, or objects with {', '.join(cls._KEYS)}, got "
                    f"{row!r:.80}; write them as the documentation shows"
                )
            found.append([row.get(key) or "" for key in cls._KEYS])
        return cls(*map(tuple, zip(*found, strict=True))) if found else cls(())

    _KEYS = ("name", "colour", "kind")

    def to_json(self) -> list[dict[str, str]]:
        """One object per class with ``name``, ``colour`` and ``kind``."""
        rows = zip(self.names, self.colours, self.kinds, strict=True)
        return [dict(zip(self._KEYS, row, strict=True)) for row in rows]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def palette(self) -> np.ndarray:
        """Colours by class id, uint8 [C, 3]."""
        return np.array([list(bytes.fromhex(colour[1:])) for colour in self.colours], np.uint8)


def load_classes(source: str | os.PathLike) -> ClassTable:
    """A class table by one of the names `BUILT_IN`, or from a file.

    The file is JSON or CSV with ``name``, ``colour``, ``kind`` (the last two optional), else text
    with one name per line. Raises DataFormatError if it cannot be read; InputError as `ClassTable`.
    """
    path = _TABLES / f"{source}.csv" if str(source) in BUILT_IN else Path(source)
    check_file(path)
    said = f"{path}: expected names of classes as text, CSV or JSON, got a file that cannot be read"
    remedy = f"write one name per line, or give {', '.join(BUILT_IN)}"
    broken = (OSError, ValueError, RecursionError, csv.Error)
    with restate(broken, DataFormatError, said, remedy):
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
        if len(content) > _LARGEST_FILE:
            raise ValueError(f"it is larger than {_LARGEST_FILE} bytes")
        text, suffix = content.decode("utf-8-sig"), path.suffix.lower()
        if suffix == ".csv":
            rows = list(csv.DictReader(io.StringIO(text), skipinitialspace=True))
        elif suffix == ".json":
            rows = json.loads(text)
        else:
            rows = [line.strip() for line in text.splitlines() if line.strip()]
        if not isinstance(rows, list):
            raise ValueError("it is not a list")
    return ClassTable.from_json(rows)


def check_class_ids(
    ids: np.ndarray,
    n_classes: int,
    void: int = VOID,
    reduce_zero_label: bool = False,
    origin: str = "gt",
) -> np.ndarray:
    """Integers or bools as class ids, uint8 of the same shape with 255 for void.

    ``void`` is the id of pixels without class; with ``reduce_zero_label`` 0 is void, too, and 1 the
    first class. Raises InputError, which names the ``origin``, if there are other ids, with the
    number of their pixels, or void is the id of a class.
    """
    first = int(reduce_zero_label)
    counted = f"{first}..{n_classes - 1 + first}"
    reduce = "if 0 is void and 1 the first class, use reduce_zero_label=True (--reduce-zero-label)"
    if first <= void < n_classes + first:
        raise InputError(
            f"void: expected an id outside the classes {counted}, got {void}; "
            f"{'255 is usual' if void or first else reduce}"
        )
    is_void = ids == void
    if reduce_zero_label:
        is_void |= ids == 0
    unknown = ((ids < first) | (ids >= n_classes + first)) & ~is_void
    if unknown.any():
        found, counts = np.unique(ids[unknown], return_counts=True)
        shown = ", ".join(map(str, found[:5])) + (", ..." if len(found) > 5 else "")
        advice = "map the label ids to train ids first"
        if len(found) == 1:
            advice = f"use void={found[0]} (--void {found[0]}) if that is void, or {advice}"
        if len(found) == 1 and found[0] == n_classes:
            advice += f"; {reduce}"
        raise InputError(
            f"{origin}: expected ids {counted} or {void} (void), got {shown} in {counts.sum()} "
            f"pixels; {advice}"
        )
    ids = ids.astype(np.uint8) if ids.dtype.kind == "b" else ids
    ids = ids - first if first else ids
    return np.where(is_void, np.uint8(VOID), ids).astype(np.uint8, copy=False)


def shorten(name: str, most: int = 24) -> str:
    """A name where space is scarce: at most ``most`` characters, the last an ellipsis."""
    return name if len(name) <= most else name[: most - 1].rstrip(" ,;") + "…"


@lru_cache
def distinct_colours(n: int, taken: tuple[str, ...] = ()) -> tuple[str, ...]:
    """``n`` colours ``#rrggbb`` as far as can be from each other and from those that are taken.

    Each is the colour of a lattice that is farthest, in CIELAB to normal eyes or with deuteranopia,
    from the nearest before it. Black and white are left to text and void.
    """
    steps = np.linspace(0, 1, 10)
    lattice = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    first = [list(bytes.fromhex(colour[1:])) for colour in ("#000000", "#ffffff", *taken)]
    seen, nearest = appearance(lattice), np.full(len(lattice), np.inf)
    for other in appearance(np.array(first) / 255).swapaxes(0, 1):
        nearest = np.minimum(nearest, _distance(seen, other))
    chosen = []
    for _ in range(n):
        best = nearest.argmax()
        chosen.append("#" + bytes((lattice[best] * 255).round().astype(np.uint8)).hex())
        nearest = np.minimum(nearest, _distance(seen, seen[:, best]))
    return tuple(chosen)


def appearance(rgb: np.ndarray) -> np.ndarray:
    """CIELAB [2, n, 3] of sRGB [n, 3] in [0, 1]: to normal eyes, and with deuteranopia."""
    from skimage.color import rgb2lab

    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    dim = (linear @ _DEUTERANOPIA.T).clip(0, 1)
    seen = np.where(dim <= 0.0031308, dim * 12.92, 1.055 * dim ** (1 / 2.4) - 0.055)
    return np.stack([rgb2lab(rgb), rgb2lab(seen)])


def _distance(seen: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.linalg.norm(seen - other[:, None], axis=-1).min(axis=0)


#: The 19 classes of Cityscapes that are evaluated, by train id.
CITYSCAPES = load_classes("cityscapes")
