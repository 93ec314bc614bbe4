"""The overview of the page: how good the verdicts are, tables, figures, diagnostics, runs."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from metaseg_tf.analysis.evaluation import diagnose_run, evaluate_run
from metaseg_tf.analysis.scores import FEW, auroc, score_groups
from metaseg_tf.errors import InputError
from metaseg_tf.meta.model import SCORE_COLUMNS
from metaseg_tf.meta.score import score
from metaseg_tf.paper.figures import FIGURES, make_figure
from metaseg_tf.paper.layout import PrintedTable
from metaseg_tf.paper.measured import collect
from metaseg_tf.paper.published import PUBLISHED, Quantity, paper_network
from metaseg_tf.paper.scores import say_scores
from metaseg_tf.paper.tables import TABLES, name_runs
from metaseg_tf.paper.verify import Comparison, compare
from metaseg_tf.report.explorer import JudgedRun
from metaseg_tf.runs.run import Run

__all__ = [
    "collect_numbers", "describe_run", "diagnose", "draw_figures", "say_held_out", "score_verdicts",
]  # fmt: skip

_FILE = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
_TITLES, _WORDS = _FILE["titles"], _FILE["words"]
#: The scores shown first, each of a fit on all metrics and of one on the entropy alone.
_GLANCE = {name: Quantity.parse(text) for name, text in _FILE["glance"].items()}


class Numbers(NamedTuple):
    """The numbers on the page, and reasons why some are missing."""

    tables: dict[str, PrintedTable]  #: By their titles.
    #: For runs of the paper's networks on the paper's data: title of a table -> label of a row ->
    #: name of a column -> our number and the printed one.
    compared: dict[str, dict[str, dict[str, Comparison]]]
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


def collect_numbers(runs: Sequence[Run]) -> Numbers:
    """The tables of the paper for these runs, and what can be compared with print."""
    measured = {name: collect(run) for name, run in name_runs(runs).items()}
    compared: dict[str, dict[str, dict[str, Comparison]]] = {}
    for (name, own), run in zip(measured.items(), runs, strict=True):
        for comparison in compare(PUBLISHED, {paper_network(run.manifest) or "": own}):
            number = comparison.published
            target, model, score, part = (_WORDS.get(word, word) for word in number.quantity[:4])
            label = f"{target}: {score}, {model}" if part else str(number.quantity)
            row = compared.setdefault(_TITLES[number.place], {})
            cells = row.setdefault(_WORDS.get(label, label), {})
            cells[f"{name} {part}".strip()] = comparison
    tables = {_TITLES[f"table {n}"]: table.lay_out(measured) for n, table in TABLES.items()}
    missing = [f"{name}: {text}" for name, own in measured.items() for text in own.missing]
    return Numbers(tables, compared, missing)


def score_verdicts(judged: JudgedRun) -> dict[str, Any]:
    """How good the verdicts of a run are on segments that they were not fitted to.

    Scored are those of a kept model on the whole run, or those of the protocol's fits on their
    validation halves: without a model, or if it was fitted on this run, whose scores would flatter
    it. ``aurocs`` [2, splits] are of the verdicts and of the entropy alone, and empty if there are
    too few segments to tell; the rows of ``classes`` are all together and each that occurs;
    ``scores`` are those of the verdicts on show, with intervals.
    """
    run, model, inner = judged.run, judged.model, judged.table[judged.table["S_in"] > 0]
    # The protocol's own fit is a model without provenance.
    model = model if model and model.provenance else None
    y, measured = (inner["iou_adj"] == 0).to_numpy(), collect(run)
    known = {"segments": len(judged.table), "with_interior": len(y), "false_positives": y.sum()}
    seen = model and all(model.provenance.get(key) == count for key, count in known.items())
    if model and model.reference is not None:
        # Part of the run was set aside for what is promised.
        seen = seen or set() < {*model.provenance.get("fitted_on", ())} < {*judged.table["image"]}
    judge = "protocol" if model is None else "seen" if seen else "model"
    probability = inner[SCORE_COLUMNS[2]].to_numpy(float)[None]
    held_out, aurocs, reason = np.ones(probability.shape, bool), np.empty((2, 0)), ""
    said = say_held_out(model.provenance) if judge == "seen" else {}
    try:
        if judge == "model":
            aurocs = auroc(np.stack([probability[0], inner["E"]]), y)[:, None]
        else:
            evaluation = evaluate_run(run)
            probability, held_out = evaluation.judge_held_out()
            scores = evaluation.classification.tidy().pivot(
                index=["score", "part", "model"], columns="split", values="value"
            )
            aurocs = scores.loc["auroc", "validation"].loc[["penalized", "entropy"]].to_numpy()
        if judge != "seen":
            said = say_scores(score(inner[held_out[0]], by=()).group())
    except InputError as error:
        held_out, reason = np.zeros(probability.shape, bool), str(error)
    if min(y.sum(), len(y) - y.sum()) < FEW:
        aurocs = aurocs[:, :0]
    groups = np.zeros(len(y), int), inner["class_id"].to_numpy(int) + 1
    scores = pd.concat([score_groups(probability, y, group, held_out) for group in groups])
    classes, results = run.classes, run.manifest.results
    ious = [results.get("miou"), *(results.get("class_iou") or [None] * len(classes))]
    about = {"name": ["all classes", *classes.names], "colour": ["", *classes.colours]}
    rows = pd.DataFrame(about | {"iou": np.array(ious, float)}).join(scores)
    rows = rows.fillna({"n": 0, "positive": 0}).sort_values("n", ascending=False, kind="stable")
    occurs = (rows["n"] > 0) | rows["iou"].notna() | (rows.index == 0)
    # Scores on the validation halves; those of clipped predictions if others extrapolate.
    clipped = any(target == "iou_adj" for target, _ in measured.extrapolating)
    fits = {
        name: [measured.values.get(fit._replace(model=m)) for m in (fit.model, "entropy")]
        for name, fit in _GLANCE.items()
        if clipped or not fit.clipped
    }
    return {
        "name": run.name,
        "images": len(run.done()),
        "judge": judge,
        "aurocs": aurocs,
        "lost": int((aurocs[0] <= aurocs[1]).sum()),
        "reason": reason,
        "fits": fits,
        "scores": said,
        "classes": rows[occurs],
        "absent": rows["name"][~occurs].tolist(),
    }


def say_held_out(provenance: Mapping[str, Any]) -> dict[str, str]:
    """Scores that a model keeps of images held out, in words; none if its file has others."""
    try:
        found = pd.DataFrame.from_dict(provenance["held_out"], "index", float)
        return say_scores(found[["value", "low", "high"]])
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def diagnose(run: Run) -> list[tuple[str, str]]:
    """Titles and texts of the diagnostics; one section with the reason if there are none."""
    try:
        return diagnose_run(run)
    except InputError as error:
        return [("Not made", str(error))]


def draw_figures(
    runs: Sequence[Run], made: Mapping[int, Sequence[Path]] | None = None
) -> tuple[list[dict[str, Any]], list[str]]:
    """PNGs of figures with a caption, drawn or of files ``made``, and why some are missing."""
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
        names = [run.name for run in runs]
        shown = [" and ".join(names)] if entry.joint else names
        pictures = (path for path in paths if path.suffix == ".png")
        for path, name in zip(pictures, shown, strict=False):
            with Image.open(path, formats=["PNG"]) as picture:
                width, height = picture.size  # for the space that the page keeps free for it
            size = {"width": width, "height": height, "content": path.read_bytes()}
            about = {"number": number, "run": name, "caption": entry.caption, "file": path.name}
            drawn.append(about | size)
    return drawn, reasons


def _say(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " × ".join(map(_say, value)) if len(value) == 2 else ", ".join(map(_say, value))
    return str(value)
