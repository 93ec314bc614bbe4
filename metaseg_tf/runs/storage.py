"""The place of a run: a local folder, or one that fsspec reaches, such as an object store.

A file that bears its name is whole: a local one is written aside, flushed and renamed; object
stores take it whole or not at all. Nothing below a local folder, which may come from a stranger, is
written or deleted through a link.
"""

import contextlib
import errno
import fcntl
import fnmatch
import itertools
import logging
import os
import re
import socket
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from metaseg_tf.data.folders import write_file
from metaseg_tf.errors import InputError, MissingDependencyError, RunError, restate

__all__ = ["Folder", "LocalFolder", "RemoteFolder", "open_folder"]

_LOCK = ".lock"
#: Where a file is whole as soon as it is there, whoever was killed.
_STORES = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oss", "oci", "memory"}
#: What `write_file` leaves if its process is killed.
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")
#: How a lock begins that says who holds it.
_OWNER = b"process "
_LOG = logging.getLogger(__name__)


class Folder:
    """A folder of files; ``relative`` is a path below it, with slashes.

    A file that cannot be written, deleted or renamed is a RunError.
    """

    #: The local path, or the address.
    path: Path | str
    #: True if no file can be cut short.
    whole = False
    #: What the system, or a driver, raises if a file cannot be written.
    _errors: tuple[type[Exception], ...] = (OSError,)

    def where(self, relative: str) -> Path | str:
        """The local path or the address of a file."""
        return f"{self.path}/{relative}" if relative else self.path

    def read(self, relative: str) -> bytes:
        """The content of a file; OSError if there is none."""
        with self.open(relative) as file:
            return file.read()

    def set_aside(self, relative: str) -> None:
        """Rename a file to ``<name>.broken``, or ``.broken1`` ...; RunError if it cannot be."""
        names = (f"{relative}.broken{number or ''}" for number in itertools.count())
        self.rename(relative, next(name for name in names if not self.exists(name)))

    def flush(self, relative: str) -> None:
        """Return once a folder will name, even after a power cut, the files written to it."""

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Keep other processes from writing a run here; RunError if another one does."""
        return contextlib.nullcontext()

    def tidy(self) -> None:
        """Delete what processes that were killed had written aside; call it while locked."""

    def _writing(self, relative: str) -> contextlib.AbstractContextManager[None]:
        """Turn what the system says about a file into one line with a remedy."""
        said = f"{self.where(relative)}: cannot be written"
        remedy = "what was finished is kept: make room or choose another --out, and start again"
        return restate(self._errors, RunError, said, remedy)


class LocalFolder(Folder):
    """A folder of this machine, or one that is mounted here."""

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)

    def __getstate__(self):
        # Another process may work elsewhere.
        return {"path": self.path.absolute()}

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.resolve().name

    def where(self, relative: str) -> Path:
        return self.path / relative

    def exists(self, relative: str = "") -> bool:
        """True if there is such a file, or the folder itself."""
        # Reading a pipe or a device in place of a file would never end.
        return (os.path.isfile if relative else os.path.exists)(self.path / relative)

    def is_empty(self) -> bool:
        """True if there is nothing, except what a process that was killed may have left."""
        if not os.path.isdir(self.path):
            return not self.exists()
        with self._writing(""):
            return all(e.name == _LOCK or _is_temporary(e) for e in self.path.iterdir())

    def names(self, relative: str, suffix: str) -> list[str]:
        """Sorted names, without their suffix, of the files of a folder that are not hidden."""
        found = []
        none = FileNotFoundError, NotADirectoryError, PermissionError
        with contextlib.suppress(*none), os.scandir(self.path / relative) as entries:
            # These know their kind without a look at each file.
            found = [e.name for e in entries if e.name.endswith(suffix) and e.is_file()]
        return sorted(name.removesuffix(suffix) for name in found if name[0] != ".")

    def open(self, relative: str) -> BinaryIO:
        """A file to read from; OSError if there is none."""
        return open(self.path / relative, "rb")

    def state(self, relative: str) -> str:
        """A text that changes when the content of a file does; found without reading it."""
        found = os.stat(self.path / relative)
        return f"{found.st_size} {found.st_mtime_ns} {found.st_ino}"

    def tails(self, relatives: Sequence[str], count: int) -> list[bytes]:
        """The last bytes of each file, or all of a shorter one."""
        found = []
        for relative in relatives:
            with open(f"{self.path}/{relative}", "rb", buffering=0) as file:
                file.seek(max(os.fstat(file.fileno()).st_size - count, 0))
                found.append(file.read())
        return found

    def write(self, relative: str, content: bytes) -> None:
        """Store a file, whole or not at all."""
        with self._writing(relative):
            target = self._own(relative)
            target.parent.mkdir(parents=True, exist_ok=True)
            write_file(target, content)

    def probe(self, relative: str) -> None:
        """RunError if a file could not be written; called before the work that it will hold."""
        with self._writing(relative):
            target = self._own(relative)
            if target.exists() and not target.is_file():
                raise IsADirectoryError(errno.EISDIR, "it is not a file")
            target.parent.mkdir(parents=True, exist_ok=True)
            aside = {"prefix": f".{target.name}.", "suffix": ".tmp", "dir": target.parent}
            tempfile.NamedTemporaryFile(**aside).close()

    def remove(self, relative: str) -> None:
        """Delete a file, which may be gone already."""
        with self._writing(relative):
            self._own(relative).unlink(missing_ok=True)

    def rename(self, relative: str, other: str) -> None:
        """Rename a file."""
        with self._writing(relative):
            self._own(relative).rename(self.path / other)

    def _own(self, relative: str) -> Path:
        """The path of a file to write or delete; RunError if that would go through a link."""
        target = self.path / relative
        for folder in target.parents[: relative.count("/")]:
            _refuse_link(folder)
        return target

    def flush(self, relative: str) -> None:
        with self._writing(relative):
            folder = os.open(self.path / relative, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            except OSError as error:
                # Some file systems have nothing to flush a folder to.
                if error.errno != errno.EINVAL:
                    raise
            finally:
                os.close(folder)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        # The lock is the open file's: it goes with its process, however that one ends.
        with contextlib.ExitStack() as opened:
            with self._writing(_LOCK):
                self.path.mkdir(parents=True, exist_ok=True)
                _refuse_link(self.path / _LOCK)
                file = opened.enter_context(open(self.path / _LOCK, "a+b", buffering=0))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Processes that are forked meanwhile, such as a DataLoader's, share the open file.
                opened.callback(fcntl.flock, file, fcntl.LOCK_UN)
            except BlockingIOError as error:
                owner = " ".join(os.pread(file.fileno(), 200, 0).decode(errors="replace").split())
                raise RunError(
                    f"{self.path}: another process is writing here "
                    f"({owner or 'it has just begun'}); "
                    "wait until it has ended, or stop it, and start again"
                ) from error
            except OSError as error:
                _LOG.warning("%s: this file system has no locks (%s)", self.path, error.strerror)
            # A full disk need not hold the name of the owner.
            with contextlib.suppress(OSError):
                # A file with another name or other content is not this program's.
                known = os.pread(file.fileno(), len(_OWNER), 0) in (b"", _OWNER)
                if known and os.fstat(file.fileno()).st_nlink == 1:
                    file.truncate(0)
                    file.write(_OWNER + f"{os.getpid()} on {socket.gethostname()}".encode())
            yield

    def tidy(self) -> None:
        for path in filter(_is_temporary, self.path.rglob(".*.tmp")):
            self.remove(path.relative_to(self.path).as_posix())


class RemoteFolder(Folder):
    """The folder ``root`` of an fsspec file system, with the methods of `LocalFolder`.

    It keeps what it has taken, and cannot be locked: start one extraction per run.
    """

    # Drivers of object stores raise errors of many families.
    _errors = (Exception,)

    def __init__(self, filesystem, root: str):
        from fsspec.implementations.dirfs import DirFileSystem

        self._files = DirFileSystem(root.rstrip("/"), filesystem)
        self.path = filesystem.unstrip_protocol(root.rstrip("/"))
        self.whole = self.path.partition("://")[0] in _STORES

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    def exists(self, relative: str = "") -> bool:
        return self._files.exists(relative)

    def is_empty(self) -> bool:
        return not self.exists() or not self._files.ls("", detail=False)

    def names(self, relative: str, suffix: str) -> list[str]:
        names = (path.rpartition("/")[2] for path in self._files.find(relative))
        return sorted(n.removesuffix(suffix) for n in fnmatch.filter(names, f"[!.]*{suffix}"))

    def open(self, relative: str) -> BinaryIO:
        return self._files.open(relative, "rb")

    def state(self, relative: str) -> str:
        return str(self._files.ukey(relative))

    def tails(self, relatives: Sequence[str], count: int) -> list[bytes]:
        n = len(relatives)
        return self._files.cat_ranges(list(relatives), [-count] * n, [None] * n, on_error="raise")

    def write(self, relative: str, content: bytes) -> None:
        with self._writing(relative):
            self._files.pipe_file(relative, content)

    def remove(self, relative: str) -> None:
        with self._writing(relative), contextlib.suppress(FileNotFoundError):
            self._files.rm_file(relative)

    def rename(self, relative: str, other: str) -> None:
        with self._writing(relative):
            self._files.mv(relative, other)


def open_folder(path: str | os.PathLike) -> Folder:
    """The folder at a local path or at an address such as ``s3://bucket/runs/XC``.

    Raises MissingDependencyError if fsspec, or its driver for the address, is not installed,
    InputError if fsspec does not know this kind of address, RunError if it cannot be reached.
    """
    address = os.fspath(path)
    scheme, separator, rest = address.partition("://")
    if not separator or scheme in ("file", "local"):
        return LocalFolder(rest if separator else path)
    driver = f"{address}: expected fsspec with a driver for it"
    remedy = "pip install 'metaseg-tf[cluster]' and the driver, such as s3fs or gcsfs"
    known = f"{address}: expected a path or an address that fsspec knows"
    with (
        restate(ImportError, MissingDependencyError, driver, remedy),
        restate(ValueError, InputError, known, "write it like s3://bucket/folder"),
    ):
        from fsspec.core import url_to_fs

        # Others write here, too: what was listed once must be listed again.
        folder = RemoteFolder(*url_to_fs(address, use_listings_cache=False))
    remedy = "check the address and the credentials of its store"
    with restate(RemoteFolder._errors, RunError, f"{folder.path}: cannot be reached", remedy):
        folder.exists()
    return folder


def _is_temporary(path: Path) -> bool:
    return bool(_TEMPORARY.fullmatch(path.name)) and path.is_file() and not path.is_symlink()


def _refuse_link(path: Path) -> None:
    if path.is_symlink():
        raise RunError(
            f"{path}: expected the run's own, got a link, through which nothing is written or "
            "deleted; delete it, or put what it leads to in its place"
        )
