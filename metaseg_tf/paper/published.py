"""Every number that the paper prints, with its place and its number of decimals.

XC is DeepLabv3+ with Xception65, MN with MobileNetV2, both on the Cityscapes validation set.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from metaseg_tf.networks.checkpoints import CATALOGUE
from metaseg_tf.paper import quantities
from metaseg_tf.paper.quantities import Quantity
from metaseg_tf.runs.run import Manifest

__all__ = [
    "CATALOGUE_NAMES", "IMAGES", "NETWORKS", "PUBLISHED", "PublishedNumber", "find_published",
    "paper_network",
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


_TABLE_1 = {
    "E": (-0.70139, -0.70162),
    "E_bd": (-0.44065, -0.41845),
    "E_in": (-0.71623, -0.69884),
    "E_rel": (0.31219, 0.36261),
    "E_rel_in": (0.39195, 0.42806),
    "D": (-0.85211, -0.84858),
    "D_bd": (-0.60308, -0.52163),
    "D_in": (-0.85458, -0.82171),
    "D_rel": (0.22797, 0.30245),
    "D_rel_in": (0.29279, 0.35131),
    "S": (0.30442, 0.47978),
    "S_bd": (0.44625, 0.62713),
    "S_in": (0.30201, 0.47708),
    "S_rel": (0.50758, 0.71071),
    "S_rel_in": (0.50758, 0.71071),
}

# (model, score) -> XC training, XC validation, MN training, MN validation, each with its deviation;
# accuracies, AUROC and R2 in per cent, sigma in units of the IoU.
_CLASSIFICATION = {
    ("penalized", "acc"): ((81.88, 0.13), (81.91, 0.13), (78.87, 0.13), (78.93, 0.17)),
    ("unpenalized", "acc"): ((81.91, 0.12), (81.92, 0.12), (78.84, 0.14), (78.93, 0.18)),
    ("entropy", "acc"): ((76.36, 0.17), (76.32, 0.17), (68.33, 0.27), (68.57, 0.25)),
    ("penalized", "auroc"): ((87.71, 0.14), (87.71, 0.15), (86.74, 0.18), (86.77, 0.17)),
    ("unpenalized", "auroc"): ((87.72, 0.14), (87.72, 0.15), (86.74, 0.18), (86.76, 0.18)),
    ("entropy", "auroc"): ((77.81, 0.16), (77.94, 0.15), (76.63, 0.24), (76.74, 0.24)),
}
_REGRESSION = {
    ("all", "sigma"): ((0.181, 0.001), (0.182, 0.001), (0.130, 0.001), (0.130, 0.001)),
    ("entropy", "sigma"): ((0.258, 0.001), (0.259, 0.001), (0.215, 0.001), (0.215, 0.001)),
    ("all", "r2"): ((75.06, 0.22), (74.97, 0.22), (81.50, 0.23), (81.48, 0.23)),
    ("entropy", "r2"): ((49.37, 0.32), (49.02, 0.32), (49.32, 0.31), (49.12, 0.32)),
}
_REGRESSION_IOU = {
    ("all", "sigma"): ((0.192, 0.001), (0.192, 0.001), (0.135, 0.001), (0.135, 0.001)),
    ("entropy", "sigma"): ((0.267, 0.001), (0.268, 0.001), (0.217, 0.001), (0.217, 0.001)),
    ("all", "r2"): ((72.90, 0.21), (72.77, 0.21), (79.63, 0.27), (79.58, 0.27)),
    ("entropy", "r2"): ((47.43, 0.28), (47.07, 0.28), (47.73, 0.37), (47.50, 0.38)),
}
_COLUMNS = (("XC", "train"), ("XC", "validation"), ("MN", "train"), ("MN", "validation"))

_SECTION_3 = {
    quantities.SEGMENTS: (45194, 42261),
    quantities.FALSE_POSITIVES: (11331, 17671),
    quantities.DETECTED: (6851, 14976),
    quantities.UNDETECTED: (4480, 2695),
}
_MIOU = {quantities.MIOU: (0.8042, 0.7071)}


def _scores(place: str, target: str, rows: dict) -> Iterator[PublishedNumber]:
    for key, cells in rows.items():
        for (network, part), (value, deviation) in zip(_COLUMNS, cells, strict=True):
            quantity = Quantity(target, *key, part)
            if quantity.score == "sigma":
                yield PublishedNumber(place, network, quantity, value, 3, deviation)
            else:
                fractions = round(value / 100, 4), 4, round(deviation / 100, 4)
                yield PublishedNumber(place, network, quantity, *fractions)


def _rows(place: str, rows: Mapping[Quantity, tuple], decimals: int) -> Iterator[PublishedNumber]:
    for quantity, values in rows.items():
        for network, value in zip(NETWORKS, values, strict=True):
            yield PublishedNumber(place, network, quantity, value, decimals)


#: All printed numbers. Table 3 repeats the regression of table 2 for the adjusted IoU.
PUBLISHED: tuple[PublishedNumber, ...] = (
    *_rows("section 3", _MIOU, 4),
    *_rows("section 3", _SECTION_3, 0),
    *_rows("table 1", {Quantity.correlation(name): rho for name, rho in _TABLE_1.items()}, 5),
    *_scores("table 2", "iou_adj", _CLASSIFICATION | _REGRESSION),
    *_scores("table 3", "iou_adj", _REGRESSION),
    *_scores("table 3", "iou", _REGRESSION_IOU),
)


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
    """The printed number of that place, network and quantity.

    Raises
    ------
    KeyError
        If the paper prints no such number.
    """
    quantity = Quantity.parse(quantity) if isinstance(quantity, str) else quantity
    for number in PUBLISHED:
        if (number.place, number.network, number.quantity) == (place, network, quantity):
            return number
    raise KeyError(f"the paper prints no {str(quantity)!r} for {network!r} in {place!r}")
