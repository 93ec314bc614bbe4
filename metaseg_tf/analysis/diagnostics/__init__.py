"""Regression diagnostics: what may and may not be read from the fits of a run."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import pandas as pd

from metaseg_tf.analysis.design import Design, build_design
from metaseg_tf.analysis.diagnostics import assumptions
from metaseg_tf.analysis.diagnostics.assumptions import HypothesisTest, tabulate_tests
from metaseg_tf.analysis.diagnostics.linear import (
    Aliases,
    LinearFit,
    find_aliases,
    fit_linear,
    most_influential,
    variance_inflation,
)
from metaseg_tf.analysis.diagnostics.logit import Calibration, LogitFit, calibrate, fit_logit
from metaseg_tf.analysis.protocol import PAPER_PROTOCOL
from metaseg_tf.data.classes import ClassTable
from metaseg_tf.errors import InputError
from metaseg_tf.segments.columns import groups_in, name_feature

__all__ = ["Diagnostics", "diagnose"]

Part = TypeVar("Part")
#: Columns that a sentence names at most.
_LISTED = 10

_TESTS = (
    assumptions.breusch_pagan,
    assumptions.white,
    assumptions.jarque_bera_test,
    assumptions.omnibus,
    assumptions.reset,
)
#: Tests -> what follows if the hypothesis of one of them is rejected.
_CONSEQUENCES = {
    ("Breusch-Pagan", "White"): "Plain standard errors and p-values are not valid: read the "
    "clustered ones.",
    ("Jarque-Bera", "Omnibus"): "Intervals that take residuals for normal are off; coefficients "
    "are not affected.",
    ("RESET",): "A straight line misses some curvature, as for any target that is bound to [0, 1]: "
    "coefficients are average slopes.",
    ("Hosmer-Lemeshow",): "Probabilities rank segments; as frequencies they are good to about the "
    "error given under Calibration.",
}


@dataclass(frozen=True, eq=False)
class Diagnostics:
    """The findings of ``diagnose``; as a string, one page in words."""

    design: Design
    aliases: Aliases  #: Columns dropped before anything is interpreted.
    linear: LinearFit  #: Least squares of the target on the kept columns.
    points: pd.DataFrame  #: Of each segment, see `LinearFit.points`.
    coefficients: pd.DataFrame  #: With four kinds of errors, see `LinearFit.coefficients`.
    vif: pd.DataFrame
    tests: tuple[HypothesisTest, ...]  #: Of the linear model's assumptions.
    influential: pd.DataFrame  #: The 20 largest Cook's distances, with image and box.
    logit: LogitFit | None
    calibration: Calibration | None
    missing: tuple[str, ...]  #: Why a test, the logit or the calibration could not be made, if so.

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

    def sections(self) -> Iterator[tuple[str, str]]:
        """Title and text of each section of the page, in reading order."""
        results, n_images = self.linear.results, len(set(self.design.image))
        yield (
            "Data and fit",
            f"{len(self.design)} segments with interior from {n_images} images, "
            f"{np.mean(~self.design.y):.1%} of them false positives.\n"
            f"{results.model.endog_names} on {len(self.linear.columns)} columns: "
            f"R2 {results.rsquared:.2%}, sigma {np.sqrt(results.mse_resid):.3f}.",
        )
        say, most = self.design.say, self.vif.head(5).itertuples()
        worst = ", ".join(f"{say(row.column)} {row.vif:.0f}" for row in most)
        yield (
            "Columns",
            f"{self.aliases}\n{int((self.vif['vif'] > 10).sum())} of the kept columns have a "
            f"variance inflation factor above 10 (largest: {worst}): their single coefficients are "
            "poorly determined, sums of them and predictions are not.",
        )
        if self.tests:
            yield "Assumptions of the linear model", "\n".join(map(str, self.tests))
        yield "Standard errors", self._standard_errors(n_images)
        first, cook = self.influential.iloc[0], self.points["cook"]
        place = ", ".join(f"{name} {first[name]}" for name in ("image", "segment") if name in first)
        yield (
            "Influence",
            f"{np.mean(cook > 4 / len(cook)):.1%} of the segments have a Cook's distance above "
            f"4/n; the largest is {first['cook']:.3g} ({place}); above 1 a single segment moves "
            "the fit.",
        )
        if self.logit:
            tests = "\n".join(map(str, self.logit.group_tests))
            explained = f"McFadden's R2 {self.logit.results.prsquared:.2%}."
            yield "Metric groups in the logistic model", f"{explained}\n{tests}"
        if self.calibration:
            yield "Calibration", f"{self.calibration}.\n{self.calibration.test}"
        rejected = {test.name for test in self.all_tests() if test.rejected}
        follows = [text for tests, text in _CONSEQUENCES.items() if rejected & {*tests}]
        if self.aliases.equations:
            follows += ["Coefficients hold for the kept columns; another choice gives other ones."]
        if follows:
            yield "What follows", "\n".join(f"- {line}" for line in follows)
        if self.missing:
            yield "Not made", "\n".join(self.missing)

    def _standard_errors(self, n_images: int) -> str:
        frame = self.coefficients
        if frame["se_cluster"].isna().all():
            return "All segments are of one image: errors clustered by image cannot be computed."
        ratio = frame["se_cluster"] / frame["se_plain"]
        lost = frame.index[(frame["p_plain"] < 0.01) & (frame["p_cluster"] >= 0.01)]
        names = [self.design.say(name) for name in lost[:_LISTED]]
        if others := len(lost) - len(names):
            names.append(f"and {others} others")
        few = f" With {n_images} images only they are rough." if n_images < 50 else ""
        return (
            f"Clustered by image, standard errors are {ratio.median():.2f} times the plain ones in "
            f"the median and {ratio.max():.2f} times at most "
            f"({self.design.say(ratio.idxmax())}).{few}\n"
            f"Significant at 1% by plain errors only: {', '.join(names) or 'none'}."
        )

    def __str__(self) -> str:
        return "\n\n".join(f"{name}\n{'-' * len(name)}\n{text}" for name, text in self.sections())


def diagnose(
    table: pd.DataFrame,
    *,
    target: str = "iou_adj",
    engine: str = PAPER_PROTOCOL.engine,
    classes: ClassTable | None = None,
) -> Diagnostics:
    """Diagnose the regression of a target and the classification of IoU_adj > 0.

    Parameters
    ----------
    table : DataFrame
        Segment table with ground truth.
    target : {"iou_adj", "iou"}
    engine : {"lars", "reference"}
        Solver of the cross-fitted logistic models behind the calibration.
    classes : ClassTable, optional
        Names for texts: ``p(road)`` in place of ``cprob0``.

    Raises
    ------
    InputError
        If the table cannot carry a regression. What else cannot be made is named in ``missing``.
    """
    design = build_design(table, groups=groups_in(table))
    if classes is not None:
        words = {name: name_feature(name, classes) for name in design.columns}
        design = replace(design, words=words)
        table = table.assign(class_name=table["class_id"].map(dict(enumerate(classes.names))))
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


def _attempt(missing: list[str], make: Callable[[], Part]) -> Part | None:
    """Make one part, or note why the table does not allow it."""
    try:
        return make()
    except InputError as error:
        missing.append(str(error))
        return None
