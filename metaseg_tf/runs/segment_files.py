"""The Parquet files of a run: one per image as they are measured, or packs of many images.

::

    segments/<image>.parquet    one image; its metadata holds what else is kept of it
    packs/<number>.parquet      many; its metadata holds the names of all, and theirs
    packs/batch-<hash>.parquet  the same, written without single files; the hash is of the names
    evaluation/segments.parquet all or a sample, to be read at once, and the state of the others
    truth/, truth_packs/        the same for the components of the ground truth

A pack is written once. An image that is in several files, since it was measured again, counts once.
"""

import contextlib
import hashlib
import io
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from metaseg_tf.errors import DataFormatError, RunError, in_one_line
from metaseg_tf.runs.storage import Folder
from metaseg_tf.segments.columns import NAME_BYTES, check_image_name, count_classes
from metaseg_tf.untrusted.arrays import fits

__all__ = ["LIMIT", "SegmentFiles"]

#: Rows that are analysed at once; of a larger run a sample of images with about this number.
LIMIT = 500_000
#: Rows of a block, at least.
_BLOCK = 100_000
_SUFFIX = ".parquet"
_IMAGE, _IMAGES = "image", b"images"
_ALL, _STATE, _ROWS = "evaluation/segments.parquet", b"state", b"rows"
_MAGIC = b"PAR1"
#: A footer ends with its length (4 bytes, little endian) and the magic.
_TAIL = 8
_READ_ERRORS = (pa.ArrowException, OSError, ValueError)


class SegmentFiles:
    """The segment tables of a run, or others, one per image, in folders of their own."""

    def __init__(self, folder: Folder, singles: str = "segments", packs: str = "packs"):
        self._folder, self._in_singles, self._in_packs = folder, singles, packs

    def images(self) -> set[str]:
        """Names of the images whose segment table is written."""
        return set(self._singles()).union(*self._packs().values())

    def count_classes(self) -> int | None:
        """Number of classes of the tables; None if there are none."""
        for file, *_ in self._files():
            found = count_classes(self._read_schema(file).empty_table().to_pandas())
            if found < 2:
                raise _broken(self._folder.where(file), ValueError(f"{found} classes"))
            return found
        return None

    def write(self, image: str, table: pd.DataFrame, extra: Mapping[str, bytes] | None) -> None:
        """Store one image's segment table; ``extra`` goes into the file's metadata."""
        self._write(self._single(image), _to_arrow(image, table).replace_schema_metadata(extra))

    def write_pack(self, parts: Mapping[str, tuple[pd.DataFrame, Mapping[str, bytes] | None]]):
        """Store what `write` takes of several images in one file, the same for the same images.

        Images with other columns, as without ground truth, go into another file.
        """
        packs: dict[pa.Schema, dict[str, pa.Table]] = {}
        for image in sorted(parts):
            table = _to_arrow(image, parts[image][0])
            packs.setdefault(table.schema, {})[image] = table
        for tables in packs.values():
            digest = hashlib.sha256(json.dumps(list(tables)).encode()).hexdigest()
            extras = {image: parts[image][1] or {} for image in tables}
            self._write_pack(f"batch-{digest[:16]}", pa.concat_tables(tables.values()), extras)

    def extras(self, key: str) -> Iterator[tuple[str, bytes]]:
        """(image, value) of one metadata entry of every image that has it, by name."""
        found = {}
        for relative, images, _ in self._files():
            metadata = self._read_schema(relative).metadata or {}
            for image in images:
                entry = key if relative == self._single(image) else _entry(key, image)
                if entry.encode() in metadata:
                    found[image] = metadata[entry.encode()]
        return iter(sorted(found.items()))

    def states(self) -> list[tuple[str, str]]:
        """Each file, and a text that changes when it does."""
        return [(file, self._folder.state(file)) for file, *_ in self._files()]

    def load(self, only: Sequence[str] | None = None, *, keep: bool = False) -> pa.Table | None:
        """The tables of all images, by name; None for a run without images.

        ``only`` names the columns to read. ``keep`` writes the whole table to one file, which is
        read from then on as long as the others stay as they are; of more than ``LIMIT`` rows it is
        a sample of images. Raises DataFormatError if a file is broken, or the files do not fit
        together.
        """
        files = self._files()
        if not files:
            return None
        rows, state = self._count_kept()
        # What was kept is read if it is there, whole, and of these files; else they are.
        if rows and (keep or rows <= LIMIT):
            with contextlib.suppress(DataFormatError):
                return self._concat({_ALL: None}, None if only is None else list(only))
        rows = self.count_rows() if keep else 0
        mixed = any(a[1][-1] > b[1][0] for a, b in itertools.pairwise(files))
        if rows > LIMIT:
            images = sorted(image for _, names, _ in files for image in names)
            drawn = np.random.default_rng(0).permutation(images)[: -(-len(images) * LIMIT // rows)]
            chosen = pa.array(drawn, pa.string())
            blocks = (block.filter(pc.is_in(block[_IMAGE], chosen)) for block in self.blocks())
            table = pa.concat_tables(blocks)
        else:
            table = self._take(files, only and [*only, *[_IMAGE] * mixed])
        if mixed:
            # Within an image the order of rows is that of its table, in a pack as well.
            table = table.take(table[_IMAGE].to_pandas().argsort(kind="stable").to_numpy())
        if keep and only is None and (len(files) > 1 or rows > LIMIT):
            # Whoever may only read a run does without.
            with contextlib.suppress(RunError):
                about = {_STATE: state, _ROWS: str(rows).encode()}
                self._write(_ALL, table.replace_schema_metadata(about))
        return table if only is None else table.select(list(only))

    def count_rows(self) -> int:
        """Number of rows of all images."""
        return self._count_kept()[0] or sum(map(self._count, self._files()))

    def is_large(self) -> bool:
        """True if there are more rows than ``LIMIT``."""
        return self.count_rows() > LIMIT

    def blocks(self, only: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """The tables of all images a pack at a time, or many of single images, file by file."""
        group, rows = [], 0
        for file in self._files():
            group.append(file)
            rows += self._count(file)
            if rows >= _BLOCK:
                yield self._take(group, only)
                group, rows = [], 0
        if rows:
            yield self._take(group, only)

    def set_aside_broken(self) -> list[str]:
        """Rename the files that were cut short; returns where they were."""
        if self._folder.whole:
            return []
        files = [self._single(image) for image in self._singles()] + self._pack_files()
        tails = self._folder.tails(files, _TAIL)
        broken = [file for file, tail in zip(files, tails, strict=True) if tail[4:] != _MAGIC]
        for file in broken:
            self._folder.set_aside(file)
        return [self._folder.where(file) for file in broken]

    def compact(self, size: int) -> int:
        """Pack the files of single images, ``size`` per pack, while locked; returns their number.

        Packs are whole and on disk before the files that went into them are deleted.
        """
        singles, packed = self._singles(), set().union(*self._packs().values())
        pending = [image for image in singles if image not in packed]
        names = self._folder.names(self._in_packs, _SUFFIX)
        number = max((int(name) for name in names if name.isdecimal()), default=0)
        for begin in range(0, len(pending), size):
            number, files = number + 1, {i: self._single(i) for i in pending[begin : begin + size]}
            extras = {i: self._read_schema(file).metadata or {} for i, file in files.items()}
            table = self._concat(dict.fromkeys(files.values()))
            self._write_pack(f"{number:06d}", table, extras)
        if singles:
            self._folder.flush(self._in_packs)
            self._folder.flush("")
        for image in singles:
            self._folder.remove(self._single(image))
        return len(pending)

    def _count_kept(self) -> tuple[int, bytes]:
        """Number of rows of all files, 0 if none was kept of them as they are; and their state."""
        state = hashlib.sha256(repr((self.states(), LIMIT)).encode()).digest()
        with contextlib.suppress(DataFormatError, TypeError, KeyError, ValueError):
            found = self._read_footer(_ALL).metadata
            if found[_STATE] == state:
                return int(found[_ROWS]), state
        return 0, state

    def _single(self, image: str) -> str:
        return f"{self._in_singles}/{image}{_SUFFIX}"

    def _singles(self) -> list[str]:
        return [check_image_name(name) for name in self._folder.names(self._in_singles, _SUFFIX)]

    def _pack_files(self) -> list[str]:
        names = map(check_image_name, self._folder.names(self._in_packs, _SUFFIX))
        return [f"{self._in_packs}/{name}{_SUFFIX}" for name in names]

    def _packs(self) -> dict[str, list[str]]:
        """Pack -> the names of its images."""
        packs = {}
        for file in self._pack_files():
            try:
                images = json.loads(self._read_schema(file).metadata[_IMAGES])
                if not images or not isinstance(images, list):
                    raise ValueError("no list of images")
                packs[file] = [check_image_name(image) for image in images]
            except (TypeError, AttributeError, KeyError, ValueError, RecursionError) as error:
                raise _broken(self._folder.where(file), error) from error
        return packs

    def _files(self) -> list[tuple[str, list[str], bool]]:
        """Each file, its images, and if these are all in it; in the order of the first image.

        An image that is in several files is taken from one: from a pack before its own file.
        """
        files, seen = [], set()
        singles = {self._single(image): [image] for image in self._singles()}
        for file, images in (self._packs() | singles).items():
            own = [image for image in images if image not in seen]
            seen.update(own)
            files += [(file, own, len(own) == len(images))] if own else []
        return sorted(files, key=lambda file: file[1][0])

    def _count(self, file: tuple[str, list[str], bool]) -> int:
        """Number of rows that count of one of `_files`."""
        return self._read_footer(file[0]).num_rows if file[2] else len(self._take([file], [_IMAGE]))

    def _take(
        self, files: Sequence[tuple[str, list[str], bool]], only: Sequence[str] | None
    ) -> pa.Table:
        """The rows that count of some of `_files`, of all columns or only some."""
        parts = {file: None if whole else images for file, images, whole in files}
        named = [_IMAGE] * any(parts.values())
        table = self._concat(parts, only and list(dict.fromkeys([*only, *named])))
        return table.select(list(dict.fromkeys(only))) if only else table

    def _concat(
        self, files: Mapping[str, list[str] | None], only: list[str] | None = None
    ) -> pa.Table:
        """The tables of files one after the other, of each the rows of some images, or all."""
        tables = []
        for file, images in files.items():
            table = self._read(file, only)
            some = images is not None
            tables += [table.filter(pc.is_in(table[_IMAGE], pa.array(images))) if some else table]
        for file, table in zip(files, tables, strict=True):
            if table.schema != tables[0].schema:
                different = set(table.column_names) ^ set(tables[0].column_names)
                raise DataFormatError(
                    f"{self._folder.where(file)}: expected the columns of {next(iter(files))}, got "
                    f"others ({', '.join(sorted(different)[:5]) or 'other dtypes'}); "
                    "delete it and run extract again"
                )
        missing = set(only or ()) - set(tables[0].column_names)
        if missing:
            raise DataFormatError(
                f"{self._folder.path}: expected columns {', '.join(sorted(missing))}, which the "
                "run does not have; was it made without ground truth?"
            )
        return pa.concat_tables(tables)

    def _read(self, relative: str, only: list[str] | None) -> pa.Table:
        where = self._folder.where(relative)
        try:
            with self._folder.open(relative) as file:
                opened = pq.ParquetFile(file, read_dictionary=[_IMAGE])
                self._check(relative, opened, file.seek(0, io.SEEK_END))
                table = opened.read(only, use_threads=False)
            place = table.schema.get_field_index(_IMAGE)
            if place >= 0:
                images = table[_IMAGE]
                if images.null_count:
                    raise ValueError("rows without an image")
                for chunk in images.chunks:
                    for name in chunk.dictionary.cast(pa.string()).to_pylist():
                        check_image_name(name)
                table = table.set_column(place, _IMAGE, images.cast(pa.string()))
        except DataFormatError:
            raise
        except KeyError as error:
            raise _broken(where, ValueError("no column of images")) from error
        except _READ_ERRORS as error:
            raise _broken(where, error) from error
        return table.replace_schema_metadata()

    def _check(self, relative: str, opened: pq.ParquetFile, stored: int) -> None:
        """Refuse types other than numbers and names, and content that unpacks to too much."""
        groups = map(opened.metadata.row_group, range(opened.num_row_groups))
        size = 0
        for chunk in (group.column(i) for group in groups for i in range(group.num_columns)):
            width = NAME_BYTES if chunk.physical_type == "BYTE_ARRAY" else 8
            size += max(0, chunk.total_uncompressed_size, chunk.num_values * width)
        found = [] if fits(size, stored) else [f"{stored} bytes that unpack to {size}"]
        for field in opened.schema_arrow:
            wanted = pa.types.is_dictionary if field.name == _IMAGE else pa.types.is_primitive
            if not (wanted(field.type) and field.name.isprintable()):
                found.append(f"{field.name!r:.40} of {field.type!s:.40}")
        if found:
            raise DataFormatError(
                f"{self._folder.where(relative)}: expected a table of numbers and its image, got "
                f"{', '.join(found[:5])}; delete it and run extract again"
            )

    def _read_schema(self, relative: str) -> pa.Schema:
        return self._read_footer(relative).schema.to_arrow_schema()

    def _read_footer(self, relative: str) -> pq.FileMetaData:
        try:
            with self._folder.open(relative) as file:
                return pq.read_metadata(file)
        except _READ_ERRORS as error:
            raise _broken(self._folder.where(relative), error) from error

    def _write_pack(
        self, name: str, table: pa.Table, extras: Mapping[str, Mapping[str | bytes, bytes]]
    ) -> None:
        """Write a pack of the images that ``extras`` has an entry for, in their order."""
        metadata = {_IMAGES: json.dumps(list(extras)).encode()}
        for image, own in extras.items():
            metadata |= {_entry(key, image): value for key, value in own.items()}
        pack = f"{self._in_packs}/{name}{_SUFFIX}"
        self._write(pack, table.replace_schema_metadata(metadata))

    def _write(self, relative: str, table: pa.Table) -> None:
        buffer = pa.BufferOutputStream()
        pq.write_table(table, buffer, compression="zstd")
        self._folder.write(relative, buffer.getvalue().to_pybytes())


def _to_arrow(image: str, table: pd.DataFrame) -> pa.Table:
    images = pa.array([image] * len(table), pa.string())
    content = pa.Table.from_pandas(table, preserve_index=False).add_column(0, _IMAGE, images)
    return content.replace_schema_metadata()


def _entry(key: str | bytes, image: str) -> str:
    """Name of an image's own entry in a pack's metadata."""
    return f"{key if isinstance(key, str) else key.decode()}:{image}"


def _broken(where: str, error: Exception) -> DataFormatError:
    return DataFormatError(
        f"{where}: expected a whole segment table, got a file that cannot be read "
        f"({in_one_line(error)}); delete it and run extract again"
    )
