"""Tables 2 and 3 from a segment table: classification and both regressions by one protocol."""

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from metaseg_tf.analysis.classification import Classification, fit_classification
from metaseg_tf.analysis.design import Design, build_design
from metaseg_tf.analysis.protocol import PAPER_PROTOCOL, Protocol
from metaseg_tf.analysis.regression import Regression, fit_regression
from metaseg_tf.errors import InputError
from metaseg_tf.schema import IOU_COLUMNS

__all__ = ["Evaluation", "evaluate", "summarise"]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Everything that Tables 2 and 3 and Figures 3, 4 and 5 are made of.

    Fits are made on first use: a table with one outcome only has regressions although its
    classification raises an InputError.

    Attributes
    ----------
    design : Design
    protocol : Protocol
    classification : Classification
    regressions : dict of str to Regression
        By target: ``iou_adj`` and ``iou``.
    """

    design: Design
    protocol: Protocol

    @cached_property
    def classification(self) -> Classification:
        return fit_classification(self.design, self.protocol)

    @cached_property
    def regressions(self) -> dict[str, Regression]:
        targets = reversed(IOU_COLUMNS)
        return {target: fit_regression(self.design, target, self.protocol) for target in targets}

    def tidy(self) -> pd.DataFrame:
        """``evaluation.csv``: columns split, target, model, score, part, value.

        The penalised rows and the refits are those at ``classification.best_c``. Where only
        regression is possible, its rows alone.
        """
        return pd.concat([part.tidy() for part in self._parts()], ignore_index=True)[_COLUMNS]

    def clipped(self) -> pd.DataFrame:
        """The same columns for regression with predictions clipped to [0, 1]."""
        frames = [regression.clipped for regression in self.regressions.values()]
        return pd.concat(frames, ignore_index=True)[_COLUMNS]

    def _parts(self) -> list[Classification | Regression]:
        made: list[Classification | Regression] = []
        reasons = []
        for make in (lambda: [self.classification], lambda: self.regressions.values()):
            try:
                made += make()
            except InputError as error:
                reasons.append(error)
        if not made:
            raise reasons[0]
        return made


_COLUMNS = ["split", "target", "model", "score", "part", "value"]


def evaluate(table: pd.DataFrame, protocol: Protocol = PAPER_PROTOCOL) -> Evaluation:
    """Run the protocol of section 3 over a segment table with ground truth.

    Parameters
    ----------
    table : DataFrame
        Segment table, rows in the order of images and then of segments.
    protocol : Protocol

    Raises
    ------
    InputError
        If the table has no segments to fit. Whether they carry a fit shows when it is asked for.
    """
    # Training rows differ from run to run, so "train" scales are taken within each of them.
    return Evaluation(build_design(table, classes=protocol.classes), protocol)


def summarise(tidy: pd.DataFrame) -> pd.DataFrame:
    """Mean and population standard deviation over splits: what Tables 2 and 3 print.

    Returns
    -------
    DataFrame
        Indexed by target, model, score and part, with columns ``mean`` and ``std``.
    """
    groups = tidy.groupby(["target", "model", "score", "part"], sort=False)["value"]
    return pd.DataFrame({"mean": groups.mean(), "std": groups.std(ddof=0)})
