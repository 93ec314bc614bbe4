"""Tables 2 and 3 from a segment table: classification and both regressions by one protocol."""

from dataclasses import dataclass

import pandas as pd

from metaseg_tf.analysis.classification import Classification, fit_classification
from metaseg_tf.analysis.design import Design, build_design
from metaseg_tf.analysis.protocol import PAPER_PROTOCOL, Protocol
from metaseg_tf.analysis.regression import Regression, fit_regression
from metaseg_tf.schema import IOU_COLUMNS

__all__ = ["Evaluation", "evaluate", "summarise"]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Everything that Tables 2 and 3 and Figures 3, 4 and 5 are made of.

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
    classification: Classification
    regressions: dict[str, Regression]

    def tidy(self) -> pd.DataFrame:
        """``evaluation.csv``: columns split, target, model, score, part, value.

        The penalised rows and the refits are those at ``classification.best_c``.
        """
        parts = (self.classification, *self.regressions.values())
        return pd.concat([part.tidy() for part in parts], ignore_index=True)[_COLUMNS]

    def clipped(self) -> pd.DataFrame:
        """The same columns for regression with predictions clipped to [0, 1]."""
        frames = [regression.clipped for regression in self.regressions.values()]
        return pd.concat(frames, ignore_index=True)[_COLUMNS]


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
        If the table cannot carry a fit. Where only classification is impossible (one outcome),
        ``fit_regression`` on the same design still works.
    """
    # Training rows differ from run to run, so "train" scales are taken within each of them.
    design = build_design(table, classes=protocol.classes)
    return Evaluation(
        design,
        protocol,
        fit_classification(design, protocol),
        {target: fit_regression(design, target, protocol) for target in reversed(IOU_COLUMNS)},
    )


def summarise(tidy: pd.DataFrame) -> pd.DataFrame:
    """Mean and population standard deviation over splits: what Tables 2 and 3 print.

    Returns
    -------
    DataFrame
        Indexed by target, model, score and part, with columns ``mean`` and ``std``.
    """
    groups = tidy.groupby(["target", "model", "score", "part"], sort=False)["value"]
    return pd.DataFrame({"mean": groups.mean(), "std": groups.std(ddof=0)})
