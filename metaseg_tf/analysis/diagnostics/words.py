"""The sections of the one-page summary: what was found, and what follows from it."""

from collections.abc import Iterator

import numpy as np

__all__ = ["describe"]


def describe(found) -> Iterator[tuple[str, str]]:
    """Title and text of each section of a ``Diagnostics``, in reading order.

    The text is empty where there is nothing to say.
    """
    yield "Data and fit", _data(found)
    yield "Columns", f"{found.aliases}\n{_inflation(found)}"
    yield "Assumptions of the linear model", "\n".join(str(test) for test in found.tests)
    yield "Standard errors", _standard_errors(found)
    yield "Influence", _influence(found)
    yield "Metric groups in the logistic model", _groups(found)
    yield "Calibration", _calibration(found)
    yield "What follows", "\n".join(_consequences(found))
    yield "Not made", "\n".join(found.missing)


def _data(found):
    results = found.linear.results
    return (
        f"{len(found.design)} segments with interior from {len(set(found.design.image))} images, "
        f"{np.mean(~found.design.y):.1%} of them false positives.\n"
        f"{results.model.endog_names} on {len(found.linear.columns)} columns: "
        f"R2 {results.rsquared:.2%}, sigma {np.sqrt(results.mse_resid):.3f}."
    )


def _inflation(found):
    worst = ", ".join(f"{row.column} {row.vif:.0f}" for row in found.vif.head(5).itertuples())
    high = int((found.vif["vif"] > 10).sum())
    return (
        f"{high} of the kept columns have a variance inflation factor above 10 (largest: {worst}): "
        "their single coefficients are poorly determined, sums of them and predictions are not."
    )


def _standard_errors(found):
    frame = found.coefficients
    if frame["se_cluster"].isna().all():
        return "All segments are of one image: errors clustered by image cannot be computed."
    ratio = frame["se_cluster"] / frame["se_plain"]
    lost = frame.index[(frame["p_plain"] < 0.01) & (frame["p_cluster"] >= 0.01)]
    images = len(set(found.design.image))
    few = f" With {images} images only they are rough." if images < 50 else ""
    return (
        f"Clustered by image, standard errors are {ratio.median():.2f} times the plain ones in "
        f"the median and {ratio.max():.2f} times at most ({ratio.idxmax()}).{few}\n"
        f"Significant at 1% by plain errors only: {', '.join(lost) or 'none'}."
    )


def _influence(found):
    first, cook = found.influential.iloc[0], found.points["cook"]
    place = ", ".join(f"{name} {first[name]}" for name in ("image", "segment") if name in first)
    return (
        f"{np.mean(cook > 4 / len(cook)):.1%} of the segments have a Cook's distance above 4/n; "
        f"the largest is {first['cook']:.3g} ({place}); above 1 a single segment moves the fit."
    )


def _groups(found):
    if found.logit is None:
        return ""
    tests = "\n".join(str(test) for test in found.logit.group_tests)
    return f"McFadden's R2 {found.logit.results.prsquared:.2%}.\n{tests}"


def _calibration(found):
    return f"{found.calibration}.\n{found.calibration.test}" if found.calibration else ""


#: What follows, and the tests of which one rejected hypothesis is enough for it.
_CONSEQUENCES = (
    (
        "Plain standard errors and p-values are not valid: read the clustered ones.",
        {"Breusch-Pagan", "White"},
    ),
    (
        "Intervals that take residuals for normal are off; coefficients are not affected.",
        {"Jarque-Bera", "Omnibus"},
    ),
    (
        "A straight line misses some curvature, as for any target that is bound to [0, 1]: "
        "coefficients are average slopes.",
        {"RESET"},
    ),
    (
        "Probabilities rank segments; as frequencies they are good to about the error given "
        "under Calibration.",
        {"Hosmer-Lemeshow"},
    ),
)


def _consequences(found):
    rejected = {test.name for test in found.all_tests() if test.rejected}
    lines = [text for text, tests in _CONSEQUENCES if rejected & tests]
    if found.aliases.equations:
        lines.append("Coefficients hold for the kept columns; another choice gives other ones.")
    return [f"- {line}" for line in lines]
