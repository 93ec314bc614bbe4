"""Tar archives from elsewhere: read or unpacked within bounds, and never outside of the folder."""

import gzip
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath

from metaseg_tf.errors import DataFormatError

__all__ = ["MAX_BYTES", "read_members", "unpack"]

#: Upper bound of what an archive may unpack to; the largest published one holds 0.8 GB.
MAX_BYTES = 4 * 2**30
_MAX_MEMBERS = 1000
_BROKEN = (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError)


def read_members(
    path: Path, suffix: str, max_bytes: int = MAX_BYTES
) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file in a tar archive whose name ends with ``suffix``.

    Raises
    ------
    DataFormatError
        If the archive is missing, broken, too large, or holds links, devices or names that leave
        its folder.
    """
    with _opened(path) as archive:
        for member in _checked(archive, path, max_bytes):
            if member.isfile() and member.name.endswith(suffix):
                yield member.name, archive.extractfile(member).read()


def unpack(path: Path, folder: Path, max_bytes: int = MAX_BYTES) -> None:
    """Unpack all files of a tar archive into the new folder ``folder``, or leave nothing behind.

    Raises
    ------
    DataFormatError
        As in `read_members`.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unpacking-") as scratch:
        whole = Path(scratch) / "whole"
        with _opened(path) as archive:
            for member in _checked(archive, path, max_bytes):
                _write(archive, member, whole / member.name)
        if not whole.is_dir():
            raise DataFormatError(f"{path}: expected files, got none; download it again")
        whole.rename(folder)


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        shutil.copyfileobj(archive.extractfile(member), file)


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    if not path.is_file():
        raise DataFormatError(
            f"{path}: expected a .tar.gz archive, found no such file; check the path"
        )
    try:
        with tarfile.open(path) as archive:
            yield archive
    except _BROKEN as error:
        reason = str(error).splitlines()[0].rstrip(":")
        raise DataFormatError(
            f"{path}: expected a whole .tar.gz archive, got a broken one ({reason}); "
            "download it again"
        ) from error


def _checked(archive: tarfile.TarFile, path: Path, max_bytes: int) -> Iterator[tarfile.TarInfo]:
    """The members in order, each checked before a byte of it is unpacked."""
    total = 0
    for count, member in enumerate(archive, start=1):
        total += member.size
        if count > _MAX_MEMBERS or total > max_bytes:
            raise DataFormatError(
                f"{path}: expected at most {_MAX_MEMBERS} files of {max_bytes} bytes in all, "
                "got more; this is not a published checkpoint"
            )
        _check_member(member, path)
        yield member


def _check_member(member: tarfile.TarInfo, path: Path) -> None:
    if not (member.isfile() or member.isdir()):
        raise DataFormatError(
            f"{path}: expected files and folders, got a link or device {member.name!r}; "
            "do not unpack this archive"
        )
    name, windows = PurePosixPath(member.name), PureWindowsPath(member.name)
    if name.is_absolute() or windows.anchor or ".." in (*name.parts, *windows.parts):
        raise DataFormatError(
            f"{path}: expected names inside of the archive's folder, got {member.name!r}; "
            "do not unpack this archive"
        )
