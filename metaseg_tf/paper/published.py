"""Every number that the paper prints, with its place and its number of decimals: published.json.

XC is DeepLabv3+ with Xception65, MN with MobileNetV2, both on the Cityscapes validation set.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from metaseg_tf.errors import DataFormatError, restate
from metaseg_tf.networks.checkpoints import CATALOGUE
from metaseg_tf.runs.run import Manifest

__all__ = [
    "ALL_SEGMENTS", "CATALOGUE_NAMES", "DETECTED", "FALSE_POSITIVES", "IMAGES", "MIOU", "NETWORKS",
    "PUBLISHED", "SEGMENTS", "UNDETECTED", "PublishedNumber", "Quantity", "find_published",
    "load_numbers", "paper_network",
]  # fmt: skip

#: The paper's abbreviations of its networks.
NETWORKS = {"XC": "DeepLabv3+ Xception65", "MN": "DeepLabv3+ MobileNetV2"}
#: Name of the checkpoint in the catalogue -> the paper's abbreviation.
CATALOGUE_NAMES = {"xception65": "XC", "mobilenetv2": "MN"}
#: Images of the Cityscapes validation set, of which all printed numbers are.
IMAGES = 500

_RHO, _CLIPPED = "rho", "clipped/"


class Quantity(NamedTuple):
    """A score of a model on one half of the segments, a correlation, or a number of a whole run."""

    target: str = ""  #: "iou_adj" or "iou"; empty for numbers of the whole run.
    model: str = ""  #: "penalized", "unpenalized", "entropy" or "all"; or a correlation's metric.
    score: str = ""  #: "acc", "auroc", "sigma", "r2", "rho", or what is counted of a whole run.
    part: str = ""  #: "train" or "validation"; empty for all segments.
    clipped: bool = False  #: Predictions are clipped to [0, 1] before they are scored.

    @classmethod
    def correlation(cls, metric: str) -> "Quantity":
        """The correlation of a metric with IoU_adj over all segments with interior."""
        return cls("iou_adj", metric, _RHO)

    @classmethod
    def parse(cls, text: str) -> "Quantity":
        """The quantity that is printed so.

        >>> Quantity.parse("iou_adj/all/r2/train")
        Quantity(target='iou_adj', model='all', score='r2', part='train', clipped=False)

        Raises ValueError if the text is neither one word nor four with slashes between them.
        """
        words = text.removeprefix(_CLIPPED).split("/")
        if len(words) == 4:
            return cls(*words, clipped=text.startswith(_CLIPPED))
        if len(words) > 1 or not text:
            raise ValueError(f"quantity: expected target/model/score/part or a name, got {text!r}")
        return _OF_RUNS.get(text) or cls.correlation(text)

    def __str__(self) -> str:
        """As files and screen show it: "iou_adj/all/r2/train", "E" for a correlation, "miou"."""
        if self.part:
            return _CLIPPED * self.clipped + "/".join(self[:4])
        return self.model if self.score == _RHO else self.score


#: Mean IoU of the network over all pixels.
MIOU = Quantity(score="miou")
#: All segments; of these those with interior; of these those with IoU_adj = 0.
ALL_SEGMENTS = Quantity(score="all_segments")
SEGMENTS = Quantity(score="segments")
FALSE_POSITIVES = Quantity(score="false_positives")
#: False positives that the meta classification does and does not predict as such.
DETECTED = Quantity(score="detected")
UNDETECTED = Quantity(score="undetected")

_COUNTS = (ALL_SEGMENTS, SEGMENTS, FALSE_POSITIVES, DETECTED, UNDETECTED)
_OF_RUNS = {str(quantity): quantity for quantity in (MIOU, *_COUNTS)}


@dataclass(frozen=True)
class PublishedNumber:
    """One printed number."""

    place: str  #: "table 1", "table 2", "table 3" or "section 3".
    network: str  #: "XC" or "MN".
    quantity: Quantity
    value: float  #: As a fraction if the paper prints per cent, else as printed.
    decimals: int  #: Printed decimals of ``value`` in that form.
    deviation: float | None = None  #: Printed, over ten splits, in the same form.

    @property
    def as_per_cent(self) -> bool:
        """True if print shows the number in per cent: mIoU, accuracy, AUROC and R2."""
        return self.quantity.score in ("miou", "acc", "auroc", "r2")

    def to_json(self) -> dict[str, Any]:
        """Plain data, the quantity as text."""
        return {**vars(self), "quantity": str(self.quantity)}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "PublishedNumber":
        """The number that `to_json` gave; raises one of several errors for anything else."""
        return cls(**{**entry, "quantity": Quantity.parse(entry["quantity"])})


def load_numbers(path: str | os.PathLike) -> tuple[PublishedNumber, ...]:
    """The numbers of a file, one per line; a DataFormatError if it is missing or has others."""
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
