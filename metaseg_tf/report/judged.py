"""The verdicts that the page shows: those of a meta model, or of the paper's first run."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from metaseg_tf.analysis.evaluation import evaluate_run
from metaseg_tf.errors import InputError
from metaseg_tf.meta import MetaModel
from metaseg_tf.meta.model import SCORE_COLUMNS
from metaseg_tf.runs.run import Run, load_run
from metaseg_tf.segments.truth import check_truth

__all__ = ["JudgedRun", "judge_run"]

_PREDICTED, _LINEAR, _FALSE_POSITIVE = SCORE_COLUMNS


class JudgedRun(NamedTuple):
    """A run with verdicts on its segments.

    Attributes
    ----------
    run : Run
    table : DataFrame
        The segment table with the columns ``SCORE_COLUMNS``; NaN where there is no verdict.
    origin : str
        One sentence on where the verdicts come from.
    """

    run: Run
    table: pd.DataFrame
    origin: str


def judge_run(run: Run, model: MetaModel | None = None) -> JudgedRun:
    """Verdicts of a kept model or, without one, of run 0 of the published protocol.

    Raises
    ------
    InputError
        If the run has no ground truth.
    SettingsMismatchError
        If the model is for another number of classes, or other settings of measuring.
    """
    table = load_run(run.path)
    check_truth(table, str(run.path))
    if model is None:
        scores, origin = _first_run(run, table)
    else:
        model.check_settings(run.manifest.settings)
        scores, origin = model.score(table), _describe(model)
    return JudgedRun(run, pd.concat([table, scores], axis=1), origin)


def _first_run(run: Run, table: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    scores = pd.DataFrame(np.nan, table.index, list(SCORE_COLUMNS))
    try:
        evaluation = evaluate_run(run)
        rows = scores.index[evaluation.design.rows]
        scores.loc[rows, _LINEAR] = evaluation.regressions["iou_adj"].predicted
        scores[_PREDICTED] = scores[_LINEAR].clip(0, 1)
        scores.loc[rows, _FALSE_POSITIVE] = 1 - evaluation.classification.probability
    except InputError as error:
        return scores, f"Verdicts are missing: {error}."
    return scores, (
        "Verdicts are those of run 0 of the published protocol, fitted on one half of the "
        "segments with interior; segments without interior have none."
    )


def _describe(model: MetaModel) -> str:
    known = model.provenance
    return (
        f"Verdicts are those of a kept meta model, fitted on {known.get('images', '?')} images of "
        f"the run {known.get('run') or '?'}."
    )
