"""How good verdicts on segments are: scores with intervals, over all, by class and by size."""

import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from metaseg_tf.analysis import verdict_scores
from metaseg_tf.analysis.design import check_finite
from metaseg_tf.analysis.protocol import map_splits
from metaseg_tf.analysis.scores import group_by_size
from metaseg_tf.data.classes import ClassTable
from metaseg_tf.errors import InputError
from metaseg_tf.meta.model import SCORE_COLUMNS, MetaModel
from metaseg_tf.runs.run import Run, load_run
from metaseg_tf.segments.truth import check_truth

__all__ = ["Scores", "compare_scores", "score", "score_run"]

_LOG = logging.getLogger(__name__)
_, _LINEAR, _FALSE_POSITIVE, *_ = SCORE_COLUMNS


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of verdicts on n segments, and of groups of them, with 95 % intervals."""

    #: One row per group and score: ``group`` ("all", "interior", "class" or "size") and ``of``
    #: which, ``images``, ``segments``, ``false_positives``, ``score`` (a key of
    #: `metaseg_tf.analysis.verdict_scores.SCORES`), ``value``, and ``low`` and ``high``, the ends
    #: of a 95 % interval by bootstrap over images; NaN where there is none.
    table: pd.DataFrame
    images: frozenset[str]  #: Their names.
    reliability: pd.DataFrame  #: As `metaseg_tf.analysis.verdict_scores.Scorer` gives it,
    risk_coverage: pd.DataFrame  #: and so is this.
    threshold: float  #: Segments of at least this probability count as rejected.
    #: Scores of each group for each draw of images, float64 [draws, scores].
    drawn: dict[tuple[str, str], np.ndarray] = field(repr=False)

    def group(self, group: str = "all", of: str = "") -> pd.DataFrame:
        """Value and interval of each score of one group, indexed by score."""
        rows = self.table[(self.table["group"] == group) & (self.table["of"] == of)]
        return rows.set_index("score")[["value", "low", "high"]]

    def to_json(self, group: str = "all", of: str = "") -> dict[str, dict[str, float | None]]:
        """The same as plain JSON values, with None for NaN."""
        rows = self.group(group, of).astype(object).where(lambda x: x.notna(), None)
        return rows.to_dict(orient="index")


def score(
    table: pd.DataFrame,
    model: MetaModel | None = None,
    *,
    classes: ClassTable | None = None,
    cost: tuple[float, float] = (1.0, 1.0),
    draws: int = verdict_scores.DRAWS,
    by: Collection[str] = ("interior", "class", "size"),
) -> Scores:
    """Score verdicts on segments with ground truth, of images that the model was not fitted on.

    Parameters
    ----------
    table : DataFrame
        A segment table with ground truth and, unless there is a model, the columns of verdicts.
    model : MetaModel, optional
    classes : ClassTable, optional
        Names of the classes; else those of the model, else their numbers.
    cost : (float, float)
        Cost of rejecting a segment that is no false positive, and of keeping a false positive.
    draws : int
        Bootstrap draws of images; 0 for scores without intervals.
    by : collection of {"interior", "class", "size"}
        Groups to score besides all segments.

    Raises
    ------
    InputError
        If there is no ground truth or no verdict, or a cost is not positive.
    """
    check_truth(table)
    if not all(np.isfinite(cost)) or min(cost) <= 0:
        raise InputError(f"cost: expected two positive numbers, got {cost}; 1:1 is usual")
    if model is not None:
        table = table.assign(**model.score(table))
    elif _FALSE_POSITIVE not in table:
        raise InputError(
            "score: expected a meta model or a table with verdicts, got neither; pass a model"
        )
    check_finite(table, ("iou_adj", _LINEAR, _FALSE_POSITIVE))
    number, images = pd.factorize(table["image"], sort=True)
    n = len(images)
    counts = verdict_scores.draw_images(n, draws) if draws and n > 1 else np.empty((0, n))
    arrays = [table[name].to_numpy(np.float64) for name in (_FALSE_POSITIVE, _LINEAR, "iou_adj")]
    scorers, parts = {}, []
    for key, rows in _groups(table, classes or (model and model.classes), by):
        values = (array[rows] for array in arrays)
        scorers[key] = verdict_scores.Scorer(*values, number[rows], n, cost)
        seen, false = len(np.unique(number[rows])), np.count_nonzero(arrays[2][rows] == 0)
        facts = dict(zip(("group", "of"), key, strict=True))
        facts |= {"images": seen, "segments": len(rows), "false_positives": false}
        parts.append(pd.DataFrame({**facts, "score": list(verdict_scores.SCORES)}))
    drawn = map_splits(lambda scorer: scorer.compute(counts), scorers.values())
    for part, scorer, scores in zip(parts, scorers.values(), drawn, strict=True):
        part["value"] = scorer.compute(np.ones((1, n)))[0]
        part["low"], part["high"] = scorer.intervals(scores)
    whole = scorers["all", ""]
    return Scores(
        pd.concat(parts, ignore_index=True),
        frozenset(images),
        whole.reliability(counts),
        whole.risk_coverage(),
        whole.threshold,
        dict(zip(scorers, drawn, strict=True)),
    )


def score_run(run: Run, model: MetaModel | None = None, **options: Any) -> Scores:
    """`score` a run with ground truth, or judged images whose truth is known.

    Warns if the model was fitted on images of the run. Raises InputError if there is no ground
    truth, or no model for a run that is not judged, and SettingsMismatchError if the run was
    measured in another way than the model needs.
    """
    table = load_run(run.address)
    if "iou_adj" not in table and _FALSE_POSITIVE in table:
        raise InputError(
            f"{run.path}: expected segments with ground truth, got judged ones without; extract "
            f"the images with their labels, and score that run with --model {run.path}"
        )
    check_truth(table, str(run.path))
    if model is None and _FALSE_POSITIVE not in table:
        raise InputError(
            f"{run.path}: expected a meta model for this run, got none; give --model, a file "
            "written by metaseg-tf fit on another run"
        )
    if model is not None:
        model.check_settings(run.manifest.settings)
        known = {*table["image"]} & {*model.provenance.get("fitted_on", ())}
        if known:
            _LOG.warning(
                "%s: the model was fitted on %d of these %d images, where its verdicts are better "
                "than on new ones; its scores on held-out images are kept in its file",
                *(run.path, len(known), table["image"].nunique()),
            )
    return score(table, model, classes=run.classes, **options)


def compare_scores(one: Scores, other: Scores) -> pd.DataFrame:
    """Paired differences, other less one, of the scores of the groups that both have.

    Columns ``group``, ``of``, ``score``, ``difference``, ``low``, ``high``. Raises InputError
    unless both are of the same images and as many draws, which are the same then.
    """
    if one.images != other.images:
        raise InputError(
            f"score: expected two sets of verdicts on the same images, got {len(one.images)} and "
            f"{len(other.images)} images, {len(one.images & other.images)} of them in both; "
            "extract the same images"
        )
    first, second = one.drawn, other.drawn
    if len(first["all", ""]) != len(second["all", ""]):
        raise InputError("score: expected as many draws of images for both; score one again")
    keys = ["group", "of", "score"]
    found = one.table[[*keys, "value"]].merge(other.table[[*keys, "value"]], on=keys)
    found["difference"] = found.pop("value_y") - found.pop("value_x")
    moved = np.concatenate([second[key] - first[key] for key in first if key in second], axis=1)
    found["low"], found["high"] = verdict_scores.expand_percentiles(moved, len(one.images))
    return found


def _groups(
    table: pd.DataFrame, classes: ClassTable | None, by: Collection[str]
) -> Iterator[tuple[tuple[str, str], np.ndarray]]:
    """Kind and name of each group of segments, and its rows; empty groups are left out."""
    class_id, area, inside = (table[name].to_numpy() for name in ("class_id", "S", "S_in"))
    names = classes.names if classes else [f"class {j}" for j in range(int(class_id.max()) + 1)]
    groups = {("all", ""): np.ones(len(table), bool)}
    groups |= {("interior", "with interior"): inside > 0, ("interior", "without"): inside == 0}
    groups |= {("class", name): class_id == j for j, name in enumerate(names)}
    groups |= {("size", name): chosen for name, chosen in group_by_size(area).items()}
    for key, chosen in groups.items():
        if chosen.any() and key[0] in ("all", *by):
            yield key, np.flatnonzero(chosen)
