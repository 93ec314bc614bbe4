"""The published checkpoints that the paper used: where they lie and what they reached.

Sources: section 3 of the paper for its settings and mIoU; upstream's model zoo for the rest.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from metaseg_tf.errors import DataFormatError, InputError, suggest
from metaseg_tf.networks.options import NetworkSettings

__all__ = [
    "CATALOGUE",
    "FOLDER_VARIABLE",
    "MOBILENETV2",
    "XCEPTION65",
    "Checkpoint",
    "ZooRow",
    "checkpoint_folder",
    "checkpoint_path",
    "find",
]

#: Environment variable with the folder that checkpoints are kept in.
FOLDER_VARIABLE = "METASEG_TF_CHECKPOINTS"

_ZOO = "http://download.tensorflow.org/models/"
_CITYSCAPES_CROP = (1025, 2049)


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
    settings: NetworkSettings
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


_SCALES = (0.75, 1.0, 1.25)

#: The weaker network of section 3, MN in the tables.
MOBILENETV2 = Checkpoint(
    name="mobilenetv2",
    file="deeplabv3_mnv2_cityscapes_train_2018_02_05.tar.gz",
    backbone="MobileNetV2",
    settings=NetworkSettings(16, (1.0,), False, _CITYSCAPES_CROP),
    paper_miou=0.7071,
    zoo=(ZooRow(16, (1.0,), False, 0.7071), ZooRow(8, _SCALES, True, 0.7357)),
    size=23,
)

#: The stronger network of section 3, XC in the tables. Flip: docs/decisions/0010-flip.md.
XCEPTION65 = Checkpoint(
    name="xception65",
    file="deeplabv3_cityscapes_train_2018_02_06.tar.gz",
    backbone="Xception65",
    settings=NetworkSettings(8, _SCALES, True, _CITYSCAPES_CROP),
    paper_miou=0.8042,
    zoo=(ZooRow(16, (1.0,), False, 0.7879), ZooRow(8, _SCALES, True, 0.8042)),
    size=439,
)

CATALOGUE = (MOBILENETV2, XCEPTION65)


def find(name: str) -> Checkpoint:
    """The checkpoint of that name.

    Raises
    ------
    InputError
        If there is none; the message suggests names that are near.
    """
    names = {entry.name: entry for entry in CATALOGUE}
    if name in names:
        return names[name]
    raise InputError(
        f"checkpoint: expected one of {', '.join(names)}, got {name!r}; "
        + suggest(name, names, "choose one of them")
    )


def checkpoint_folder(folder: Path | None = None) -> Path:
    """The folder that archives are kept in.

    The given one, else that of the environment variable ``METASEG_TF_CHECKPOINTS``, else
    ``deeplab_checkpoints/`` of the repository, else the user's cache where there is no repository.
    """
    given = folder or os.environ.get(FOLDER_VARIABLE)
    if given:
        return Path(given)
    repository = Path(__file__).parents[2] / "deeplab_checkpoints"
    return repository if repository.is_dir() else _user_cache()


def _user_cache() -> Path:
    import pooch  # slow to import, and needed outside of a repository only

    return Path(pooch.os_cache("metaseg_tf"))


def checkpoint_path(entry: Checkpoint, folder: Path | None = None) -> Path:
    """Prefix of the downloaded checkpoint (``.../model.ckpt``), as TensorFlow reads it.

    Raises
    ------
    DataFormatError
        If it was not downloaded yet or is not whole.
    """
    unpacked = checkpoint_folder(folder) / entry.folder
    found = sorted(unpacked.rglob("*.index"))
    if len(found) != 1:
        raise DataFormatError(
            f"{unpacked}: expected the checkpoint {entry.name!r}, found {len(found)} index files; "
            f"get it by: metaseg-tf checkpoints download {entry.name}"
        )
    return found[0].with_suffix("")
