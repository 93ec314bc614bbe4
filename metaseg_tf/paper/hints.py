"""What may explain that a run misses the printed numbers: its settings against the paper's."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from metaseg_tf.networks.checkpoints import find
from metaseg_tf.paper.comparison import Comparison
from metaseg_tf.paper.published import CATALOGUE_NAMES
from metaseg_tf.runs.run import Manifest, compare_settings

__all__ = ["explain"]

_IMAGES = 500
_CLASSES = 19

# How the printed numbers were measured, besides the settings of the networks in the catalogue.
_MEASURED_WITH = {"convention": "reference", "connectivity": 8, "split": "val"}
# What another value of a setting does.
_EFFECTS = {
    "convention": "interior and IoU of the text move correlations and regressions",
    "connectivity": "segments are cut where they hang together by a corner",
    "split": "the paper's images are those of the validation split",
    "output_stride": "it changes the mIoU and all after it",
    "scales": "they change the mIoU and all after it",
    "flip": "the paper does not name it, see docs/decisions/0010-flip.md",
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
    network = next(name for name, known in CATALOGUE_NAMES.items() if known == role)
    expected = _MEASURED_WITH | asdict(find(network).settings)
    for name, own, printed in compare_settings(settings, expected):
        if name in _EFFECTS:
            yield f"{name} is {own!r:.80}, in print {printed!r}: {_EFFECTS[name]}"
    unknown = [name for name in _EFFECTS if name not in settings and name not in _MEASURED_WITH]
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
