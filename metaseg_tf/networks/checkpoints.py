"""The published checkpoints of the paper and the demo's networks, and how to get them.

Sources: section 3 of the paper for its settings and mIoU; upstream's model zoo for the rest.
Upstream published no checksums, so the SHA-256 of an archive is recorded in ``checksums.json``
next to it when it is first downloaded, and compared at every later use.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from metaseg_tf.data.folders import write_file
from metaseg_tf.errors import DataFormatError, check_choice, restate, suggest
from metaseg_tf.networks.options import NetworkOptions

__all__ = [
    "BUNDLED", "CATALOGUE", "CHECKSUMS", "CITYSCAPES_CROP", "FOLDER_VARIABLE", "MOBILENETV2",
    "XCEPTION65", "Checkpoint", "ZooRow", "bundled_path", "checkpoint_folder", "checkpoint_path",
    "download", "find", "hash_files",
]  # fmt: skip

#: The demo's networks by name: stand-ins for XC and MN on drawn street scenes.
BUNDLED = ("demo_xception", "demo_mobilenetv2")
CHECKSUMS = "checksums.json"
#: Environment variable with the folder that checkpoints are kept in.
FOLDER_VARIABLE = "METASEG_TF_CHECKPOINTS"
#: The least crop of the form k * 16 + 1 that holds an image of Cityscapes, 1024x2048.
CITYSCAPES_CROP = (1025, 2049)

_ZOO = "http://download.tensorflow.org/models/"
_TIMEOUT_SECONDS = 30
_PACKAGE = Path(__file__).parents[1]
# In a checkout the folder lies next to the package, in an installed package inside it.
_BUNDLED_FOLDERS = (_PACKAGE.parent / "deeplab_checkpoints", _PACKAGE / "deeplab_checkpoints")


@dataclass(frozen=True)
class ZooRow:
    """One evaluation in upstream's model zoo; ``miou`` in [0, 1] on the Cityscapes val split."""

    output_stride: int
    scales: tuple[float, ...]
    flip: bool
    miou: float


@dataclass(frozen=True)
class Checkpoint:
    """A published checkpoint.

    ``settings`` are the paper's and ``paper_miou``, in [0, 1], is what the paper states for them
    on the Cityscapes validation set. ``size`` is that of the archive in MB, rounded.
    """

    name: str
    file: str
    backbone: str
    settings: NetworkOptions
    paper_miou: float
    zoo: tuple[ZooRow, ...]
    size: int

    @property
    def url(self) -> str:
        """Address of the archive."""
        return _ZOO + self.file

    @property
    def folder(self) -> str:
        """Name of the folder that the archive is unpacked to."""
        return self.file.removesuffix(".tar.gz")


def _read_entry(entry: dict) -> Checkpoint:
    settings = NetworkOptions(**entry["settings"], crop=CITYSCAPES_CROP)
    zoo = tuple(ZooRow(**row | {"scales": tuple(row["scales"])}) for row in entry["zoo"])
    return Checkpoint(**entry | {"settings": settings, "zoo": zoo})


_ENTRIES = json.loads(Path(__file__).with_name("catalogue.json").read_text(encoding="utf-8"))
#: The weaker network of section 3, MN in its tables, and the stronger one, XC. Flip:
#: docs/decisions/0010-flip.md.
CATALOGUE = MOBILENETV2, XCEPTION65 = tuple(map(_read_entry, _ENTRIES))


def find(name: str) -> Checkpoint:
    """The checkpoint of that name, or an InputError that suggests names that are near."""
    names = {entry.name: entry for entry in CATALOGUE}
    check_choice("checkpoint", name, names, suggest(name, names, "choose one of them"))
    return names[name]


def checkpoint_folder(folder: Path | None = None) -> Path:
    """The folder that archives are kept in, by default that of ``METASEG_TF_CHECKPOINTS``.

    Without this environment variable it is ``deeplab_checkpoints/`` of the repository, and without
    a repository the user's cache.
    """
    given = folder or os.environ.get(FOLDER_VARIABLE)
    if given:
        return Path(given)
    if _BUNDLED_FOLDERS[0].is_dir():
        return _BUNDLED_FOLDERS[0]
    import pooch  # slow to import, and needed outside of a repository only

    return Path(pooch.os_cache("metaseg_tf"))


def checkpoint_path(entry: Checkpoint, folder: Path | None = None) -> Path:
    """Prefix of the downloaded checkpoint, ``.../model.ckpt``; a DataFormatError if not whole."""
    unpacked = checkpoint_folder(folder) / entry.folder
    found = sorted(unpacked.rglob("*.index"))
    if len(found) != 1:
        raise DataFormatError(
            f"{unpacked}: expected the checkpoint {entry.name!r}, found {len(found)} index files; "
            f"get it by: metaseg-tf checkpoints download {entry.name}"
        )
    return found[0].with_suffix("")


def bundled_path(file: str) -> Path:
    """Path of a file in ``deeplab_checkpoints/``, or a DataFormatError if it is not installed."""
    for folder in _BUNDLED_FOLDERS:
        if (folder / file).is_file():
            return folder / file
    raise DataFormatError(
        f"{file}: expected it in deeplab_checkpoints, which comes with metaseg_tf, found none; "
        "install the package again"
    )


def download(entry: Checkpoint, folder: Path | None = None, *, progress=False) -> Path:
    """Fetch, check and unpack a checkpoint into the returned folder, unless it is there already.

    An interrupted download leaves nothing behind and can be started again. ``progress`` is a bar
    as pooch takes it: attribute ``total`` (bytes) and methods ``update(bytes)``, ``reset()`` and
    ``close()``. Raises DataFormatError if there is no connection or no such file, the file is not
    the one that was recorded, or the archive is broken or unsafe.
    """
    # Not above: loading it takes a tenth of the time in which --help answers.
    from metaseg_tf.untrusted.archives import unpack

    folder = checkpoint_folder(folder)
    archive, unpacked = folder / entry.file, folder / entry.folder
    record = folder / CHECKSUMS
    fetched = not archive.exists() and not unpacked.exists()
    if fetched:
        _fetch(entry, folder, progress)
    if archive.exists():
        expected, found = _read_record(record).get(archive.name), hash_files([archive])
        if expected not in (None, found):
            raise DataFormatError(
                f"{archive}: expected SHA-256 {expected} as recorded in {record.name}, "
                f"got {found}; delete it and download it again, or delete its line in "
                f"{record.name} if the change is meant"
            )
    if not unpacked.exists():
        try:
            unpack(archive, unpacked)
        except DataFormatError:
            if fetched:
                archive.unlink()
            raise
        # Only now is the archive known to be whole.
        known = _read_record(record) | {archive.name: hash_files([archive])}
        write_file(record, (json.dumps(known, indent=2, sort_keys=True) + "\n").encode())
    return unpacked


def _fetch(entry: Checkpoint, folder: Path, progress) -> None:
    # Only here: they are slow to import, and no other source needs them.
    import pooch
    import requests

    pooch.get_logger().setLevel(logging.WARNING)
    downloader = pooch.HTTPDownloader(progressbar=progress, timeout=_TIMEOUT_SECONDS)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        pooch.retrieve(entry.url, None, entry.file, folder, downloader=downloader)
    except requests.RequestException as error:
        reason = "no connection"
        if error.response is not None:
            reason = f"the server answers {error.response.status_code}"
        elif isinstance(error, requests.Timeout):
            reason = f"no answer within {_TIMEOUT_SECONDS} s"
        elif isinstance(error, requests.exceptions.ChunkedEncodingError):
            reason = "the connection broke off"
        raise DataFormatError(
            f"{entry.url}: cannot be downloaded ({reason}); check the connection and start "
            f"again, or put the file into {folder} by hand"
        ) from error
    except OSError as error:
        raise DataFormatError(
            f"{folder}: expected a folder to download to, got: {error.strerror or error}; "
            "name another by --dir"
        ) from error


def hash_files(files: Iterable[Path]) -> str:
    """SHA-256 of the contents of files, one after the other, in hexadecimal digits."""
    total = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                total.update(block)
    return total.hexdigest()


def _read_record(record: Path) -> dict[str, str]:
    said = f"{record}: expected JSON of file names and SHA-256 sums, got something else"
    with restate((TypeError, ValueError), DataFormatError, said, "restore or delete it"):
        return dict(json.loads(record.read_text(encoding="utf-8"))) if record.exists() else {}
