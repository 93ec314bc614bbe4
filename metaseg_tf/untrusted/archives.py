"""Tar archives from elsewhere: read or unpacked within bounds, and never outside of the folder."""

import gzip
import io
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from metaseg_tf.errors import DataFormatError, restate
from metaseg_tf.untrusted import check_file

__all__ = ["MAX_BYTES", "read_members", "unpack"]

#: Upper bound of what an archive may unpack to; the largest published one holds 0.8 GB.
MAX_BYTES = 4 * 2**30
_MAX_MEMBERS = 1000
_MAX_NAME = 1000
#: tarfile reads a long name, or a header of its own, at once: this is their upper bound.
_MAX_PIECE = 2**20
_GZIP = b"\x1f\x8b"
# Raised by tarfile and gzip on files that are truncated or something else.
_BROKEN = (
    tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ArithmeticError, LookupError,
    ValueError,
)  # fmt: skip


def read_members(path: Path, suffix: str) -> Iterator[bytes]:
    """Content of each file in a tar archive whose name ends with ``suffix``.

    Raises DataFormatError if the archive is missing, broken, too large, or holds links, devices or
    names that leave its folder.
    """
    with _opened(path) as members:
        for member, file in members:
            if file and member.name.endswith(suffix):
                content = io.BytesIO()
                shutil.copyfileobj(file, content, _MAX_PIECE)
                yield content.getvalue()


def unpack(path: Path, folder: Path) -> None:
    """Unpack a tar archive into a new folder, or leave nothing behind; errors as `read_members`."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unpacking-") as scratch:
        whole = Path(scratch) / "whole"
        with _opened(path) as members:
            for member, file in members:
                target = whole / member.name
                (target.parent if file else target).mkdir(parents=True, exist_ok=True)
                if file:
                    with target.open("wb") as copy:
                        shutil.copyfileobj(file, copy, _MAX_PIECE)
        if not whole.is_dir():
            raise DataFormatError(f"{path}: expected files, got none; download it again")
        whole.rename(folder)


@contextmanager
def _opened(path: Path) -> Iterator[Iterator[tuple[tarfile.TarInfo, BinaryIO | None]]]:
    """The members in order with their content, None for folders; nothing unchecked is read."""
    check_file(path, "a .tar.gz archive")
    kept, broken = f"{path}: cannot be unpacked", f"{path}: expected a whole .tar.gz archive"
    with (
        restate(OSError, DataFormatError, kept, "check permissions and make room"),
        restate(_BROKEN, DataFormatError, broken, "download it again"),
        path.open("rb") as file,
    ):
        is_packed = file.read(len(_GZIP)) == _GZIP
        with (
            (gzip.open if is_packed else open)(path, "rb") as content,
            tarfile.open(fileobj=_InPieces(content), mode="r:") as archive,
        ):
            yield ((m, archive.extractfile(m)) for m in _checked(archive, path))


class _InPieces:
    """A file that is read in pieces of bounded size, whatever a header in it declares."""

    def __init__(self, file: BinaryIO):
        self._file, self.seek, self.tell = file, file.seek, file.tell

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes, as files do."""
        if not 0 <= size <= _MAX_PIECE:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self._file.read(size)


def _checked(archive: tarfile.TarFile, path: Path) -> Iterator[tarfile.TarInfo]:
    total = 0
    for count, member in enumerate(archive, start=1):
        total += member.size
        if count > _MAX_MEMBERS or member.size < 0 or total > MAX_BYTES:
            raise DataFormatError(
                f"{path}: expected at most {_MAX_MEMBERS} files of {MAX_BYTES} bytes in all, "
                "got more; this is not a published checkpoint"
            )
        if not (member.isfile() or member.isdir()):
            raise DataFormatError(
                f"{path}: expected files and folders, got a link or device {member.name!r}; "
                "do not unpack this archive"
            )
        name, windows = PurePosixPath(member.name), PureWindowsPath(member.name)
        outside = name.is_absolute() or windows.anchor or ".." in (*name.parts, *windows.parts)
        if outside or len(member.name) > _MAX_NAME or not member.name.isprintable():
            raise DataFormatError(
                f"{path}: expected names inside of the archive's folder, got {member.name[:60]!r}; "
                "do not unpack this archive"
            )
        yield member
