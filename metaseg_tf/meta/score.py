"""How good verdicts on segments are: scores with intervals, over all, by class and by size."""

import itertools
import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from metaseg_tf.analysis.design import check_finite
from metaseg_tf.analysis.protocol import map_splits
from metaseg_tf.analysis.verdict_scores import (
    DRAWS,
    SCORES,
    Scorer,
    draw_images,
    expand_percentiles,
)
from metaseg_tf.data.classes import ClassTable
from metaseg_tf.errors import InputError
from metaseg_tf.meta.model import SCORE_COLUMNS, MetaModel
from metaseg_tf.runs.run import Run, load_run
from metaseg_tf.segments.truth import check_truth

__all__ = ["GROUPINGS", "Scores", "compare_scores", "score", "score_run"]

_LOG = logging.getLogger(__name__)
GROUPINGS = ("interior", "class", "size")

#: Smallest areas of the groups by size, in pixels.
_SIZES = (1, 100, 1000, 10_000, 100_000)
_PREDICTED, _LINEAR, _FALSE_POSITIVE, *_INTERVAL = SCORE_COLUMNS
#: Draws that are scored at a time.
_BLOCK = 50


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of verdicts on n segments, and of groups of them, with 95 % intervals.

    ``str`` of it is a table for the terminal.
    """

    #: One row per group and score: ``group`` ("all", "interior", "class" or "size") and ``of``
    #: which, ``images``, ``segments``, ``false_positives``, ``score`` (a key of
    #: `metaseg_tf.analysis.verdict_scores.SCORES`), ``value``, and ``low`` and ``high``, the ends
    #: of a 95 % interval by bootstrap over images; NaN where there is none.
    table: pd.DataFrame
    #: One row per segment that was scored: its image, verdicts, and ``iou_adj``.
    segments: pd.DataFrame
    reliability: pd.DataFrame  #: See `metaseg_tf.analysis.verdict_scores.Scorer.reliability`.
    risk_coverage: pd.DataFrame  #: See `metaseg_tf.analysis.verdict_scores.Scorer.risk_coverage`.
    threshold: float  #: Segments of at least this probability count as rejected.
    #: Scores of each group for each draw of images, float64 [draws, len(SCORES)].
    drawn: dict[tuple[str, str], np.ndarray] = field(repr=False)

    def group(self, group: str = "all", of: str = "") -> pd.DataFrame:
        """Value and interval of each score of one group, indexed by score."""
        rows = self.table[(self.table["group"] == group) & (self.table["of"] == of)]
        return rows.set_index("score")[["value", "low", "high"]]

    def to_json(self, group: str = "all", of: str = "") -> dict[str, dict[str, float | None]]:
        """The same as plain JSON values; None where there is no number."""
        rows = self.group(group, of).astype(object).where(lambda x: x.notna(), None)
        return rows.to_dict(orient="index")


def score(
    table: pd.DataFrame,
    model: MetaModel | None = None,
    *,
    classes: ClassTable | None = None,
    cost: tuple[float, float] = (1.0, 1.0),
    draws: int = DRAWS,
    by: Collection[str] = GROUPINGS,
) -> Scores:
    """Score verdicts on segments with ground truth, of images that the model was not fitted on.

    Parameters
    ----------
    table : DataFrame
        A segment table with ground truth and, unless there is a model, the columns of verdicts.
    model : MetaModel, optional
        Whose verdicts to score.
    classes : ClassTable, optional
        Names of the classes; else those of the model, else their numbers.
    cost : (float, float)
        Cost of rejecting a segment that is no false positive, and of keeping a false positive.
    draws : int
        Bootstrap draws of images; 0 for scores without intervals.
    by : collection of str
        Groups to score besides all segments, of `GROUPINGS`.

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
    counts = (
        draw_images(len(images), draws) if draws and len(images) > 1 else np.empty((0, len(images)))
    )
    arrays = [table[name].to_numpy(np.float64) for name in (_FALSE_POSITIVE, _LINEAR, "iou_adj")]
    groups = dict(_groups(table, classes or (model and model.classes), by))
    scorers = {
        key: Scorer(*(values[rows] for values in arrays), number[rows], len(images), cost)
        for key, rows in groups.items()
    }
    blocks = np.array_split(counts, max(1, len(counts) // _BLOCK))
    tasks = [(scorer, block) for scorer in scorers.values() for block in blocks]
    done = iter(map_splits(lambda task: task[0].compute(task[1]), tasks))
    drawn = {key: np.concatenate([next(done) for _ in blocks]) for key in groups}
    parts = []
    for key, scorer in scorers.items():
        (value,) = scorer.compute(np.ones((1, len(images))))
        low, high = scorer.intervals(drawn[key])
        found = pd.DataFrame({"score": list(SCORES), "value": value, "low": low, "high": high})
        found.loc[len(found)] = ("ece_calibrated", scorer.calibrated_ece, np.nan, np.nan)
        facts = {
            "group": key[0],
            "of": key[1],
            "images": len(np.unique(number[groups[key]])),
            "segments": len(groups[key]),
            "false_positives": np.count_nonzero(arrays[2][groups[key]] == 0),
        }
        parts.append(found.assign(**facts)[[*facts, *found]])
    kept = table[["image", "class_id", "S", "S_in", *SCORE_COLUMNS, "iou_adj"]]
    curves = scorers["all", ""].reliability(counts), scorers["all", ""].risk_coverage()
    return Scores(pd.concat(parts, ignore_index=True), kept, *curves, cost[0] / sum(cost), drawn)


def score_run(run: Run, model: MetaModel | None = None, **options: Any) -> Scores:
    """`score` a run with ground truth, or judged images whose truth is known.

    Warns if the model was fitted on images of the run, since its verdicts on them are too good.
    Raises InputError if there is no ground truth, or no model for a run that is not judged, and
    SettingsMismatchError if the run was measured in another way than the model needs.
    """
    table = load_run(run.address)
    if "iou_adj" not in table and _FALSE_POSITIVE in table:
        raise InputError(
            f"{run.path}: expected segments with ground truth, got judged ones without; extract "
            f"the images with their labels, and score that run with --model {run.path}/model.json"
        )
    check_truth(table, str(run.path))
    if model is None and _FALSE_POSITIVE not in table:
        raise InputError(
            f"{run.path}: expected a meta model for this run, got none; give --model, a file "
            "written by metaseg-tf fit on another run"
        )
    if model is not None:
        model.check_settings(run.manifest.settings)
        known = set(table["image"]) & set(model.provenance.get("fitted_on", ()))
        if known:
            _LOG.warning(
                "%s: the model was fitted on %d of these %d images, where its verdicts are better "
                "than on new ones; its scores on held-out images are kept in its file",
                *(run.path, len(known), table["image"].nunique()),
            )
    return score(table, model, classes=run.classes, **options)


def compare_scores(one: Scores, other: Scores) -> pd.DataFrame:
    """Paired differences, other less one, of the scores of the groups that both have.

    Both are of the same images and as many draws, which are the same then: what images have in
    common cancels. Columns ``group``, ``of``, ``score``, ``difference``, ``low``, ``high``. Raises
    InputError if images or draws differ.
    """
    images = [set(scores.segments["image"]) for scores in (one, other)]
    if images[0] != images[1]:
        raise InputError(
            f"score: expected two sets of verdicts on the same images, got {len(images[0])} and "
            f"{len(images[1])} images, {len(images[0] & images[1])} of them in both; extract the "
            "same images"
        )
    rows = []
    for key, drawn in one.drawn.items():
        if key in other.drawn and len(drawn) == len(other.drawn[key]):
            first, second = (scores.group(*key)["value"][list(SCORES)] for scores in (one, other))
            moved, difference = other.drawn[key] - drawn, (second - first).to_numpy()
            found = pd.DataFrame({"score": list(SCORES), "difference": difference})
            found[["low", "high"]] = expand_percentiles(moved, len(images[0])).T
            rows.append(found.assign(group=key[0], of=key[1]))
    columns = ["group", "of", "score", "difference", "low", "high"]
    return pd.concat(rows, ignore_index=True)[columns]


def _groups(
    table: pd.DataFrame, classes: ClassTable | None, by: Collection[str]
) -> Iterator[tuple[tuple[str, str], np.ndarray]]:
    """Kind and name of each group of segments, and its rows; empty groups are left out."""
    class_id, area, inside = (table[name].to_numpy() for name in ("class_id", "S", "S_in"))
    names = classes.names if classes else [f"class {j}" for j in range(int(class_id.max()) + 1)]
    groups = {("all", ""): np.ones(len(table), bool)}
    groups |= {("interior", "with interior"): inside > 0, ("interior", "without"): inside == 0}
    groups |= {("class", name): class_id == j for j, name in enumerate(names)}
    for low, high in itertools.pairwise((*_SIZES, np.inf)):
        upper = f"to {high - 1:.0f}" if high < np.inf else "and more"
        groups["size", f"{low} {upper} pixels"] = (area >= low) & (area < high)
    for key, chosen in groups.items():
        if chosen.any() and key[0] in ("all", *by):
            yield key, np.flatnonzero(chosen)
