"""The segment table: the group, dtype, unit, range, symbol and source of each column.

The segment table is a pandas DataFrame with one row per predicted segment k. It is all that passes
from measuring to analysing. Its column names are those of the authors' code. ``columns.json`` lists
them; of those of each class a table has as many as its network has classes.
"""

import itertools
import json
import math
import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from metaseg_tf.data.classes import MAX_CLASSES, ClassTable, shorten
from metaseg_tf.errors import DataFormatError, InputError, check_choice

__all__ = [
    "BOX", "CONVENTIONS", "DEFAULT_METRICS", "DISAGREEMENT", "FURTHER_GROUPS", "GROUPS",
    "IOU_COLUMNS", "METRICS", "METRIC_COLUMNS", "NAME_BYTES", "PAPER_GROUPS", "TRUTH", "Column",
    "Group", "check_components", "check_convention", "check_image_name", "check_table",
    "class_columns", "class_of", "columns", "count_classes", "empty_table", "feature_columns",
    "feature_values", "group_of", "groups_in", "name_feature", "read_metrics", "spell_metrics",
]  # fmt: skip

#: "reference" made the published numbers (the authors' code); "paper" is the printed text.
CONVENTIONS = ("reference", "paper")

# Means of float32 probabilities are exact to 1e-6.
_TOLERANCE = 1e-5
#: Longest name of an image. File systems take 255 bytes; suffixes, and a mark while a file is
#: written, come on top.
NAME_BYTES = 200


class Group(NamedTuple):
    """A group of features: its name in words, and the colour of its curves."""

    word: str
    colour: str
    #: It is measured if nothing is said about metrics.
    by_default: bool = True


#: The groups that the paper uses; its tables and figures read no others.
PAPER_GROUPS = ("entropy", "difference", "size", "class")


@dataclass(frozen=True)
class Column:
    """One column of the segment table.

    ``range`` is the closed interval of possible values, ``symbol`` is LaTeX, ``source`` the place
    in the paper, and ``group`` one of ``GROUPS`` for a feature, else empty.
    """

    name: str
    dtype: str
    unit: str
    range: tuple[float, float]
    symbol: str
    source: str
    meaning: str
    group: str = ""


_LARGEST = np.finfo(np.float64).max


def _read_column(name: str, dtype: str, unit: str, bounds: list, *rest: str) -> Column:
    """A row of the file, which has the fields of `Column` in their order; no bound is null."""
    low, high = bounds
    return Column(name, dtype, unit, (low, math.inf if high is None else high), *rest)


_FILE = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
#: The groups of features; a segment's other columns are of none.
GROUPS = {name: Group(*words) for name, words in _FILE["groups"].items()}
_HEAD, _IOU, _BOX = (
    tuple(_read_column(*row) for row in _FILE[part]) for part in ("head", "iou", "box")
)
#: The columns of the table of the ground truth's components.
TRUTH = tuple(
    column for row in _FILE["truth"] for column in (_BOX if row == "box" else [_read_column(*row)])
)
#: The groups that may be measured besides the paper's.
FURTHER_GROUPS = tuple(name for name in GROUPS if name not in (*PAPER_GROUPS, "prediction"))
#: The one of them that takes several passes over an image.
DISAGREEMENT = "disagreement"
#: The metrics in the order of the table: the 15 of section 2, and those of further groups.
METRICS = tuple(_read_column(*row) for row in _FILE["metrics"])
#: Names of the 15 metrics of section 2.
METRIC_COLUMNS = tuple(column.name for column in METRICS if column.group in PAPER_GROUPS)
#: Prefix of the names of features that tell the predicted class.
_ONE_HOT = "predicted"
#: Prefix of the names of metrics of which there is one for each class -> the column, in whose
#: symbol and meaning the class is left open.
_OF_EACH_CLASS = {row[0]: _read_column(*row[:-1]) for row in _FILE["of_each_class"]}
_IN_WORDS = {row[0]: row[-1] for row in _FILE["of_each_class"]}
_GROUP_OF = {c.name: c.group for c in (*METRICS, *_OF_EACH_CLASS.values())}
_GROUP_OF[_ONE_HOT] = "prediction"

IOU_COLUMNS = tuple(column.name for column in _IOU)

#: Bounding box of a segment, half open: ``image[top:bottom, left:right]`` holds it.
BOX = tuple(column.name for column in _BOX)


def read_metrics(metrics: str | Iterable[str], passes: bool | None = None) -> tuple[str, ...]:
    """The groups to measure, the paper's first, then further ones in the order of ``GROUPS``.

    ``metrics`` are "paper", "all", or names of further groups, separated by commas if they are one
    text; the paper's metrics are always measured. "all" includes the disagreement of ``passes`` if
    there are several; if there are not (False), InputError is raised where it is named, as for a
    name that is unknown.
    """
    words = metrics.replace(" ", "").split(",") if isinstance(metrics, str) else list(metrics)
    for word in words:
        remedy = "separate several by commas"
        check_choice("metrics", word, ("paper", "all", *FURTHER_GROUPS), remedy)
    if passes is False and DISAGREEMENT in words:
        raise InputError(
            f"metrics: expected several passes over an image for {DISAGREEMENT}, got one; have the "
            "network make some (--passes flip), or give those of your own as probs [T, H, W, C]"
        )
    if "all" in words:
        words += [group for group in FURTHER_GROUPS if passes or group != DISAGREEMENT]
    return (*PAPER_GROUPS, *(group for group in FURTHER_GROUPS if group in words))


def spell_metrics(groups: Collection[str]) -> str:
    """The one text that `read_metrics` reads as the paper's groups and the further ones given."""
    return ",".join(("paper", *(group for group in FURTHER_GROUPS if group in groups)))


#: What is measured if nothing else is said.
DEFAULT_METRICS = spell_metrics([name for name, group in GROUPS.items() if group.by_default])


def class_columns(n_classes: int, begin: str = "cprob") -> list[str]:
    """Names of the mean class probability columns, ``cprob0`` ... for ``n_classes`` classes.

    With another ``begin``, such as "ndist", those of another metric of each class.
    """
    return [f"{begin}{j}" for j in range(n_classes)]


def class_of(feature: str) -> tuple[str, int] | None:
    """Begin and class id of a feature of which there is one for each class; None for others."""
    begin = feature.rstrip("0123456789")
    return None if feature in _GROUP_OF else (begin, int(feature[len(begin) :]))


def group_of(feature: str) -> str:
    """Key in ``GROUPS`` of a feature of the segment table."""
    return _GROUP_OF[feature if feature in _GROUP_OF else feature.rstrip("0123456789")]


def name_feature(feature: str, classes: ClassTable) -> str:
    """A feature in words: ``p(road)`` for the mean probability of the class road, else its name."""
    begin, class_id = class_of(feature) or ("", 0)
    words = _IN_WORDS.get(begin)
    return words.format(shorten(classes.names[class_id])) if words else feature


def feature_columns(n_classes: int, groups: Collection[str] = PAPER_GROUPS) -> tuple[str, ...]:
    """Names of the features of some groups in the authors' order: sorted metrics, ``cprob0`` ...

    Then come further metrics of each class, ``ndist0`` ..., and last those of the predicted class,
    ``predicted0`` ..., which no table stores.
    """
    metrics = sorted(column.name for column in METRICS if column.group in groups)
    begins = [begin for begin in (*_OF_EACH_CLASS, _ONE_HOT) if _GROUP_OF[begin] in groups]
    return (*metrics, *(name for begin in begins for name in class_columns(n_classes, begin)))


def feature_values(table: pd.DataFrame, names: Iterable[str]) -> np.ndarray:
    """Features by name, float64 [n, p]; ``predicted3`` is 1 where class 3 is predicted, else 0."""
    class_id = table["class_id"].to_numpy()
    columns = (
        class_id == int(name.removeprefix(_ONE_HOT)) if name.startswith(_ONE_HOT) else table[name]
        for name in names
    )
    return np.stack([np.asarray(column, np.float64) for column in columns], axis=1)


def groups_in(table: pd.DataFrame) -> tuple[str, ...]:
    """The groups whose metrics a segment table holds, in the order of ``GROUPS``."""
    every = columns(count_classes(table), metrics=FURTHER_GROUPS)
    missing = {column.group for column in every if column.name not in table}
    return tuple(group for group in GROUPS if group not in {*missing, "prediction"})


def columns(
    n_classes: int, *, with_gt: bool = True, metrics: str | Iterable[str] = DEFAULT_METRICS
) -> tuple[Column, ...]:
    """All columns of one image's segment table in order; those of further groups come last.

    ``n_classes`` is the number of classes q of the network, 2 to 254; ``iou`` and ``iou_adj`` are
    there ``with_gt`` only; ``metrics`` are as for `read_metrics`.
    """
    of_classes = (
        replace(c, name=f"{c.name}{j}", symbol=c.symbol.format(j), meaning=c.meaning.format(j))
        for c in _OF_EACH_CLASS.values()
        for j in range(n_classes)
    )
    every, further = (*METRICS, *of_classes), read_metrics(metrics)[len(PAPER_GROUPS) :]
    paper, more = ([c for c in every if c.group in groups] for groups in (PAPER_GROUPS, further))
    return (*_HEAD, *paper, *(_IOU if with_gt else ()), *_BOX, *more)


def count_classes(table: pd.DataFrame) -> int:
    """Number of ``cprob`` columns of a segment table; a DataFormatError above 254."""
    n_classes = next(j for j in itertools.count() if f"cprob{j}" not in table)
    if n_classes > MAX_CLASSES:
        raise DataFormatError(
            f"segment table: expected at most {MAX_CLASSES} classes, got {n_classes}; "
            "extract it again with this version"
        )
    return n_classes


def empty_table(n_classes: int, **which) -> pd.DataFrame:
    """A segment table without rows, with the columns and dtypes of `columns`."""
    return pd.DataFrame({c.name: np.empty(0, c.dtype) for c in columns(n_classes, **which)})


def check_convention(convention: str) -> str:
    """Return ``convention`` or raise an InputError that names the two there are."""
    remedy = "'reference' reproduces the published numbers, 'paper' follows the text"
    check_choice("convention", convention, CONVENTIONS, remedy)
    return convention


def check_image_name(name: str) -> str:
    """Return an image's name, which names its files in a run, or raise an InputError.

    Names come from files that anyone may have made: one such as ``../../evil`` would be written
    outside of the run.
    """
    encoding = sys.getfilesystemencoding()
    fits = isinstance(name, str) and name and len(name.encode(errors="replace")) <= NAME_BYTES
    fits = fits and name.encode(encoding, "replace").decode(encoding) == name
    if not fits or not name.isprintable() or name[0] == "." or {"/", "\\"} & set(name):
        shown = str(name)
        shown = shown if len(shown) <= 60 else f"{shown[:60]}..."
        remedy = "rename it"
        if encoding != "utf-8" and not shown.isascii():
            remedy = f"set PYTHONUTF8=1: this locale names files in {encoding}"
        raise InputError(
            f"image: expected a name to store its table by ({NAME_BYTES} bytes at most, "
            f"printable, without slashes or a dot in front), got {shown!r}; {remedy}"
        )
    return name


def check_table(table: pd.DataFrame, origin: str, *, whole: bool = True) -> pd.DataFrame:
    """Return a table read from a file, with the dtypes of its known columns, if it can be one.

    Raises DataFormatError, in which ``origin`` names it, if a column is of another kind, or holds
    values outside of its range; also, if ``whole``, if any is missing but the ground truth's and
    those of further groups.
    """
    n_classes = max(count_classes(table), 2)
    known = {column.name: column for column in columns(n_classes, metrics=FURTHER_GROUPS)}
    if whole:
        known["class_id"] = replace(known["class_id"], range=(0, n_classes - 1))
    optional = {*IOU_COLUMNS, *(c.name for c in known.values() if c.group in FURTHER_GROUPS)}
    missing = [name for name in known if name not in {*table.columns, *optional}]
    if whole and missing:
        raise DataFormatError(
            f"{origin}: expected a segment table, got one without {', '.join(missing[:5])}; "
            "delete its segments and run extract again"
        )
    return _check_values(table, known, origin)


def check_components(table: pd.DataFrame, origin: str, n_classes: int) -> pd.DataFrame:
    """The same for the ground truth's components, columns ``TRUTH``, of a run of ``n_classes``."""
    known = {column.name: column for column in TRUTH}
    for name, least in (("class_id", 0), ("hidden_by", -1)):
        known[name] = replace(known[name], range=(least, n_classes - 1))
    if set(table) != {"image", *known}:
        raise DataFormatError(
            f"{origin}: expected the columns {', '.join(known)} of the ground truth's components, "
            f"got {', '.join(map(str, table))}; extract again into another folder"
        )
    return _check_values(table, known, origin)


def _check_values(table: pd.DataFrame, known: dict[str, Column], origin: str) -> pd.DataFrame:
    known = {name: known[name] for name in table.columns if name in known}
    for name, column in known.items():
        values, (low, high) = table[name], column.range
        found = values.dtype
        if found.kind == np.dtype(column.dtype).kind:
            if values.between(low - _TOLERANCE, min(high + _TOLERANCE, _LARGEST)).all():
                continue
            found = f"{values.min()} to {values.max()}, or none"
        raise DataFormatError(
            f"{origin}: expected {column.name} of {column.dtype} in {low:g}..{high:g}, "
            f"got {found}; delete its segments and run extract again"
        )
    other = {name: c.dtype for name, c in known.items() if table[name].dtype != c.dtype}
    return table.astype(other) if other else table
