"""The first part of the page: what was run, and how its numbers compare with the printed ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from metaseg_tf.analysis.evaluation import diagnose_run
from metaseg_tf.errors import InputError
from metaseg_tf.paper.comparison import Comparison, compare
from metaseg_tf.paper.figures import make_figure
from metaseg_tf.paper.layout import NOT_AVAILABLE
from metaseg_tf.paper.measured import collect
from metaseg_tf.paper.published import NETWORKS, PUBLISHED
from metaseg_tf.paper.verify import format_number
from metaseg_tf.runs.run import Run

__all__ = [
    "FIGURES",
    "Numbers",
    "assign_roles",
    "collect_numbers",
    "describe_run",
    "diagnose",
    "draw_figures",
]

#: Figures of the overview, and what they show in words.
FIGURES = {
    3: "Predicted against true IoU_adj of all segments; dot areas are proportional to S.",
    4: "Meta classification: coefficients, accuracy and AUROC over the inverse penalty 1/λ.",
    6: "Each metric against IoU_adj.",
}

#: The numbers shown first; scores are means over the validation halves of ten runs.
_GLANCE = {
    "miou": "mIoU of the network",
    "segments": "segments with interior",
    "false_positives": "false positives",
    "iou_adj/penalized/acc/validation": "accuracy of the meta classification",
    "iou_adj/penalized/auroc/validation": "AUROC",
    "iou_adj/all/r2/validation": "R² of the meta regression",
    "iou_adj/all/sigma/validation": "σ of its error",
}
_TITLES = {
    "section 3": "Fingerprint (section 3)",
    "table 1": "Table 1: correlation with IoU_adj",
    "table 2": "Table 2: meta classification and regression",
    "table 3": "Table 3: regression of IoU_adj and of IoU",
}
_WORDS = {
    "miou": "mIoU",
    "segments": "segments with interior",
    "false_positives": "false positives (IoU_adj = 0)",
    "detected": "false positives detected",
    "undetected": "false positives not detected",
    "acc": "ACC",
    "auroc": "AUROC",
    "sigma": "σ",
    "r2": "R²",
    "all": "all metrics",
    "entropy": "entropy baseline",
    "iou_adj": "IoU_adj",
    "iou": "IoU",
    "train": "training",
}


class Cell(NamedTuple):
    """A number of ours, the printed one, and their difference, as they are to be read."""

    ours: str
    printed: str
    difference: str
    verdict: str


class ComparedTable(NamedTuple):
    """Rows of cells; ``header`` names the columns after the first."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


class Numbers(NamedTuple):
    """What the page says in numbers.

    Attributes
    ----------
    glance : dict
        Run -> what the number is -> the number, in words: the few that matter most.
    tables : list of ComparedTable
    missing : list of str
        Why numbers are missing, if some are.
    """

    glance: dict[str, dict[str, str]]
    tables: list[ComparedTable]
    missing: list[str]


def describe_run(run: Run) -> dict[str, Any]:
    """What was run, as plain words: name, settings, versions, results."""
    manifest = run.manifest
    return {
        "name": run.name,
        "images": len(run.done()),
        "settings": {key.replace("_", " "): _say(v) for key, v in manifest.settings.items()},
        "versions": ", ".join(f"{name} {version}" for name, version in manifest.versions.items()),
        "failed": manifest.failed,
    }


def assign_roles(runs: Sequence[Run]) -> dict[str, Run]:
    """The paper's network that each run is set beside: the one it is named after, or in order."""
    if all(run.name in NETWORKS for run in runs) and len({run.name for run in runs}) == len(runs):
        return {run.name: run for run in runs}
    return dict(zip(NETWORKS, runs, strict=False))


def collect_numbers(runs: Sequence[Run]) -> Numbers:
    """All numbers of the runs, first at a glance and then table by table beside the printed."""
    roles = assign_roles(runs)
    measured = {role: collect(run) for role, run in roles.items()}
    comparisons = compare(PUBLISHED, measured)
    return Numbers(
        _glance(comparisons, roles),
        [
            _lay_out(title, [c for c in comparisons if c.published.place == place], roles)
            for place, title in _TITLES.items()
        ],
        [f"{roles[role].name}: {text}" for role, m in measured.items() for text in m.missing],
    )


def diagnose(run: Run) -> list[tuple[str, str]]:
    """Titles and texts of the diagnostics; one section with the reason where there are none."""
    try:
        return diagnose_run(run)
    except InputError as error:
        return [("Not made", str(error))]


def draw_figures(runs: Sequence[Run]) -> tuple[list[dict[str, Any]], list[str]]:
    """PNGs of the overview's figures with their words, and why some are missing."""
    drawn, reasons = [], []
    for number, words in FIGURES.items():
        try:
            paths = make_figure(number, runs)
        except InputError as error:
            reasons.append(f"Figure {number}: {error}")
            continue
        drawn += [
            _load_picture(path) | {"number": number, "words": words}
            for path in paths
            if path.suffix == ".png"
        ]
    return drawn, reasons


def _load_picture(path: Path) -> dict[str, Any]:
    """Name, content and size in pixels of a picture, so that the page keeps its place."""
    with Image.open(path, formats=["PNG"]) as picture:
        width, height = picture.size
    return {"file": path.name, "content": path.read_bytes(), "width": width, "height": height}


def _glance(comparisons: Sequence[Comparison], roles: dict[str, Run]) -> dict[str, dict[str, str]]:
    glance: dict[str, dict[str, str]] = {run.name: {} for run in roles.values()}
    for comparison in comparisons:
        number = comparison.published
        words = _GLANCE.get(number.quantity)
        if words and number.place != "table 3":
            glance[roles[number.network].name][words] = _cell(comparison).ours
    return glance


def _lay_out(title: str, comparisons: Sequence[Comparison], roles: dict[str, Run]) -> ComparedTable:
    header: dict[str, None] = {}
    rows: dict[str, list[Cell]] = {}
    for comparison in comparisons:
        label, column = _name(comparison)
        run = roles[comparison.published.network]
        header.setdefault(f"{run.name} {column}".strip())
        rows.setdefault(label, []).append(_cell(comparison))
    return ComparedTable(title, tuple(header), tuple((k, tuple(v)) for k, v in rows.items()))


def _name(comparison: Comparison) -> tuple[str, str]:
    """Row and column: "iou_adj/all/r2/train" is ("IoU_adj: R², all metrics", "training")."""
    words = [_WORDS.get(word, word) for word in comparison.published.quantity.split("/")]
    if len(words) == 1:
        return words[0], ""
    target, model, score, part = words
    return f"{target}: {score}, {model}", part


def _cell(comparison: Comparison) -> Cell:
    number = comparison.published
    printed = format_number(number.value, number)
    if comparison.verdict == "missing":
        return Cell(NOT_AVAILABLE, printed, "", comparison.verdict)
    return Cell(
        format_number(comparison.value.mean, number),
        printed,
        format_number(comparison.difference, number, sign="+"),
        comparison.verdict,
    )


def _say(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " × ".join(map(_say, value)) if len(value) == 2 else ", ".join(map(_say, value))
    return str(value)
