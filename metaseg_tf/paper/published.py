"""Every number that the paper prints, with its place and its number of decimals: published.json.

XC is DeepLabv3+ with Xception65, MN with MobileNetV2, both on the Cityscapes validation set.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metaseg_tf.errors import DataFormatError, restate
from metaseg_tf.networks.checkpoints import CATALOGUE
from metaseg_tf.paper.quantities import Quantity
from metaseg_tf.runs.run import Manifest

__all__ = [
    "CATALOGUE_NAMES", "IMAGES", "NETWORKS", "PUBLISHED", "PublishedNumber", "find_published",
    "load_numbers", "paper_network",
]  # fmt: skip

#: The paper's abbreviations of its networks.
NETWORKS = {"XC": "DeepLabv3+ Xception65", "MN": "DeepLabv3+ MobileNetV2"}

#: Name of the checkpoint in the catalogue -> the paper's abbreviation.
CATALOGUE_NAMES = {"xception65": "XC", "mobilenetv2": "MN"}

#: Images of the Cityscapes validation set, of which all printed numbers are.
IMAGES = 500


@dataclass(frozen=True)
class PublishedNumber:
    """One printed number."""

    #: "table 1", "table 2", "table 3" or "section 3".
    place: str
    #: "XC" or "MN".
    network: str
    quantity: Quantity
    #: As a fraction if the paper prints per cent, else as printed.
    value: float
    #: Printed decimals of ``value`` in that form.
    decimals: int
    #: The printed standard deviation over ten splits, in the same form.
    deviation: float | None = None

    @property
    def as_per_cent(self) -> bool:
        """True if print shows the number in per cent: mIoU, accuracy, AUROC and R2."""
        return self.quantity.score in ("miou", "acc", "auroc", "r2")

    def to_json(self) -> dict[str, Any]:
        """Plain data, the quantity as text."""
        return {**vars(self), "quantity": str(self.quantity)}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "PublishedNumber":
        """The number that `to_json` gave.

        Raises ValueError, TypeError, KeyError or AttributeError if it gave something else.
        """
        return cls(**{**entry, "quantity": Quantity.parse(entry["quantity"])})


def load_numbers(path: str | os.PathLike) -> tuple[PublishedNumber, ...]:
    """The numbers of a file of printed or golden numbers, one per line.

    Raises DataFormatError if it is missing or has other contents.
    """
    broken = (OSError, ValueError, TypeError, KeyError, AttributeError)
    said = f"{path}: expected a file of golden numbers, got something else"
    with restate(broken, DataFormatError, said, "restore it from the repository"):
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        return tuple(PublishedNumber.from_json(entry) for entry in content)


#: All printed numbers. Table 3 repeats the regression of table 2 for the adjusted IoU.
PUBLISHED = load_numbers(Path(__file__).with_suffix(".json"))


def paper_network(manifest: Manifest) -> str | None:
    """ "XC" or "MN" if a run is of the paper's data and that network, else None.

    By the manifest: all images of the Cityscapes validation set, through a checkpoint of the
    catalogue, whatever its settings. Only such a run is compared with print unless asked for.
    """
    known = {file: CATALOGUE_NAMES[c.name] for c in CATALOGUE for file in (c.name, c.file)}
    source, split, network = map(manifest.settings.get, ("source", "split", "network"))
    data = source, split, manifest.results.get("images")
    return known.get(str(network)) if data == ("cityscapes", "val", IMAGES) else None


def find_published(place: str, network: str, quantity: Quantity | str) -> PublishedNumber:
    """The printed number of that place, network and quantity; KeyError if there is none."""
    quantity = Quantity.parse(quantity) if isinstance(quantity, str) else quantity
    for number in PUBLISHED:
        if (number.place, number.network, number.quantity) == (place, network, quantity):
            return number
    raise KeyError(f"the paper prints no {str(quantity)!r} for {network!r} in {place!r}")
