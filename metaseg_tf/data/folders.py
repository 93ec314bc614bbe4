"""Files: those of one kind in a folder, and how one is written whole."""

import logging
import os
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from metaseg_tf.errors import DataFormatError, restate
from metaseg_tf.untrusted import check_file

__all__ = ["check_file", "find_files", "write_file"]

_LOG = logging.getLogger(__name__)
#: What Windows puts into folders; what other systems put there begins with a dot.
_OF_SYSTEMS = ("thumbs.db", "desktop.ini")


def find_files(
    folder: str | os.PathLike, suffixes: Collection[str], what: str, *, deep: bool = False
) -> list[Path]:
    """The files of a folder that have one of the suffixes in any case, sorted by name.

    Suffixes are in lower case, with their dot; ``what`` is the plural noun for the files in
    messages. If ``deep``, subfolders count, too, except for run folders, whose pictures are not
    data. What is left out, hidden files apart, is counted and logged as a warning. Raises
    DataFormatError if the folder cannot be read, or holds no such file.
    """
    wanted = f"{what} ({', '.join(suffixes)})"
    found, others = [], Counter()
    pending, seen = [os.fspath(folder)], set()
    said = f"{folder}: expected a folder with {wanted}"
    with restate(OSError, DataFormatError, said, "check the path"):
        while pending:
            place = pending.pop()
            seen.add(os.path.realpath(place))
            with os.scandir(place) as entries:
                for entry in entries:
                    if entry.name.startswith(".") or entry.name.lower() in _OF_SYSTEMS:
                        continue
                    suffix = os.path.splitext(entry.name)[1].lower()
                    if entry.is_dir():
                        if not deep or os.path.exists(os.path.join(entry.path, "run.json")):
                            others["folder"] += 1
                        # A link may lead back to a folder above it.
                        elif os.path.realpath(entry.path) not in seen:
                            pending.append(entry.path)
                    elif not entry.is_file():
                        others["broken link, pipe or device"] += 1
                    elif suffix not in suffixes:
                        others[suffix or "file without suffix"] += 1
                    else:
                        found.append(entry.path)

    rest = ", ".join(f"{count} {kind}" for kind, count in others.most_common(9))
    if not found:
        raise DataFormatError(
            f"{folder}: expected {wanted} in this folder, found {rest or 'none'}; point to the "
            "folder that holds them"
        )
    if others:
        _LOG.warning(
            "%s: takes %d %s, leaves out %d others (%s): expected %s%s",
            *(folder, len(found), what, others.total(), rest, ", ".join(suffixes)),
            "" if deep else ", and no folders in it",
        )
    # In the order of paths, which take far longer to compare.
    return [Path(path) for path in sorted(found, key=lambda path: path.split(os.sep))]


def write_file(target: Path, content: bytes) -> None:
    """Write a file whole or not at all: it is written aside, flushed and renamed.

    A process that is killed meanwhile leaves ``.<name>.<8 hexadecimal digits>.tmp``.
    """
    import secrets  # not above: it loads what takes longer than the rest of this module

    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(aside, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, target)
    finally:
        aside.unlink(missing_ok=True)
