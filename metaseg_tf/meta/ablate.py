"""What each group of metrics and each estimator adds to the verdicts, on images held out."""

from collections.abc import Callable, Collection, Iterator, Sequence

import pandas as pd

from metaseg_tf.analysis.design import build_design
from metaseg_tf.analysis.estimators import ESTIMATORS
from metaseg_tf.analysis.protocol import PAPER_PROTOCOL, Protocol, image_folds
from metaseg_tf.analysis.verdict_scores import DRAWS
from metaseg_tf.errors import check_choice
from metaseg_tf.meta.fit import LEAST_SCALE, judge_held_out
from metaseg_tf.meta.model import SCORE_COLUMNS, tabulate_verdicts
from metaseg_tf.meta.score import Scores, compare_scores, score
from metaseg_tf.segments.columns import GROUPS, PAPER_GROUPS, groups_in
from metaseg_tf.segments.truth import check_truth

__all__ = ["ablate"]

#: What is scored: the metrics in words, the estimator, and its scores.
_Step = tuple[str, str, Scores]


def ablate(
    table: pd.DataFrame,
    *,
    meta: Sequence[str] = ("linear", "boosting"),
    protocol: Protocol = PAPER_PROTOCOL,
    draws: int = DRAWS,
    progress: Callable[[Iterator[_Step], int], Iterator[_Step]] = lambda steps, total: steps,
) -> pd.DataFrame:
    """Score each estimator on the paper's metrics, on these with one more group, and on all.

    Each is fitted as by `metaseg_tf.fit_meta_model`, on the same folds of images, and scored on
    segments with interior of the images held out.

    Parameters
    ----------
    table : DataFrame
        A segment table with ground truth, of at least two images.
    meta : sequence of str
        Of `metaseg_tf.analysis.estimators.ESTIMATORS`.
    protocol : Protocol
        Its path of C is what the linear classifier's is chosen from.
    draws : int
        Bootstrap draws of images behind the intervals.
    progress : function
        Takes the iterator of fits and their number, and passes it on, to show a bar.

    Returns
    -------
    DataFrame
        One row per set of ``metrics``, estimator (``meta``) and ``score`` (a key of
        `metaseg_tf.analysis.verdict_scores.SCORES`) with its ``value``, and ``low`` and ``high``,
        the ends of a 95 % interval by images; ``difference``, ``difference_low`` and
        ``difference_high`` are the same for the paired difference to the first row's fit, of the
        paper's metrics by the first estimator, where they are 0.

    Raises
    ------
    InputError
        As `metaseg_tf.fit_meta_model`.
    """
    for name in meta:
        check_choice("meta", name, tuple(ESTIMATORS))
    check_truth(table)
    sets = _metrics_of(table)
    steps = _score_each(table, sets, meta, protocol, draws)
    parts, own = [], None
    for words, name, scores in progress(steps, len(sets) * len(meta)):
        own = own or scores
        part = scores.group().reset_index()
        moved = compare_scores(own, scores)[["difference", "low", "high"]]
        part[["difference", "difference_low", "difference_high"]] = moved.to_numpy()
        part.insert(0, "metrics", words)
        part.insert(1, "meta", name)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _score_each(
    table: pd.DataFrame,
    sets: dict[str, Collection[str]],
    meta: Sequence[str],
    protocol: Protocol,
    draws: int,
) -> Iterator[_Step]:
    for words, groups in sets.items():
        design = build_design(table, groups=groups, least_scale=LEAST_SCALE)
        folds = image_folds(table["image"].to_numpy())
        rows = table.iloc[design.rows]
        for name in meta:
            _, log_odds, predicted = judge_held_out(design, folds, name, protocol)
            judged = tabulate_verdicts(predicted, log_odds, None)
            verdicts = dict(zip(SCORE_COLUMNS, judged.T, strict=True))
            yield words, name, score(rows.assign(**verdicts), draws=draws, by=())


def _metrics_of(table: pd.DataFrame) -> dict[str, Collection[str]]:
    """Sets of groups by name: the paper's, with each further one, and all that the table holds."""
    further = [*(group for group in groups_in(table) if group not in PAPER_GROUPS), "prediction"]
    sets = {"paper": PAPER_GROUPS}
    sets |= {f"paper + {GROUPS[group].word}": (*PAPER_GROUPS, group) for group in further}
    return sets | ({"all": (*PAPER_GROUPS, *further)} if len(further) > 1 else {})
