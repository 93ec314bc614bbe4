"""What may explain that a run misses the printed numbers: its settings against the paper's."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from metaseg_tf.paper.comparison import Comparison
from metaseg_tf.run import Manifest

__all__ = ["explain"]

_IMAGES = 500
_CLASSES = 19

# Setting -> what the printed numbers were made with, and what another value does.
_MEASURING = {
    "convention": ("reference", "interior and IoU of the text move correlations and regressions"),
    "connectivity": (8, "segments are cut where they hang together by a corner"),
    "split": ("val", "the paper's images are those of the validation split"),
}
_NETWORK = {
    "output_stride": ({"XC": 8, "MN": 16}, "it changes the mIoU and all after it"),
    "scales": ({"XC": [0.75, 1.0, 1.25], "MN": [1.0]}, "they change the mIoU and all after it"),
    "flip": (
        {"XC": True, "MN": False},
        "the paper does not name it, but its mIoU is upstream's with this setting",
    ),
}
_FINGERPRINT = ("miou", "segments", "false_positives")


def explain(comparisons: Sequence[Comparison], manifests: Mapping[str, Manifest]) -> list[str]:
    """Lines that name what differs for each run that misses a number, the likeliest cause first.

    Parameters
    ----------
    comparisons : sequence of Comparison
    manifests : mapping
        Role of a run ("XC", "MN") -> its manifest.
    """
    lines = []
    for role, manifest in manifests.items():
        own = [c for c in comparisons if c.published.network == role]
        if any(c.verdict != "match" for c in own):
            lines += (f"{role}: {line}" for line in _explain_run(own, role, manifest))
    return lines


def _explain_run(own: Sequence[Comparison], role: str, manifest: Manifest) -> Iterator[str]:
    yield from _data_differences(manifest)
    yield from _setting_differences(manifest.settings, role)
    yield from _read_fingerprint({c.published.quantity: c.verdict for c in own})


def _data_differences(manifest: Manifest) -> Iterator[str]:
    images = manifest.results.get("images", 0)
    if images != _IMAGES:
        yield f"{images} images were measured, the paper's numbers are of {_IMAGES}"
    if manifest.failed:
        yield f"{len(manifest.failed)} images could not be measured and are missing"
    if manifest.n_classes != _CLASSES:
        yield f"{manifest.n_classes} classes, the paper's networks have {_CLASSES}"


def _setting_differences(settings: Mapping[str, Any], role: str) -> Iterator[str]:
    network = {name: (values[role], why) for name, (values, why) in _NETWORK.items()}
    unknown = [name for name in network if name not in settings]
    for name, (published, why) in (_MEASURING | network).items():
        if name in settings and settings[name] != published:
            yield f"{name} is {settings[name]!r}, in print {published!r}: {why}"
    if unknown:
        yield f"the run does not tell {', '.join(unknown)}: check how its softmax was made"


def _read_fingerprint(verdicts: Mapping[str, str]) -> Iterator[str]:
    missed = [name for name in _FINGERPRINT if verdicts.get(name, "match") != "match"]
    if "miou" in missed:
        yield "the mIoU differs, so the network's output does: compare flip, scales, output stride"
    elif missed:
        yield "the mIoU agrees and the counts do not: compare convention, connectivity and labels"
    else:
        yield "the fingerprint agrees, so the cause lies behind the segments: IoU or analysis"
