"""The overview of the page: runs, numbers next to the printed ones, figures, diagnostics."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from metaseg_tf.analysis.evaluation import diagnose_run
from metaseg_tf.errors import InputError
from metaseg_tf.paper.figures import FIGURES, make_figure
from metaseg_tf.paper.layout import NOT_AVAILABLE
from metaseg_tf.paper.measured import collect
from metaseg_tf.paper.published import NETWORKS, PUBLISHED
from metaseg_tf.paper.quantities import FALSE_POSITIVES, MIOU, SEGMENTS, Quantity
from metaseg_tf.paper.verify import Comparison, compare, format_number
from metaseg_tf.runs.run import Run

__all__ = ["assign_roles", "collect_numbers", "describe_run", "diagnose", "draw_figures"]

#: The numbers shown first; scores are means over the validation halves of ten splits.
_GLANCE = {
    MIOU: "mIoU of the network",
    SEGMENTS: "segments with interior",
    FALSE_POSITIVES: "false positives",
    Quantity("iou_adj", "penalized", "acc", "validation"): "accuracy of the meta classification",
    Quantity("iou_adj", "penalized", "auroc", "validation"): "AUROC",
    Quantity("iou_adj", "all", "r2", "validation"): "R² of the meta regression",
    Quantity("iou_adj", "all", "sigma", "validation"): "σ of its error",
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
    """Our number, the printed one, and their difference, formatted for the page."""

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
    """The numbers on the page, and reasons why some are missing."""

    #: Run -> description of a number -> the number as text, for the few that matter most.
    glance: dict[str, dict[str, str]]
    tables: list[ComparedTable]
    missing: list[str]


def describe_run(run: Run) -> dict[str, Any]:
    """Name, settings, versions and failed images of a run, as plain words."""
    manifest = run.manifest
    return {
        "name": run.name,
        "images": len(run.done()),
        "settings": {key.replace("_", " "): _say(v) for key, v in manifest.settings.items()},
        "versions": ", ".join(f"{name} {version}" for name, version in manifest.versions.items()),
        "failed": manifest.failed,
    }


def assign_roles(runs: Sequence[Run]) -> dict[str, Run]:
    """The paper's network -> the run compared with it: the run of that name, or in order."""
    if all(run.name in NETWORKS for run in runs) and len({run.name for run in runs}) == len(runs):
        return {run.name: run for run in runs}
    return dict(zip(NETWORKS, runs, strict=False))


def collect_numbers(runs: Sequence[Run]) -> Numbers:
    """All numbers of the runs, first at a glance and then table by table next to the printed."""
    roles = assign_roles(runs)
    measured = {role: collect(run) for role, run in roles.items()}
    comparisons = compare(PUBLISHED, measured)
    glance: dict[str, dict[str, str]] = {run.name: {} for run in roles.values()}
    for comparison in comparisons:
        number = comparison.published
        if number.quantity in _GLANCE and number.place != "table 3":
            words = _GLANCE[number.quantity]
            glance[roles[number.network].name][words] = _cell(comparison).ours
    tables = [
        _lay_out(title, [c for c in comparisons if c.published.place == place], roles)
        for place, title in _TITLES.items()
    ]
    missing = [f"{roles[role].name}: {text}" for role, m in measured.items() for text in m.missing]
    return Numbers(glance, tables, missing)


def diagnose(run: Run) -> list[tuple[str, str]]:
    """Titles and texts of the diagnostics; one section with the reason if there are none."""
    try:
        return diagnose_run(run)
    except InputError as error:
        return [("Not made", str(error))]


def draw_figures(
    runs: Sequence[Run], made: Mapping[int, Sequence[Path]] | None = None
) -> tuple[list[dict[str, Any]], list[str]]:
    """PNGs of the figures that have a caption, and the reasons why some are missing.

    ``made`` are their files by number, if no others are to be shown.
    """
    drawn: list[dict[str, Any]] = []
    reasons = []
    for number, entry in FIGURES.items():
        if not entry.caption:
            continue
        try:
            paths = make_figure(number, runs) if made is None else made.get(number, ())
        except InputError as error:
            reasons.append(f"Figure {number}: {error}")
            continue
        for path in (path for path in paths if path.suffix == ".png"):
            with Image.open(path, formats=["PNG"]) as picture:
                width, height = picture.size  # for the space that the page keeps free for it
            size = {"width": width, "height": height}
            shown = {"number": number, "caption": entry.caption, "file": path.name}
            drawn.append({**shown, **size, "content": path.read_bytes()})
    return drawn, reasons


def _lay_out(title: str, comparisons: Sequence[Comparison], roles: dict[str, Run]) -> ComparedTable:
    header: dict[str, None] = {}
    rows: dict[str, list[Cell]] = {}
    for comparison in comparisons:
        quantity = comparison.published.quantity
        run = roles[comparison.published.network]
        target, model, score, part = (_WORDS.get(word, word) for word in quantity[:4])
        name = f"{target}: {score}, {model}" if part else _WORDS.get(str(quantity), str(quantity))
        header.setdefault(f"{run.name} {part}".strip())
        rows.setdefault(name, []).append(_cell(comparison))
    return ComparedTable(title, tuple(header), tuple((k, tuple(v)) for k, v in rows.items()))


def _cell(comparison: Comparison) -> Cell:
    number = comparison.published
    printed = format_number(number.value, number)
    if comparison.verdict == "missing":
        return Cell(NOT_AVAILABLE, printed, "", comparison.verdict)
    difference = format_number(comparison.difference, number, sign="+")
    ours = format_number(comparison.value.mean, number)
    return Cell(ours, printed, difference, comparison.verdict)


def _say(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " × ".join(map(_say, value)) if len(value) == 2 else ", ".join(map(_say, value))
    return str(value)
