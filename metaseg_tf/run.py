"""A run folder: what was measured, with which settings, one Parquet file an image.

::

    RUN/run.json                settings, versions, failures: the manifest
    RUN/segments/<image>.parquet   the segment table of one image
    RUN/maps/<image>.npz, .jpg  what pictures of it are made of, for some images
    RUN/tables/, RUN/figures/...   what was made of them

A file is written aside and renamed, so that what bears its final name is whole.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from metaseg_tf import __version__
from metaseg_tf.errors import DataFormatError, InputError, RunError, SettingsMismatchError
from metaseg_tf.maps import ImageMaps, decode_maps, encode_maps
from metaseg_tf.schema import columns, count_classes, empty_table

__all__ = ["Manifest", "Run", "load_run"]

FORMAT = 1
_MANIFEST = "run.json"
_SEGMENTS = "segments"
_MAPS = "maps"
_PACKAGES = (
    "tensorflow",
    "tensorflow-addons",
    "numpy",
    "scipy",
    "scikit-image",
    "pandas",
    "pyarrow",
)


@dataclass
class Manifest:
    """What ``run.json`` holds.

    Attributes
    ----------
    settings : dict
        Everything that the numbers of the run depend on. A run is continued only with equal ones.
    n_classes : int or None
        Number of classes; None until the first image is measured.
    failed : dict
        Image name -> reason, for images passed over with ``--on-error skip``.
    versions : dict
        Package -> version at the time of creation.
    results : dict
        What was derived from all images together, such as the mIoU.
    """

    settings: dict[str, Any]
    n_classes: int | None = None
    failed: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)


class Run:
    """A run folder, open for reading, or for writing where it was made by `Run.create`."""

    def __init__(self, path: str | os.PathLike):
        """Open an existing run.

        Raises
        ------
        RunError
            If the folder is no run, or its manifest cannot be read.
        """
        self.path = Path(path)
        self.manifest = _read_manifest(self.path)

    @classmethod
    def create(cls, path: str | os.PathLike, settings: Mapping[str, Any]) -> "Run":
        """Make a run folder, or open it to be continued.

        Raises
        ------
        SettingsMismatchError
            If the folder holds a run with other settings.
        RunError
            If the folder cannot be written to, or holds something else.
        """
        path = Path(path)
        settings = json.loads(json.dumps(settings))
        if (path / _MANIFEST).exists():
            run = cls(path)
            _check_settings(path, run.manifest.settings, settings)
            return run
        with _translated(path):
            if path.is_dir() and any(path.iterdir()):
                raise RunError(
                    f"{path}: expected a run folder or an empty one, got one with other files; "
                    "choose another --out"
                )
            (path / _SEGMENTS).mkdir(parents=True, exist_ok=True)
        write_json(path / _MANIFEST, _to_json(Manifest(settings, versions=_versions())))
        return cls(path)

    @property
    def name(self) -> str:
        """The name that tables and figures give the run: that of its folder."""
        return self.path.resolve().name

    def done(self) -> set[str]:
        """Names of the images whose segment table is written."""
        return {path.stem for path in self._parts()}

    def write_segments(
        self, image: str, table: pd.DataFrame, extra: Mapping[str, bytes] | None = None
    ) -> None:
        """Store one image's segment table; ``extra`` goes into the file's metadata."""
        content = pa.Table.from_pandas(table, preserve_index=False)
        images = pa.array([image] * len(table), pa.string())
        content = content.add_column(0, "image", images).replace_schema_metadata(extra)
        target = self.path / _SEGMENTS / f"{image}.parquet"
        with write_aside(target) as temporary:
            pq.write_table(content, temporary, compression="zstd")

    def write_manifest(self) -> None:
        """Store the manifest as it now is."""
        write_json(self.path / _MANIFEST, _to_json(self.manifest))

    def write_text(self, relative: str, text: str) -> Path:
        """Store a text file below the run folder and return where it lies."""
        return self.write_bytes(relative, text.encode())

    def write_bytes(self, relative: str, content: bytes) -> Path:
        """Store a file below the run folder and return where it lies."""
        target = self.path / relative
        with write_aside(target) as temporary:
            temporary.write_bytes(content)
        return target

    def write_maps(self, image: str, maps: ImageMaps) -> None:
        """Store one image's maps, the npz last: where it is, all is there."""
        for suffix, content in encode_maps(maps).items():
            self.write_bytes(f"{_MAPS}/{image}.{suffix}", content)

    def with_maps(self) -> set[str]:
        """Names of the images whose maps are kept."""
        return {path.stem for path in (self.path / _MAPS).glob("[!.]*.npz")}

    def load_maps(self, image: str) -> ImageMaps:
        """The maps of one image.

        Raises
        ------
        InputError
            If the run keeps no maps of it.
        DataFormatError
            If a file is broken.
        """
        if image not in self.with_maps():
            raise InputError(
                f"{self.path}: expected maps of the image {image!r}, found none; choose one of "
                f"{len(self.with_maps())} in {self.path / _MAPS}, or run extract again with "
                "--keep-maps all"
            )
        npz, photograph = (self.path / _MAPS / f"{image}.{suffix}" for suffix in ("npz", "jpg"))
        try:
            shown = photograph.read_bytes() if photograph.exists() else None
            return decode_maps(npz.read_bytes(), shown, origin=str(npz))
        except OSError as error:
            if isinstance(error, DataFormatError):
                raise
            raise RunError(
                f"{npz}: cannot be read ({error.strerror}); check permissions"
            ) from error

    def load(self, only: list[str] | None = None) -> pd.DataFrame:
        """The segment tables of all images, in the order of their names.

        Parameters
        ----------
        only : list of str, optional
            The columns to read; all by default.

        Raises
        ------
        DataFormatError
            If a file is broken, or the files do not fit together.
        """
        parts = self._parts()
        if not parts:
            table = empty_table(self.manifest.n_classes or 2)
            table.insert(0, "image", np.empty(0, object))
            return table if only is None else table[only]
        try:
            tables = [pq.read_table(part, columns=only, use_threads=False) for part in parts]
            return pa.concat_tables(tables).replace_schema_metadata().to_pandas()
        except (pa.ArrowException, OSError, KeyError) as error:
            raise self._find_broken(parts, only) from error

    def fingerprint(self) -> str:
        """A hash that changes with the manifest and with the files of the segment tables."""
        stats = [(part.name, part.stat()) for part in self._parts()]
        files = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
        manifest = (self.path / _MANIFEST).read_bytes()
        return hashlib.sha256(manifest + repr(files).encode()).hexdigest()

    def extras(self, key: str) -> Iterator[tuple[str, bytes]]:
        """(image, value) of one metadata entry of every image's file that has it."""
        for part in self._parts():
            values = pq.read_schema(part).metadata or {}
            if key.encode() in values:
                yield part.stem, values[key.encode()]

    def _parts(self) -> list[Path]:
        return sorted((self.path / _SEGMENTS).glob("[!.]*.parquet"))

    def _find_broken(self, parts: list[Path], only: list[str] | None) -> DataFormatError:
        schema = None
        for part in parts:
            try:
                found = pq.read_table(part).schema.remove_metadata()
            except (pa.ArrowException, OSError) as error:
                reason = " ".join(str(error).split())[:120]
                return DataFormatError(
                    f"{part}: expected a whole segment table, got a file that cannot be read "
                    f"({reason}); delete it and run extract again"
                )
            schema = schema or found
            if found != schema:
                different = {f.name for f in found} ^ {f.name for f in schema}
                return DataFormatError(
                    f"{part}: expected the columns of {parts[0].name}, got others "
                    f"({', '.join(sorted(different)[:5]) or 'other dtypes'}); "
                    "delete it and run extract again"
                )
        return DataFormatError(
            f"{self.path}: expected columns {only}, which the run does not have; "
            "was it made without ground truth?"
        )


def load_run(path: str | os.PathLike, only: list[str] | None = None) -> pd.DataFrame:
    """The concatenated segment table of a run, with dtypes by `metaseg_tf.schema`.

    Parameters
    ----------
    path : path
        A run folder.
    only : list of str, optional
        The columns to read; all by default.

    Returns
    -------
    DataFrame
        ``image`` and the columns of `metaseg_tf.schema.columns`, in the order of image names and
        segment numbers.

    Raises
    ------
    RunError, DataFormatError
        If the folder is no run or a file in it is broken.
    """
    table = Run(path).load(only)
    known = {c.name: c.dtype for c in columns(max(count_classes(table), 2))}
    return table.astype({name: known[name] for name in table.columns if name in known}, copy=False)


@contextlib.contextmanager
def write_aside(target: Path) -> Iterator[Path]:
    """Give a temporary path beside ``target`` that takes its name once written without error."""
    with _translated(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            yield temporary
            _flush_to_disk(temporary)
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)


def write_json(target: Path, content: Mapping[str, Any]) -> None:
    """Store JSON, whole or not at all."""
    with write_aside(target) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _flush_to_disk(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn what the operating system says about a path into one line with a remedy."""
    try:
        yield
    except (RunError, DataFormatError):
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunError(
            f"{path}: cannot be written ({reason}); what was finished is kept: make room or choose "
            "another --out, and start again"
        ) from error


def _read_manifest(path: Path) -> Manifest:
    file = path / _MANIFEST
    if not path.is_dir():
        raise RunError(
            f"{path}: expected a run folder, found none; make it with metaseg-tf extract"
        )
    if not file.is_file():
        raise RunError(
            f"{path}: expected a run folder with {_MANIFEST}, which is missing; "
            "make it with metaseg-tf extract"
        )
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["format"] > FORMAT:
            raise RunError(
                f"{file}: made by a newer version (format {content['format']}, this one reads "
                f"{FORMAT}); update metaseg-tf"
            )
        names = Manifest.__dataclass_fields__
        return Manifest(**{name: content[name] for name in names})
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{file}: expected the manifest of a run, got something else ({error}); "
            "extract into another folder"
        ) from error
    except OSError as error:
        if isinstance(error, RunError):
            raise
        raise RunError(f"{file}: cannot be read ({error.strerror}); check permissions") from error


def _check_settings(path: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    differing = [
        f"{key} {old.get(key)!r} there, {new.get(key)!r} now"
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key)
    ]
    if differing:
        raise SettingsMismatchError(
            f"{path}: made with other settings ({'; '.join(differing)}); "
            "use the same settings or another --out"
        )


def _to_json(manifest: Manifest) -> dict[str, Any]:
    return {"format": FORMAT, **vars(manifest)}


def _versions() -> dict[str, str]:
    found = {"metaseg-tf": __version__}
    for package in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found
