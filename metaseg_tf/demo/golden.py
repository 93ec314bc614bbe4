"""Golden numbers: those of runs that anyone can repeat, stored to compare later runs with.

The demo's networks and scenes are the same everywhere; its golden file plays the part that the
printed numbers play for Cityscapes.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from metaseg_tf.errors import DataFormatError
from metaseg_tf.paper.measured import collect
from metaseg_tf.paper.published import PUBLISHED, PublishedNumber
from metaseg_tf.paper.quantities import MIOU
from metaseg_tf.paper.verify import compare
from metaseg_tf.runs.run import Run

__all__ = ["golden_numbers", "golden_text", "load_golden"]

# Fewer than in print where versions of TensorFlow differ by more, docs/decisions/0023-verdicts.md.
_DECIMALS = {MIOU: 3}


def golden_numbers(runs: Mapping[str, Run]) -> list[PublishedNumber]:
    """The runs' own value of each number that the paper prints, by role.

    They have as many decimals as in print, except the mIoU; deviations are our own, over splits.
    """
    measured = {role: collect(run) for role, run in runs.items()}
    numbers = []
    for published, value in ((c.published, c.value) for c in compare(PUBLISHED, measured)):
        if value is not None:
            decimals = _DECIMALS.get(published.quantity, published.decimals)
            mean = round(float(value.mean), decimals)
            std = None if value.std is None else round(value.std, decimals)
            numbers.append(replace(published, value=mean, decimals=decimals, deviation=std))
    return numbers


def golden_text(runs: Mapping[str, Run]) -> str:
    """Content of a golden file: JSON, one number per line."""
    lines = (json.dumps(number.to_json()) for number in golden_numbers(runs))
    return "[\n" + ",\n".join(lines) + "\n]\n"


def load_golden(path: str | os.PathLike) -> tuple[PublishedNumber, ...]:
    """The numbers of a golden file.

    Raises
    ------
    DataFormatError
        If the file is missing or has other contents.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        return tuple(PublishedNumber.from_json(entry) for entry in content)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataFormatError(
            f"{path}: expected a file of golden numbers, got something else ({error}); "
            "restore it from the repository"
        ) from error
