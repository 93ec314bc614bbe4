"""Regression diagnostics: what may and may not be read from the fits of a run."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd

from metaseg_tf.analysis.design import Design, build_design
from metaseg_tf.analysis.diagnostics import linear as linear_model
from metaseg_tf.analysis.diagnostics.clusters import LEAST_DF, LEVEL, HypothesisTest, correct_tests
from metaseg_tf.analysis.diagnostics.linear import Aliases, LinearFit
from metaseg_tf.analysis.diagnostics.logit import Calibration, LogitFit, calibrate, fit_logit
from metaseg_tf.analysis.protocol import PAPER_PROTOCOL
from metaseg_tf.data.classes import ClassTable
from metaseg_tf.errors import InputError, number_of
from metaseg_tf.segments.columns import class_of, groups_in, name_feature

__all__ = ["Diagnostics", "diagnose"]

#: Columns that a sentence names at most.
_LISTED = 10


@dataclass(frozen=True, eq=False)
class Diagnostics:
    """The findings of ``diagnose``; as a string, one page in words."""

    design: Design
    aliases: Aliases  #: Columns dropped before anything is interpreted.
    linear: LinearFit  #: Least squares of the target on the kept columns.
    #: Of the linear model's assumptions ("linear"), of metric groups by likelihood ratio ("ratio")
    #: and by images ("groups"), and of "calibration"; each with Holm's correction within it.
    tests: Mapping[str, tuple[HypothesisTest, ...]]
    influential: pd.DataFrame  #: The 20 largest Cook's distances, with image and box.
    logit: LogitFit | None
    calibration: Calibration | None
    missing: tuple[str, ...]  #: Why a test, the logit or the calibration could not be made, if so.
    classes: ClassTable | None

    def all_tests(self) -> list[HypothesisTest]:
        """The tests of all sections, in reading order."""
        return [test for tests in self.tests.values() for test in tests]

    def frames(self) -> dict[str, pd.DataFrame]:
        """Tables to be stored as CSV, by name; class columns come with ``class_name``, if known."""
        equations = list(self.aliases.equations.items())
        frames = {
            "coefficients": self.linear.coefficients.reset_index(),
            "aliases": pd.DataFrame(equations, columns=["column", "equation"]),
            "vif": self.linear.vif,
        }
        if self.classes is not None:
            found = {name: class_of(name) for name in self.design.columns}
            names = {name: self.classes.names[of[1]] for name, of in found.items() if of}
            for frame in frames.values():
                frame.insert(1, "class_name", frame["column"].map(names).fillna(""))
        tests = [asdict(test) | {"rejected": test.rejected} for test in self.all_tests()]
        frames |= {"tests": pd.DataFrame(tests), "influential": self.influential}
        return frames | ({"reliability": self.calibration.table} if self.calibration else {})

    def texts(self) -> dict[str, str]:
        """Texts to be stored, by name: the page in words and the summaries of statsmodels."""
        ols = self.linear.results
        if self.linear.clustered:
            ols = ols.get_robustcov_results("cluster", groups=self.linear.image)
            # Wald's F of all columns rejects everything if there are no more images than columns.
            ols._cache |= {"fvalue": np.nan, "f_pvalue": np.nan}
        texts = {"summary": str(self), "ols": ols.summary().as_text()}
        return texts | ({"logit": self.logit.results.summary().as_text()} if self.logit else {})

    def sections(self) -> Iterator[tuple[str, str]]:
        """Title and text of each section of the page, in reading order."""
        results, n_images = self.linear.results, len(set(self.design.image))
        worth = "."
        if self.linear.clustered:
            r2 = 1 - np.mean(self.linear.clustered.left_out**2) / np.var(results.model.endog)
            worth = f"R2 {r2:.2%}." if r2 > 0 else "it is of no use (R2 below 0)."
            worth = f"; on images left out of the fit, one at a time, {worth}"
        yield (
            "Data and fit",
            f"{len(self.design)} segments with interior from {number_of(n_images, 'image')}, "
            f"{np.mean(~self.design.y):.1%} of them false positives.\n"
            f"{results.model.endog_names} on {len(self.linear.columns)} columns: "
            f"R2 {results.rsquared:.2%}, sigma {np.sqrt(results.mse_resid):.3f}{worth}",
        )
        say, vif = self.design.say, self.linear.vif
        worst = ", ".join(f"{say(row.column)} {row.vif:.0f}" for row in vif.head(5).itertuples())
        yield (
            "Columns",
            f"{self.aliases}\n{np.sum(vif['vif'] > 10)} of the kept columns have a variance "
            f"inflation factor above 10 (largest: {worst}): their single coefficients are poorly "
            "determined, sums of them and predictions are not.",
        )
        level = f"Verdicts hold at {LEVEL:.0%} for all of them together (Holm)"
        if tests := self.tests["linear"]:
            yield "Assumptions of the linear model", "\n".join([*map(str, tests), f"{level}."])
        yield "Coefficients", self._coefficients()
        first, cook = self.influential.iloc[0], self.linear.points["cook"]
        place = ", ".join(f"{name} {first[name]}" for name in ("image", "segment") if name in first)
        yield (
            "Influence",
            f"{np.mean(cook > 4 / len(cook)):.1%} of the segments have a Cook's distance above "
            f"4/n; the largest is {first['cook']:.3g} ({place}); above 1 a single segment moves "
            "the fit.",
        )
        if self.logit:
            explained = f"McFadden's R2 {self.logit.results.prsquared:.2%}."
            tests = map(str, (*self.tests["groups"], *self.tests["ratio"]))
            about = f"{level}, those by images and those by likelihood ratio (LR) apart."
            yield "Metric groups in the logistic model", "\n".join([explained, *tests, about])
        if self.calibration:
            tests = map(str, self.tests["calibration"])
            yield "Calibration", "\n".join([f"{self.calibration}.", *tests])
        follows = [test.if_rejected for test in self.all_tests() if test.rejected]
        follows = [text for text in dict.fromkeys(follows) if text]
        pairs = zip(self.tests["ratio"], self.tests["groups"], strict=False)
        if lost := [image.name for ratio, image in pairs if ratio.rejected and not image.rejected]:
            follows += [f"Not shown, although the likelihood ratio says so: {', '.join(lost)}."]
        if self.aliases.equations:
            follows += ["Coefficients hold for the kept columns; another choice gives other ones."]
        if follows:
            yield "What follows", "\n".join(f"- {line}" for line in follows)
        if self.missing:
            yield "Not made", "\n".join(self.missing)

    def _coefficients(self) -> str:
        """Those that hold by images, with intervals, and those that cannot be judged."""
        frame, say = self.linear.coefficients.iloc[1:], self.design.say
        ratio = (frame["se_cluster"] / frame["se_plain"]).dropna()
        if ratio.empty:
            n_images = number_of(len(set(self.design.image)), "image")
            return f"Errors by images cannot be computed from {n_images}; extract more images."
        clear = frame[frame["p_holm"] < LEVEL].sort_values("p_holm")
        lost = frame.index[(frame["p_plain"] < LEVEL) & (frame["p_cluster"] >= LEVEL)]
        few = frame.index[frame["p_cluster"].isna()]
        moves = _list(
            f"{say(row.Index)} {row.coef:+.3f} ({row.low:+.3f} to {row.high:+.3f})"
            for row in clear.itertuples()
        )
        target = self.linear.results.model.endog_names
        lines = [
            f"Errors by images (CR2) are {ratio.median():.2f} times the plain ones in the median, "
            f"{ratio.max():.2f} times at most ({say(ratio.idxmax())}).",
            f"One standard deviation of a column, the others held, moves {target} by (95% "
            f"interval; those that differ from 0 at {LEVEL:.0%} for all together, {len(clear)} of "
            f"{len(frame)}): {moves}.",
            f"Below {LEVEL:.0%} each by plain errors only: {_list(map(say, lost))}.",
            "Left open, since too few images tell (fewer than "
            f"{LEAST_DF} degrees of freedom): {_list(map(say, few))}.",
        ]
        return "\n".join(lines)

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
        design = replace(design, words={x: name_feature(x, classes) for x in design.columns})
        table = table.assign(class_name=table["class_id"].map(dict(enumerate(classes.names))))
    aliases = linear_model.find_aliases(design)
    linear = linear_model.fit_linear(design, aliases.kept, target)
    missing: list[str] = []

    def attempt(make, *args, **options):
        """One part, or None and a note why the table does not allow it."""
        try:
            return make(*args, **options)
        except InputError as error:
            missing.append(str(error))
            return None

    logit = attempt(fit_logit, design, aliases.kept)
    calibration = attempt(calibrate, design, aliases.kept, engine=engine)
    groups = logit.without if logit else ()
    made = {
        "linear": [attempt(test, linear) for test in linear_model.TESTS],
        "groups": [attempt(logit.image_test, group) for group in groups],
        "ratio": [attempt(logit.ratio_test, group) for group in groups],
        "calibration": [attempt(calibration.test)] if calibration else [],
    }
    tests = {kind: correct_tests(found) for kind, found in made.items()}
    found = tests, linear.influential(design, table), logit, calibration
    return Diagnostics(design, aliases, linear, *found, tuple(dict.fromkeys(missing)), classes)


def _list(words: Iterable[str]) -> str:
    """Words in a sentence: as many as it names, and how many others there are."""
    words = list(words)
    others = [f"and {len(words) - _LISTED} others"] if len(words) > _LISTED else []
    return ", ".join([*words[:_LISTED], *others]) or "none"
