"""All diagnostics of a segment table, as frames, as text, and as one page in words."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import pandas as pd

from metaseg_tf.analysis.design import Design, build_design
from metaseg_tf.analysis.diagnostics import assumptions
from metaseg_tf.analysis.diagnostics.aliases import Aliases, find_aliases, variance_inflation
from metaseg_tf.analysis.diagnostics.calibration import Calibration, calibrate
from metaseg_tf.analysis.diagnostics.hypothesis import HypothesisTest, tabulate_tests
from metaseg_tf.analysis.diagnostics.linear import LinearFit, fit_linear, most_influential
from metaseg_tf.analysis.diagnostics.logit import LogitFit, fit_logit
from metaseg_tf.analysis.diagnostics.words import describe
from metaseg_tf.analysis.protocol import PAPER_PROTOCOL
from metaseg_tf.errors import InputError

__all__ = ["Diagnostics", "diagnose", "summary_text"]

Part = TypeVar("Part")

_TESTS = (
    assumptions.breusch_pagan,
    assumptions.white,
    assumptions.jarque_bera_test,
    assumptions.omnibus,
    assumptions.reset,
)


@dataclass(frozen=True, eq=False)
class Diagnostics:
    """What ``diagnose`` found.

    Attributes
    ----------
    design : Design
    aliases : Aliases
        Columns dropped before anything is interpreted.
    linear : LinearFit
        Least squares of the target on the kept columns; its ``partial_regression(column)`` is the
        frame behind one plot.
    points : DataFrame
        Fitted value, residual, leverage, ... of each segment, behind the residual plots.
    coefficients : DataFrame
        With plain, heteroscedasticity-robust and image-clustered standard errors.
    vif : DataFrame
    tests : tuple of HypothesisTest
        Of the linear model's assumptions.
    influential : DataFrame
        The 20 segments with the largest Cook's distance, with image and box.
    logit : LogitFit or None
    calibration : Calibration or None
    missing : tuple of str
        Why a test, the logit or the calibration could not be made, if so.
    """

    design: Design
    aliases: Aliases
    linear: LinearFit
    points: pd.DataFrame
    coefficients: pd.DataFrame
    vif: pd.DataFrame
    tests: tuple[HypothesisTest, ...]
    influential: pd.DataFrame
    logit: LogitFit | None
    calibration: Calibration | None
    missing: tuple[str, ...]

    def all_tests(self) -> tuple[HypothesisTest, ...]:
        """The tests of the linear model, of the metric groups and of the calibration."""
        groups = self.logit.group_tests if self.logit else ()
        return (*self.tests, *groups, *([self.calibration.test] if self.calibration else ()))

    def frames(self) -> dict[str, pd.DataFrame]:
        """Tables to be stored as CSV, by name."""
        frames = {
            "coefficients": self.coefficients.reset_index(),
            "aliases": self.aliases.frame(),
            "vif": self.vif,
            "tests": tabulate_tests(self.all_tests()),
            "influential": self.influential,
        }
        return frames | ({"reliability": self.calibration.table} if self.calibration else {})

    def texts(self) -> dict[str, str]:
        """Texts to be stored, by name: the page in words and the summaries of statsmodels."""
        texts = {"summary": str(self), "ols": self.linear.results.summary().as_text()}
        return texts | ({"logit": self.logit.results.summary().as_text()} if self.logit else {})

    def __str__(self) -> str:
        return summary_text(self)


def diagnose(
    table: pd.DataFrame, *, target: str = "iou_adj", engine: str = PAPER_PROTOCOL.engine
) -> Diagnostics:
    """Diagnose the regression of a target and the classification of IoU_adj > 0.

    Parameters
    ----------
    table : DataFrame
        Segment table with ground truth.
    target : {"iou_adj", "iou"}
    engine : {"lars", "reference"}
        Solver of the cross-fitted logistic models behind the calibration.

    Raises
    ------
    InputError
        If the table cannot carry a regression. What else cannot be made is named in ``missing``.
    """
    design = build_design(table)
    aliases = find_aliases(design)
    linear = fit_linear(design, aliases.kept, target)
    points = linear.points()
    missing: list[str] = []
    tests = [_attempt(missing, lambda test=test: test(linear)) for test in _TESTS]
    return Diagnostics(
        design,
        aliases,
        linear,
        points,
        linear.coefficients(design.image),
        variance_inflation(linear.X, linear.columns),
        tuple(test for test in tests if test),
        most_influential(points, design, table),
        _attempt(missing, lambda: fit_logit(design, aliases.kept)),
        _attempt(missing, lambda: calibrate(design, aliases.kept, engine=engine)),
        tuple(missing),
    )


def summary_text(diagnostics: Diagnostics) -> str:
    """One page that says in words what each test found."""
    return "\n\n".join(
        f"{title}\n{'-' * len(title)}\n{body}" for title, body in describe(diagnostics) if body
    )


def _attempt(missing: list[str], make: Callable[[], Part]) -> Part | None:
    """Make one part, or note why the table does not allow it."""
    try:
        return make()
    except InputError as error:
        missing.append(str(error))
        return None
