"""Quantities: which number of a run is meant, as values that are compared and not as texts."""

from typing import NamedTuple

__all__ = [
    "ALL_SEGMENTS", "DETECTED", "FALSE_POSITIVES", "MIOU", "SEGMENTS", "UNDETECTED", "Quantity",
]  # fmt: skip

_RHO = "rho"


class Quantity(NamedTuple):
    """A score of a model on one half of the segments, a correlation, or a number of a whole run."""

    #: "iou_adj" or "iou"; empty for numbers of the whole run.
    target: str = ""
    #: "penalized", "unpenalized", "entropy" or "all"; of a correlation, the metric.
    model: str = ""
    #: "acc", "auroc", "sigma", "r2", "rho", or what a number of the whole run counts.
    score: str = ""
    #: "train" or "validation"; empty for all segments.
    part: str = ""
    #: Predictions are clipped to [0, 1] before they are scored.
    clipped: bool = False

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


_CLIPPED = "clipped/"

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
