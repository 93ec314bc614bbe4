"""Table 2: meta classification and meta regression, on training and validation halves."""

from collections.abc import Mapping

from metaseg_tf.analysis.protocol import PAPER_PROTOCOL, PARTS
from metaseg_tf.paper.layout import NOT_AVAILABLE, PrintedTable
from metaseg_tf.paper.measured import Measured, Value
from metaseg_tf.paper.table1 import describe_counts

__all__ = [
    "TARGETS",
    "describe_extrapolation",
    "lay_out",
    "regression_rows",
    "score_header",
    "score_rows",
]

_CLASSIFICATION = "Classification IoU_adj = 0, > 0"
_MODELS = (
    ("penalized", "penalized"),
    ("unpenalized", "unpenalized"),
    ("entropy", "entropy baseline"),
)
#: Regression targets as they are printed.
TARGETS = {"iou_adj": "IoU_adj", "iou": "IoU"}
_REGRESSIONS = {"all": "all metrics", "entropy": "entropy baseline"}
_PART_NAMES = {"train": "training", "validation": "validation"}


def lay_out(measured: Mapping[str, Measured]) -> PrintedTable:
    """Two columns a run: its training and its validation half."""
    rows = {
        f"{score.upper()}, {words}": f"iou_adj/{model}/{score}"
        for score in ("acc", "auroc")
        for model, words in _MODELS
    }
    caption = (
        f"Means over {PAPER_PROTOCOL.n_splits} runs, standard deviations in brackets. "
        f"{describe_counts(measured)} {_describe_detection(measured)}"
    )
    return PrintedTable(
        "table2",
        f"{caption.strip()}{describe_extrapolation(measured, 'iou_adj')}",
        score_header(measured),
        (
            *score_rows(_CLASSIFICATION, rows, measured),
            *score_rows("Regression IoU_adj", regression_rows("iou_adj", measured), measured),
        ),
    )


def score_header(measured: Mapping[str, Measured]) -> tuple[str, ...]:
    """The header of tables 2 and 3."""
    return ("", *(f"{name} {_PART_NAMES[part]}" for name in measured for part in PARTS))


def regression_rows(target: str, measured: Mapping[str, Measured]) -> dict[str, str]:
    """Label of each printed row of the regression of a target -> its quantity without part.

    Where a regression extrapolates, a row with its clipped R2 follows.
    """
    rows = {
        f"{symbol}, {words}": f"{target}/{model}/{score}"
        for score, symbol in (("sigma", "σ"), ("r2", "R2"))
        for model, words in _REGRESSIONS.items()
    }
    ruined = {key for own in measured.values() for key in own.extrapolating}
    return rows | {
        f"R2, {words}, clipped": f"clipped/{target}/{model}/r2"
        for model, words in _REGRESSIONS.items()
        if (target, model) in ruined
    }


def describe_extrapolation(measured: Mapping[str, Measured], *targets: str) -> str:
    """A sentence, after a space, for each regression of these targets that extrapolates."""
    r2 = "{}/{}/r2/validation"
    return "".join(
        f" {name}: least squares of {TARGETS[key[0]]} on {_REGRESSIONS[key[1]]} extrapolates "
        f"(validation R2 {own.values[r2.format(*key)].mean:.2%}, clipped to [0, 1] "
        f"{own.values['clipped/' + r2.format(*key)].mean:.2%}): "
        f"{', '.join(columns) or 'no single column'} beyond the range of the training half."
        for name, own in measured.items()
        for key, columns in own.extrapolating.items()
        if key[0] in targets
    )


def score_rows(title: str, rows: Mapping[str, str], measured: Mapping[str, Measured]):
    """A heading, and a row for each label with the scores of all runs and halves."""
    yield (title, *[""] * (len(measured) * len(PARTS)))
    for label, quantity in rows.items():
        values = (
            own.values.get(f"{quantity}/{part}") for own in measured.values() for part in PARTS
        )
        yield (label, *(_cell(value, as_share="sigma" not in quantity) for value in values))


def _cell(value: Value | None, *, as_share: bool) -> str:
    if value is None:
        return NOT_AVAILABLE
    if as_share:
        return f"{value.mean:.2%}(±{value.std:.2%})"
    return f"{value.mean:.3f}(±{value.std:.3f})"


def _describe_detection(measured: Mapping[str, Measured]) -> str:
    return " ".join(
        f"{name}: on average {own.values['detected'].mean:.0f} of the false positives are "
        f"detected, {own.values['undetected'].mean:.0f} are not."
        for name, own in measured.items()
        if "detected" in own.values
    )
