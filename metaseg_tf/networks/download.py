"""Fetching a published checkpoint once, and proving from then on that it is still the same.

Upstream published no checksums. So the SHA-256 of an archive is recorded when it first comes in,
in ``checksums.json`` beside it, and every later use is compared with that.
"""

import json
import logging
from pathlib import Path

import pooch
import requests

from metaseg_tf.data.folders import write_file
from metaseg_tf.errors import DataFormatError
from metaseg_tf.networks.catalogue import Checkpoint, checkpoint_folder
from metaseg_tf.untrusted.archives import unpack

__all__ = ["CHECKSUMS", "download"]

CHECKSUMS = "checksums.json"

_TIMEOUT_SECONDS = 30


def download(entry: Checkpoint, folder: Path | None = None, *, progress=False) -> Path:
    """Fetch, check and unpack a checkpoint; what is there already is not fetched again.

    An interrupted download leaves nothing behind and can be started again.

    Parameters
    ----------
    entry : Checkpoint
    folder : Path, optional
        Where archives are kept; see `catalogue.checkpoint_folder` for the default.
    progress : object, optional
        A progress bar as pooch takes it: attribute ``total`` (bytes) and methods ``update(bytes)``,
        ``reset()`` and ``close()``.

    Returns
    -------
    Path
        The folder with the unpacked checkpoint.

    Raises
    ------
    DataFormatError
        If there is no connection, the server has no such file, the file is not the one that was
        recorded, or the archive is broken or unsafe.
    """
    folder = checkpoint_folder(folder)
    archive, unpacked = folder / entry.file, folder / entry.folder
    fetched = not archive.exists() and not unpacked.exists()
    if fetched:
        _fetch(entry, folder, progress)
    if archive.exists():
        _check(archive)
    if not unpacked.exists():
        _unpack(archive, unpacked, keep=not fetched)
    return unpacked


def _unpack(archive: Path, unpacked: Path, *, keep: bool) -> None:
    try:
        unpack(archive, unpacked)
    except DataFormatError:
        if not keep:
            archive.unlink()
        raise
    _record(archive)


def _fetch(entry: Checkpoint, folder: Path, progress) -> None:
    pooch.get_logger().setLevel(logging.WARNING)
    downloader = pooch.HTTPDownloader(progressbar=progress, timeout=_TIMEOUT_SECONDS)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        pooch.retrieve(entry.url, None, entry.file, folder, downloader=downloader)
    except requests.RequestException as error:
        raise DataFormatError(
            f"{entry.url}: cannot be downloaded ({_reason(error)}); check the connection and start "
            f"again, or put the file into {folder} by hand"
        ) from error
    except OSError as error:
        raise DataFormatError(
            f"{folder}: expected a folder to download to, got: {error.strerror or error}; "
            "name another by --dir"
        ) from error


def _reason(error: requests.RequestException) -> str:
    if error.response is not None:
        return f"the server answers {error.response.status_code}"
    if isinstance(error, requests.Timeout):
        return f"no answer within {_TIMEOUT_SECONDS} s"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    return "no connection"


def _check(archive: Path) -> None:
    record = archive.parent / CHECKSUMS
    expected = _read_record(record).get(archive.name)
    found = _sha256(archive)
    if expected not in (None, found):
        raise DataFormatError(
            f"{archive}: expected SHA-256 {expected} as recorded in {record.name}, got {found}; "
            f"delete it and download it again, or its line in {record.name} if the change is meant"
        )


def _record(archive: Path) -> None:
    """Note the sum of an archive that proved to be whole."""
    record = archive.parent / CHECKSUMS
    known = _read_record(record) | {archive.name: _sha256(archive)}
    write_file(record, (json.dumps(known, indent=2, sort_keys=True) + "\n").encode())


def _sha256(archive: Path) -> str:
    return pooch.file_hash(str(archive), alg="sha256")


def _read_record(record: Path) -> dict[str, str]:
    if not record.exists():
        return {}
    try:
        known = json.loads(record.read_text(encoding="utf-8"))
    except ValueError as error:
        known = error
    if not isinstance(known, dict):
        raise DataFormatError(
            f"{record}: expected JSON of file names and SHA-256 sums, got something else; "
            "restore it, or delete it to record the sums anew"
        )
    return known
