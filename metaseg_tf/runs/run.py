"""A run folder: what was measured, with which settings, and what was made from it.

::

    RUN/run.json                   settings, versions, failures: the manifest
    RUN/segments/, RUN/packs/      the segment tables; see metaseg_tf.runs.segment_files
    RUN/truth/, RUN/truth_packs/   the components of the ground truth, in the same way
    RUN/names.json                 of very many softmax dumps: their images' names, read but once
    RUN/maps/<image>.npz, .jpg     maps for pictures, of some images
    RUN/evaluation/                fits of the paper's protocol, see metaseg_tf.analysis.evaluation,
                                   and all segments in one file
    RUN/tables/, RUN/figures/...   what was made from them

A file that bears its final name is whole; see metaseg_tf.runs.storage.
"""

import contextlib
import hashlib
import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from metaseg_tf import __version__
from metaseg_tf.data.classes import CITYSCAPES, MAX_CLASSES, ClassTable
from metaseg_tf.errors import DataFormatError, InputError, RunError, SettingsMismatchError, restate
from metaseg_tf.runs.image_maps import ImageMaps, decode_maps, encode_maps
from metaseg_tf.runs.segment_files import SegmentFiles
from metaseg_tf.runs.storage import Folder, LocalFolder, open_folder
from metaseg_tf.segments import columns
from metaseg_tf.segments.columns import check_image_name

__all__ = [
    "Manifest", "Run", "compare_settings", "csv_text", "inert_cell", "load_run", "load_truth",
    "write_json",
]  # fmt: skip

_LOG = logging.getLogger(__name__)
FORMAT = 1
#: Beginnings of a formula in a spreadsheet.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_MANIFEST = "run.json"
_MAPS = "maps"
_NAMES = "names.json"
_MAX_DEPTH = 10
_NEEDS = ("tensorflow", "tensorflow-addons", "numpy", "scipy", "scikit-image", "pandas", "pyarrow")


@dataclass
class Manifest:
    """Content of ``run.json``."""

    #: Everything that the numbers of the run depend on. A run is continued only with equal ones.
    settings: dict[str, Any]
    #: None until the first image is measured.
    n_classes: int | None = None
    #: None if the source of the images does not know them.
    classes: ClassTable | None = None
    #: Image name -> reason, for images passed over with ``--on-error skip``.
    failed: dict[str, str] = field(default_factory=dict)
    #: Package -> version at the time of creation.
    versions: dict[str, str] = field(default_factory=dict)
    #: Derived from all images together, such as the mIoU.
    results: dict[str, Any] = field(default_factory=dict)


class Run:
    """A run folder, open for reading, or for writing if it was made by `Run.create`.

    Parameters
    ----------
    path : path
        A local folder, or an address that fsspec knows, such as ``s3://bucket/runs/XC``.

    Raises
    ------
    RunError
        If the folder is not a run, or its manifest cannot be read.
    """

    def __init__(self, path: str | os.PathLike):
        self._folder = open_folder(path)
        self._tables = SegmentFiles(self._folder)
        self._truth = SegmentFiles(self._folder, "truth", "truth_packs")
        #: Images per pack while `packed`, and those that wait for theirs.
        self._pack_size, self._unpacked = None, {}
        if not self._folder.exists(_MANIFEST):
            found = f"a folder without {_MANIFEST}" if self._folder.exists() else "no such path"
            raise RunError(
                f"{self.path}: expected a run folder, got {found}; make it with metaseg-tf extract"
            )
        where = str(self._folder.where(_MANIFEST))
        self.manifest = _decode_manifest(self.read_bytes(_MANIFEST), where)

    @classmethod
    def create(cls, path: str | os.PathLike, settings: Mapping[str, Any]) -> "Run":
        """Make a run folder, or open it to be continued.

        Raises SettingsMismatchError if it holds images that were measured with other settings, and
        RunError if it cannot be written to, another process writes to it, or it is something else.
        """
        folder = open_folder(path)
        settings = _as_json(settings)
        if not folder.exists(_MANIFEST) and not folder.is_empty():
            raise RunError(
                f"{folder.path}: expected a run folder or an empty one, got one with other files; "
                "choose another --out"
            )
        with folder.locked():
            run = cls(path) if folder.exists(_MANIFEST) else None
            # As long as nothing is measured, an option that was missing may still be given.
            if run is None or (
                run.manifest.settings != settings and not run.done() | run.with_maps()
            ):
                versions = {"metaseg-tf": __version__}
                for package in _NEEDS:
                    with contextlib.suppress(metadata.PackageNotFoundError):
                        versions[package] = metadata.version(package)
                _write_manifest(folder, Manifest(settings, versions=versions))
            run = cls(path)
            _check_settings(folder.path, run.manifest.settings, settings)
            return run

    @property
    def path(self) -> Path | str:
        """The run's local path, or its address."""
        return self._folder.path

    @property
    def address(self) -> str:
        """The absolute path or the address, the same from every working directory."""
        return str(self.path.resolve() if isinstance(self.path, Path) else self.path)

    @property
    def name(self) -> str:
        """The name that tables and figures give the run: that of its folder, as text."""
        return self._folder.name.encode(errors="surrogateescape").decode(errors="replace")

    @property
    def classes(self) -> ClassTable:
        """Names and colours of the classes; numbers for classes that nothing has named."""
        return self.manifest.classes or ClassTable.numbered(self._count_classes() or 2)

    def _count_classes(self) -> int | None:
        return self.manifest.n_classes or self._tables.count_classes()

    def name_classes(self, classes: ClassTable | None, n_classes: int | None = None) -> None:
        """Note the names of the classes, if given; InputError if they are not ``n_classes``."""
        if classes is None:
            return
        if n_classes not in (None, len(classes)):
            raise InputError(
                f"{self.path}: expected a name for each of {n_classes} classes, got "
                f"{len(classes)} names; give the class table of this network"
            )
        self.manifest.n_classes, self.manifest.classes = len(classes), classes
        self.write_manifest()

    @contextlib.contextmanager
    def continued(self) -> Iterator[None]:
        """Keep other processes from writing segments, and clear up what killed ones left.

        Tables that were cut short are moved aside, with a warning, to be made again.
        Raises RunError if another process is writing, or the folder cannot be written to.
        """
        with self._folder.locked():
            self._folder.tidy()
            broken = self._tables.set_aside_broken() + self._truth.set_aside_broken()
            for path in broken:
                _LOG.warning("%s was cut short; it is moved aside, to be made again", path)
            # A process may have been stopped between its first table and the manifest.
            if self.manifest.n_classes is None:
                self.manifest.n_classes = self._tables.count_classes()
            yield

    def done(self) -> set[str]:
        """Names of the images whose segment table is written."""
        return self._tables.images()

    def lacking_truth(self, done: set[str]) -> set[str]:
        """Those of the ``done`` images without their truth's components, if others have them."""
        found = self._truth.images()
        return done - found if found else set()

    def write_segments(
        self,
        image: str,
        table: pd.DataFrame,
        extra: Mapping[str, bytes] | None = None,
        truth: pd.DataFrame | None = None,
    ) -> None:
        """Store one image's segment table, with ``extra``, and its truth's components if given."""
        check_image_name(image)
        if self._pack_size is not None:
            self._unpacked[image] = (table, extra), truth
            if len(self._unpacked) >= self._pack_size:
                self._write_pack()
            return
        # An image whose segments are there is done, so they come last.
        if truth is not None:
            self._truth.write(image, truth, None)
        self._tables.write(image, table, extra)

    @contextlib.contextmanager
    def packed(self, size: int) -> Iterator[None]:
        """Store what `write_segments` is given meanwhile as packs of ``size`` images.

        The rest is stored at the end, even after an error; what a killed process has not is lost.
        """
        self._pack_size = size
        try:
            yield
        finally:
            self._pack_size = None
            self._write_pack()

    def _write_pack(self) -> None:
        truths = {image: (truth, None) for image, (_, truth) in self._unpacked.items()}
        self._truth.write_pack({i: part for i, part in truths.items() if part[0] is not None})
        self._tables.write_pack({image: part for image, (part, _) in self._unpacked.items()})
        self._unpacked.clear()

    def read_names(self) -> dict[str, str]:
        """What `write_names` has kept; nothing if there is none, or it is something else."""
        with contextlib.suppress(RunError, ValueError):
            kept = parse_json(self.read_bytes(_NAMES))
            return {origin: text for origin, text in kept.items() if isinstance(text, str)}
        return {}

    def write_names(self, names: Mapping[str, str]) -> None:
        """Keep a text on each image's origin, to begin sooner next time; never fails."""
        with contextlib.suppress(RunError):
            self.write_bytes(_NAMES, json.dumps(names).encode())

    def write_manifest(self) -> None:
        """Store the manifest as it now is."""
        _write_manifest(self._folder, self.manifest)

    def write_text(self, relative: str, text: str) -> Path | str:
        """Store a text file below the run folder and return its path."""
        # Names of files need not be UTF-8: other bytes are written as their escapes.
        return self.write_bytes(relative, text.encode(errors="backslashreplace"))

    def write_bytes(self, relative: str, content: bytes) -> Path | str:
        """Store a file below the run folder and return its path."""
        self._folder.write(relative, content)
        return self._folder.where(relative)

    def write_maps(self, image: str, maps: ImageMaps) -> None:
        """Store one image's maps, the npz last: if it is there, all is."""
        for suffix, content in encode_maps(maps).items():
            self.write_bytes(f"{_MAPS}/{check_image_name(image)}.{suffix}", content)

    def with_maps(self) -> set[str]:
        """Names of the images whose maps are kept."""
        return set(map(check_image_name, self._folder.names(_MAPS, ".npz")))

    def load_maps(self, image: str) -> ImageMaps:
        """The maps of one image; InputError if there are none, DataFormatError if broken."""
        if image not in self.with_maps():
            raise InputError(
                f"{self.path}: expected maps of the image {image!r}, found none; choose one of "
                f"{len(self.with_maps())} in {self._folder.where(_MAPS)}, or run extract again "
                "with --keep-maps all"
            )
        npz, jpg = f"{_MAPS}/{image}.npz", f"{_MAPS}/{image}.jpg"
        photograph = self.read_bytes(jpg) if self._folder.exists(jpg) else None
        n_classes, origin = self._count_classes() or MAX_CLASSES, str(self._folder.where(npz))
        return decode_maps(self.read_bytes(npz), photograph, n_classes=n_classes, origin=origin)

    def read_bytes(self, relative: str) -> bytes:
        """A file below the run folder; RunError if it is not there or cannot be read."""
        said = f"{self._folder.where(relative)}: cannot be read"
        with restate(OSError, RunError, said, "check permissions"):
            return self._folder.read(relative)

    def fingerprint(self) -> str:
        """A hash that changes with the manifest and with the files of the tables."""
        states = repr(self._tables.states() + self._truth.states()).encode()
        return hashlib.sha256(self._folder.read(_MANIFEST) + states).hexdigest()

    def compact(self, size: int) -> int:
        """Pack the tables of single images into larger files; returns the number of images."""
        with self.continued():
            packed = self._tables.compact(size)
            self._truth.compact(size)
            return packed

    def load(self, only: list[str] | None = None, *, keep: bool = False) -> pd.DataFrame:
        """The segment tables of all images, as `load_run`, which also checks their content."""
        loaded = self._tables.load(only, keep=keep)
        if loaded is not None:
            return loaded.to_pandas()
        table = columns.empty_table(self.manifest.n_classes or 2)
        table.insert(0, "image", np.empty(0, object))
        return table if only is None else table[only]

    def is_large(self) -> bool:
        """True if there are more segments than ``LIMIT``, so that only a sample of them is kept."""
        return self._tables.is_large()

    def blocks(self, only: list[str]) -> Iterator[pd.DataFrame]:
        """Columns of the segment tables, checked as by `load_run`, some packs or images at a time.

        In the order of the files, which need not be that of names.
        """
        for block in self._tables.blocks(only):
            yield columns.check_table(block.to_pandas(), str(self.path), whole=False)

    def load_truth(self) -> pd.DataFrame:
        """The components of the ground truth of all images, as `metaseg_tf.load_truth`."""
        loaded, done = self._truth.load(), self.done()
        lacking = self.lacking_truth(done)
        if loaded is None or lacking:
            raise InputError(
                f"{self.path}: expected the ground truth's components, which a run with ground "
                f"truth keeps, found none of {len(lacking or done)} of {len(done)} "
                "images; extract again, into another folder"
            )
        table = loaded.to_pandas()
        # A process may have been stopped between an image's components and its segments.
        table = table[table["image"].isin(done)].reset_index(drop=True)
        return columns.check_components(table, str(self.path), len(self.classes))

    def extras(self, key: str) -> Iterator[tuple[str, bytes]]:
        """The images that were stored with a key of ``extra``, and its value for each."""
        return self._tables.extras(key)


def load_run(
    path: str | os.PathLike, only: list[str] | None = None, *, keep: bool = False
) -> pd.DataFrame:
    """The concatenated segment table of a run, with dtypes by `metaseg_tf.segments.columns`.

    Parameters
    ----------
    path : path
        A run folder.
    only : list of str, optional
        The columns to read; all by default.
    keep : bool
        Keep the whole table in one file of the run, too, to be read faster the next time. Of more
        than ``LIMIT`` segments, take and keep a sample of images, drawn at random.

    Returns
    -------
    DataFrame
        ``image`` and the columns of `metaseg_tf.segments.columns.columns`, in the order of image
        names and segment numbers.

    Raises
    ------
    RunError, DataFormatError
        If the folder is not a run or a file in it is broken.
    """
    run = Run(path)
    table = columns.check_table(run.load(only, keep=keep), str(path), whole=only is None)
    found, expected = columns.count_classes(table), run.manifest.n_classes
    if only is None and expected not in (None, found):
        raise DataFormatError(
            f"{path}: expected tables of the manifest's {expected} classes, got {found}; extract "
            "into another folder"
        )
    return table


def load_truth(path: str | os.PathLike) -> pd.DataFrame:
    """The components of the ground truth of a run's images, and how each is predicted.

    Parameters
    ----------
    path : path
        A run folder.

    Returns
    -------
    DataFrame
        ``image`` and the columns of `metaseg_tf.segments.misses.measure_truth`, in the order of
        image names and component numbers.

    Raises
    ------
    InputError, RunError, DataFormatError
        If the run has no ground truth, the folder is not a run, or a file in it is broken.
    """
    return Run(path).load_truth()


def compare_settings(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Name, old and new value, as JSON keeps them, of settings that both sides name and differ."""
    old, new = _as_json(old), _as_json(new)
    return [(key, old[key], new[key]) for key in new if key in old and old[key] != new[key]]


def _as_json(settings: Mapping[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(dict(settings), default=lambda value: np.asarray(value).tolist()))


def csv_text(frame: pd.DataFrame, float_format: str | None = None) -> str:
    """A table as CSV without its index; texts that a spreadsheet would run are prefixed by "'".

    Names come from files that anyone may have made. ``float_format`` is one such as "%.7g".
    """
    texts = frame.select_dtypes(exclude=["number", "bool"])
    cells: dict[str, Any] = {
        name: column.map(inert_cell).astype(object) for name, column in texts.items()
    }
    if float_format is not None:  # half as long as what pandas does with it
        for name, column in frame.select_dtypes("float").items():
            cells[name] = [float_format % x if x == x else "" for x in column.tolist()]
    return frame.assign(**cells).to_csv(index=False, lineterminator="\n")


def inert_cell(cell: Any) -> Any:
    """A cell that no spreadsheet takes for a formula; different texts stay different."""
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell


def write_json(target: Path, content: Mapping[str, Any]) -> None:
    """Store JSON in any folder, whole or not at all; RunError if it cannot be."""
    LocalFolder(target.parent).write(target.name, _encode(content))


def parse_json(content: bytes) -> dict[str, Any]:
    """A JSON object of a few levels; ValueError if it is anything else."""
    with contextlib.suppress(RecursionError):
        parsed = json.loads(content.decode())
        if isinstance(parsed, dict) and _depth(parsed) <= _MAX_DEPTH:
            return parsed
    raise ValueError(f"it is not a JSON object of at most {_MAX_DEPTH} levels")


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0)


def _write_manifest(folder: Folder, manifest: Manifest) -> None:
    classes = manifest.classes and manifest.classes.to_json()
    folder.write(_MANIFEST, _encode({"format": FORMAT, **vars(manifest), "classes": classes}))


def _encode(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2) + "\n").encode()


def _decode_manifest(encoded: bytes, where: str) -> Manifest:
    said = f"{where}: expected the manifest of a run, got something else"
    broken = (ValueError, KeyError, TypeError)
    with restate(broken, RunError, said, "extract into another folder"):
        content = parse_json(encoded)
        if type(content["format"]) is not int:
            raise ValueError("impossible format")
        if content["format"] > FORMAT:
            raise RunError(
                f"{where}: made by a newer version (format {content['format']!r:.20}, this one "
                f"reads {FORMAT}); update metaseg-tf"
            )
        # Runs of former versions do not name their classes.
        content = {"classes": None, **content}
        return _checked(Manifest(**{name: content[name] for name in Manifest.__annotations__}))


def _checked(manifest: Manifest) -> Manifest:
    settings, results = manifest.settings, manifest.results
    for found in (settings, results, manifest.failed, manifest.versions):
        if not isinstance(found, dict):
            raise ValueError(f"{found!r:.40} is not an object")
    if manifest.classes is not None:
        try:
            manifest.classes = ClassTable.from_json(manifest.classes)
        except InputError as error:
            raise ValueError(str(error)) from error
    elif settings.get("source") == "cityscapes" and manifest.n_classes == len(CITYSCAPES):
        manifest.classes = CITYSCAPES
    n_classes = 2 if manifest.n_classes is None else manifest.n_classes
    connectivity = settings.get("connectivity", 8)
    images, ious = results.get("images", 0), results.get("class_iou")
    fit = {
        "failed": all(isinstance(reason, str) for reason in manifest.failed.values()),
        "versions": all(isinstance(version, str) for version in manifest.versions.values()),
        "settings": all(map(str.isprintable, settings)),
        "n_classes": type(n_classes) is int and 2 <= n_classes <= MAX_CLASSES,
        "classes": manifest.classes is None or len(manifest.classes) == manifest.n_classes,
        "convention": settings.get("convention", "reference") in columns.CONVENTIONS,
        "connectivity": type(connectivity) is int and connectivity in (4, 8),
        "miou": _is_fraction(results.get("miou", 0)),
        "class_iou": "class_iou" not in results
        or (
            (isinstance(ious, list) and len(ious) == n_classes)
            and all(iou is None or _is_fraction(iou) for iou in ious)
        ),
        "images": type(images) is int and images >= 0,
    }
    if not all(fit.values()):
        raise ValueError(f"impossible {', '.join(name for name in fit if not fit[name])}")
    return manifest


def _is_fraction(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1


def _check_settings(path: Path | str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    # Former versions always fed pixels in 0..255, and measured the paper's metrics only.
    former = {"input_range": "0..255", "metrics": "paper"}
    old = {key: new.get(key) and value for key, value in former.items()} | dict(old)
    keys = dict.fromkeys(sorted({*old, *new}))
    differing = [
        f"{key:.40} {there!r:.80} there, {now!r:.80} now"
        for key, there, now in compare_settings(keys | dict(old), keys | dict(new))
    ]
    if differing:
        raise SettingsMismatchError(
            f"{path}: made with other settings ({'; '.join(differing)}); "
            "use the same settings or another --out"
        )
