"""The paper's tables, laid out as printed, from one or more runs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from metaseg_tf.analysis.evaluation import evaluate_run
from metaseg_tf.analysis.protocol import PAPER_PROTOCOL, PARTS
from metaseg_tf.errors import InputError, check_choice, number_of
from metaseg_tf.paper import published
from metaseg_tf.paper.layout import NOT_AVAILABLE, PrintedTable
from metaseg_tf.paper.measured import Measured, collect
from metaseg_tf.paper.published import ALL_SEGMENTS, FALSE_POSITIVES, SEGMENTS, Quantity
from metaseg_tf.runs.run import Run, csv_text

__all__ = ["TABLES", "TARGETS", "Table", "make_table", "name_runs", "store_printed", "store_table"]

#: Regression targets as they are printed.
TARGETS = {"iou_adj": "IoU_adj", "iou": "IoU"}

#: The quantities that captions name, whether or not the table can be made.
_COUNTS = {ALL_SEGMENTS, SEGMENTS, FALSE_POSITIVES}
# Metrics in the left and in the right half of table 1.
_LEFT = ("E", "E_bd", "E_in", "E_rel", "E_rel_in", "S", "S_bd", "S_in")
_RIGHT = ("D", "D_bd", "D_in", "D_rel", "D_rel_in", "S_rel", "S_rel_in", None)
_BASELINE = {"entropy": "entropy baseline"}
_CLASSIFICATIONS = {"penalized": "penalized", "unpenalized": "unpenalized", **_BASELINE}
_REGRESSIONS = {"all": "all metrics", **_BASELINE}
_PART_NAMES = {"train": "training", "validation": "validation"}
_MEANS = f"Means over {PAPER_PROTOCOL.n_splits} splits, standard deviations in brackets."


def lay_out_table1(measured: Mapping[str, Measured]) -> PrintedTable:
    """Correlations of the metrics with IoU_adj: one column per run in each of two halves."""
    rows = []
    for pair in zip(_LEFT, _RIGHT, strict=True):
        row = []
        for metric in pair:
            key = Quantity.correlation(metric or "")
            values = [own.values.get(key) for own in measured.values()]
            cells = [NOT_AVAILABLE if v is None else f"{v.mean:.5f}" for v in values]
            row += [metric, *cells] if metric else [""] * (len(cells) + 1)
        rows.append(tuple(row))
    caption = f"Correlation with IoU_adj. {_describe_counts(measured)}"
    return PrintedTable("table1", caption, ("metric", *measured) * 2, tuple(rows))


def lay_out_table2(measured: Mapping[str, Measured]) -> PrintedTable:
    """Meta classification and meta regression: the two halves of each run."""
    rows = {
        f"{score.upper()}, {words}": Quantity("iou_adj", model, score)
        for score in ("acc", "auroc")
        for model, words in _CLASSIFICATIONS.items()
    }
    detection = " ".join(
        f"{name}: on average {own.values[published.DETECTED].mean:.0f} of the false positives "
        f"are detected, {own.values[published.UNDETECTED].mean:.0f} are not."
        for name, own in measured.items()
        if published.DETECTED in own.values
    )
    sampled = " ".join(f"{name}: {own.sample}." for name, own in measured.items() if own.sample)
    caption = " ".join(filter(None, (_MEANS, _describe_counts(measured), sampled, detection)))
    caption += _describe_extrapolation(measured, "iou_adj")
    printed = (
        *_score_rows("Classification IoU_adj = 0, > 0", rows, measured),
        *_score_rows("Regression IoU_adj", _regression_rows("iou_adj", measured), measured),
    )
    return PrintedTable("table2", caption, _score_header(measured), printed)


def lay_out_table3(measured: Mapping[str, Measured]) -> PrintedTable:
    """Meta regression of IoU_adj and of IoU: the two halves of each run."""
    rows = [
        row
        for target, name in TARGETS.items()
        for row in _score_rows(f"Regression {name}", _regression_rows(target, measured), measured)
    ]
    # The first row and its R2 with predictions clipped to the range of the IoU.
    sigma = Quantity("iou_adj", "all", "sigma", "validation", clipped=True)
    r2 = sigma._replace(score="r2")
    clipped = "; ".join(
        f"{name}: σ {own.values[sigma].mean:.3f}, R2 {own.values[r2].mean:.2%}"
        for name, own in measured.items()
        if r2 in own.values
    )
    caption = f"{_MEANS} Predictions are not clipped."
    if clipped:
        caption += f" Clipped to [0, 1], IoU_adj on validation: {clipped}."
    caption += _describe_extrapolation(measured, *TARGETS)
    return PrintedTable("table3", caption, _score_header(measured), tuple(rows))


class Table(NamedTuple):
    """The layout of a table from the measured numbers of named runs, and their kinds."""

    lay_out: Callable[[Mapping[str, Measured]], PrintedTable]
    kinds: tuple[str, ...]


#: The paper's tables by number; another table is another entry.
TABLES = {
    1: Table(lay_out_table1, ("counts", "correlations")),
    2: Table(lay_out_table2, ("counts", "classification", "regression")),
    3: Table(lay_out_table3, ("regression",)),
}


def make_table(
    number: int, runs: Sequence[Run], *, engine: str = PAPER_PROTOCOL.engine
) -> PrintedTable:
    """A table of the paper; numbers that a run does not give are n/a, and the caption says why.

    Parameters
    ----------
    number : int
    runs : sequence of Run
    engine : {"lars", "reference"}
        Solver of the logistic fits: exact, or with the authors' own scikit-learn calls.

    Raises
    ------
    InputError
        If there is no such table, or no run gives any number of it.
    DataFormatError
        If a run's file is broken or has no ground truth.
    """
    check_choice("table", number, TABLES, "the paper has no other")
    table = TABLES[number]
    named = name_runs(runs).items()
    measured = {name: collect(run, table.kinds, engine=engine) for name, run in named}
    reasons = {f"{name}: {text}": None for name, m in measured.items() for text in m.missing}
    if not any(m.values.keys() - _COUNTS for m in measured.values()):
        raise InputError(f"table {number}: {'; '.join(reasons)}")
    printed = table.lay_out(measured)
    if not reasons:
        return printed
    return replace(printed, caption=f"{printed.caption} Not available: {'; '.join(reasons)}.")


def name_runs(runs: Sequence[Run]) -> dict[str, Run]:
    """Runs by the names of their folders, with the parent folder if two have the same name."""
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        names = ["/".join(run.address.split("/")[-2:]) for run in runs]
    return dict(zip(names, runs, strict=True))


def store_printed(printed: PrintedTable, run: Run) -> list[Path]:
    """Write a table as CSV, Markdown and LaTeX into ``RUN/tables/``."""
    stem, formats = f"tables/{printed.title}", printed.formats()
    return [run.write_text(f"{stem}.{suffix}", text) for suffix, text in formats.items()]


def store_table(
    number: int, printed: PrintedTable, runs: Sequence[Run], *, engine: str = PAPER_PROTOCOL.engine
) -> list[Path]:
    """Write a table into the first run's folder and the scores behind it into each run's own.

    The paths are of ``tables/table2.csv``, ``.md`` and ``.tex``; for tables of scores also of
    ``tables/evaluation.csv`` and ``evaluation_clipped.csv``.
    """
    paths = store_printed(printed, runs[0])
    if "regression" not in TABLES[number].kinds:
        return paths
    for run in runs:
        if collect(run, ("regression",), engine=engine).values:
            evaluation = evaluate_run(run, engine=engine)
            frames = {"evaluation": evaluation.tidy(), "evaluation_clipped": evaluation.clipped()}
            for name, frame in frames.items():
                paths.append(run.write_text(f"tables/{name}.csv", csv_text(frame)))
    return paths


def _describe_counts(measured: Mapping[str, Measured]) -> str:
    """One sentence with the counts of all runs."""
    counts = (
        f"{name}: {number_of(own.values[ALL_SEGMENTS].mean, 'segment')}, "
        f"{own.values[SEGMENTS].mean} with interior, of these "
        f"{own.values[FALSE_POSITIVES].mean} with IoU_adj = 0"
        for name, own in measured.items()
        if own.values.keys() >= _COUNTS
    )
    return f"{'; '.join(counts)}."


def _describe_extrapolation(measured: Mapping[str, Measured], *targets: str) -> str:
    """A sentence, after a space, for each regression of these targets that extrapolates."""
    sentences = []
    for name, own in measured.items():
        for (target, model), columns in own.extrapolating.items():
            r2 = Quantity(target, model, "r2", "validation")
            if target in targets:
                worth = own.values[r2].mean
                said = f"{worth:.2%}" if worth > 0 else "below 0: of no use"
                sentences.append(
                    f" {name}: least squares of {TARGETS[target]} on {_REGRESSIONS[model]} "
                    f"extrapolates (validation R2 {said}, clipped to [0, 1] "
                    f"{own.values[r2._replace(clipped=True)].mean:.2%}): "
                    f"{', '.join(columns) or 'no single column'} beyond the range of the training "
                    "half."
                )
    return "".join(sentences)


def _score_header(measured: Mapping[str, Measured]) -> tuple[str, ...]:
    """The header of tables 2 and 3."""
    return ("", *(f"{name} {_PART_NAMES[part]}" for name in measured for part in PARTS))


def _regression_rows(target: str, measured: Mapping[str, Measured]) -> dict[str, Quantity]:
    """Label of each row of a target's regression -> quantity without part, clipped R2 last."""
    rows = {
        f"{symbol}, {words}": Quantity(target, model, score)
        for score, symbol in (("sigma", "σ"), ("r2", "R2"))
        for model, words in _REGRESSIONS.items()
    }
    ruined = {key for own in measured.values() for key in own.extrapolating}
    return rows | {
        f"R2, {words}, clipped": Quantity(target, model, "r2", clipped=True)
        for model, words in _REGRESSIONS.items()
        if (target, model) in ruined
    }


def _score_rows(
    title: str, rows: Mapping[str, Quantity], measured: Mapping[str, Measured]
) -> Iterator[tuple[str, ...]]:
    """A heading, and a row for each label with the scores of all runs and halves."""
    yield (title, *[""] * (len(measured) * len(PARTS)))
    for label, quantity in rows.items():
        form = ".3f" if quantity.score == "sigma" else ".2%"
        halves = [quantity._replace(part=part) for part in PARTS]
        found = [own.values.get(half) for own in measured.values() for half in halves]
        cells = (f"{v.mean:{form}}(±{v.std:{form}})" if v else NOT_AVAILABLE for v in found)
        yield (label, *cells)
