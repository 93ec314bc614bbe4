"""The data of the explorer and the scatter plot: verdicts, pictures, segments, points.

A page opened from disk may neither fetch files nor read pixels of pictures. So data come as
scripts that call a function, and long arrays in them as base64 of zlib's output.
"""

import base64
import contextlib
import json
import math
import zlib
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from metaseg_tf.analysis.base import Classifier
from metaseg_tf.analysis.estimators import Lasso, LeastSquares
from metaseg_tf.analysis.evaluation import Evaluation, evaluate_run, load_segments
from metaseg_tf.data.classes import VOID
from metaseg_tf.errors import InputError, suggest
from metaseg_tf.meta import MetaModel
from metaseg_tf.meta.file import load_kept
from metaseg_tf.meta.images import rate_images
from metaseg_tf.meta.model import SCORE_COLUMNS, TRUSTED, SegmentFit
from metaseg_tf.paper.figures.drawing import count_false_positives, load_judged
from metaseg_tf.pictures import MOST_INFORMATION, heat_colours, interpolate_colours, to_jpeg, to_png
from metaseg_tf.runs.image_maps import ImageMaps
from metaseg_tf.runs.run import Run
from metaseg_tf.segments.columns import BOX, IOU_COLUMNS, METRIC_COLUMNS, METRICS, PAPER_GROUPS
from metaseg_tf.segments.components import label_components

__all__ = [
    "JudgedRun", "choose_images", "draw_pictures", "judge_run", "list_segments",
    "pack_array", "pack_explanation", "pack_points", "pack_segments", "row_columns", "to_script",
]  # fmt: skip

# The meta classifier's verdict: a false positive is more likely than not.
_DOUBTFUL = 0.5
_ROW_COLUMNS = ("segment", "class_id", *METRIC_COLUMNS, *IOU_COLUMNS, *SCORE_COLUMNS, *BOX)
_PREDICTED, _LINEAR, _FALSE_POSITIVE, *_ = SCORE_COLUMNS

# More points could not be told apart, and would not fit into a page of a few MB.
MAX_POINTS = 60_000
# Values are stored as integers of this step; the linear prediction can leave [0, 1].
_STEPS = 10_000
_JPEG_QUALITY = 85
_HEAT_LEVELS = 32
_MAX_HEAT_WIDTH = 1024


class JudgedRun(NamedTuple):
    """A run with verdicts on its segments, with ground truth or without."""

    run: Run
    table: pd.DataFrame  #: Of segments, with ``SCORE_COLUMNS``: NaN if there is no verdict.
    origin: str  #: One sentence that says where the verdicts come from.
    model: MetaModel | None  #: Whose verdicts they are; None if there are none.
    truth: pd.DataFrame | None = None  #: The truth's components, if the run keeps them.

    @property
    def is_labelled(self) -> bool:
        """True if the segments have ground truth."""
        return IOU_COLUMNS[1] in self.table

    @property
    def doubtful(self) -> float:
        """Segments are doubtful from this probability of a false positive on."""
        return self.model.promise.threshold if self.model and self.model.promise else _DOUBTFUL


def judge_run(run: Run, model: MetaModel | None = None) -> JudgedRun:
    """Verdicts of a model, for a run of judged images by default of the one kept with them.

    A run with ground truth is judged by split 0 of the published protocol if there is no model.
    Raises InputError if a run has neither ground truth nor a model, SettingsMismatchError if the
    model is for another number of classes, other settings of measuring, or other images.
    """
    table = load_segments(run).drop(columns=[*SCORE_COLUMNS, TRUSTED], errors="ignore")
    if model is None and "model" in run.manifest.settings:
        model = load_kept(run)
    if model is None or IOU_COLUMNS[1] in table:
        load_judged(run)
    if model is not None:
        model.check_settings(run.manifest.settings)
        known = model.provenance
        origin = (
            f"Verdicts are those of a kept meta model, fitted on {known.get('images', '?')} images "
            f"of the run {known.get('run') or '?'}."
        )
        for made in filter(None, (model.promise, model.intervals)):
            origin += f" What is promised of them: {made.sentence}."
    else:
        origin = (
            "Verdicts are those of split 0 of the published protocol, fitted on one half of the "
            "segments with interior; segments without interior have none."
        )
        try:
            model = _take_first_split(evaluate_run(run))
        except InputError as error:
            origin = f"Verdicts are missing: {error}."
    nothing = pd.DataFrame(np.nan, table.index, list(SCORE_COLUMNS))
    scores = nothing if model is None else model.score(table)
    if model is not None and isinstance(model.interior.classifier, _Missing):
        scores[_FALSE_POSITIVE] = np.nan
        reason = model.interior.classifier.reason
        origin += f" Probabilities of a false positive are missing: {reason}."
    truth = None
    with contextlib.suppress(InputError):
        truth = run.load_truth()
    return JudgedRun(run, pd.concat([table, scores], axis=1), origin, model, truth)


class _Missing(Classifier):
    """Stands in for a classifier that cannot be fitted; its verdicts are not to be shown."""

    def __init__(self, reason: InputError):
        self.reason = reason

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        return np.zeros(len(X))


def _take_first_split(evaluation: Evaluation) -> MetaModel:
    """The fits of split 0 that figures 3 to 5 show, with no verdict on what has no interior."""
    design, regression = evaluation.design, evaluation.regressions["iou_adj"]
    classifier, regressor = Lasso(), LeastSquares()
    regressor.coef_, regressor.intercept_ = regression.coef[0], regression.intercept[0]
    try:
        path = evaluation.classification.paths[0]
        best = evaluation.protocol.C.index(evaluation.classification.best_c)
        classifier.coef_, classifier.intercept_ = path.coef[best], path.intercept[best]
    except InputError as error:
        classifier = _Missing(error)
    fit = SegmentFit(design.mean, design.scale, classifier, regressor)
    return MetaModel(design.columns, fit, None)


def choose_images(
    judged: Sequence[JudgedRun], limit: int, wanted: Sequence[str] = ()
) -> list[list[str]]:
    """At most ``limit`` images of each run: those ``wanted``, then those that need a look most.

    These have the most false positives with interior, or without ground truth lose the largest
    share of pixels, as their predicted IoU_adj lets expect. Images that all runs keep maps of come
    before others, so that networks can be compared. Raises InputError if no run keeps maps of one
    that is wanted.
    """

    def rate(table: pd.DataFrame) -> pd.Series:
        if IOU_COLUMNS[1] in table:
            return count_false_positives(table)
        return 1 - rate_images(table).set_index("image")["expected_quality"]

    rank = pd.concat([rate(one.table) for one in judged]).groupby(level=0).sum()
    kept = [one.run.with_maps() & set(rank.index) for one in judged]
    shared = set.intersection(*kept)
    for name in set(wanted).difference(*kept):
        todo = "repeat the command that made the run with --keep-maps all"
        if name not in rank:
            todo = suggest(name, set.union(*kept), "choose one of the run")
        raise InputError(f"--image: expected an image with its maps kept, got {name!r}; {todo}")

    def order(name: str) -> tuple:
        return (name not in wanted, name not in shared, -rank[name], name)

    return [sorted(names, key=order)[: max(limit, len(set(wanted)))] for names in kept]


def row_columns(table: pd.DataFrame) -> list[str]:
    """The columns of a segment that the page shows, in order; those of further groups if there."""
    further = (metric.name for metric in METRICS if metric.group not in PAPER_GROUPS)
    return [*_ROW_COLUMNS, *(name for name in further if name in table)]


def list_segments(table: pd.DataFrame) -> list[list[float | int | None]]:
    """One row per segment with its `row_columns`; None if there is no verdict or no truth."""

    def shorten(value: float | int) -> float | int | None:
        if isinstance(value, int):
            return value
        return None if math.isnan(value) else float(f"{value:.5g}")

    columns = table.reindex(columns=row_columns(table)).items()
    shortened = ([shorten(value) for value in column.tolist()] for _, column in columns)
    return [[*row] for row in zip(*shortened, strict=True)]


def pack_explanation(model: MetaModel | None, rows: pd.DataFrame) -> dict[str, Any]:
    """Verdict -> `MetaModel.explain` as ``values`` [rows, entries] and ``step`` by entry."""
    packed = {}
    explained = pd.DataFrame() if model is None else model.explain(rows)
    for verdict in explained.columns.unique(0):
        values = np.nan_to_num(explained[verdict].to_numpy())
        step = np.abs(values).max(axis=0, initial=1e-9) / np.iinfo(np.int16).max
        whole = pack_array(np.rint(values / step).astype(np.int16))
        packed[verdict] = {"step": step.tolist(), "values": whole}
    return packed


def draw_pictures(
    maps: ImageMaps, palette: np.ndarray, siou: np.ndarray | None = None, connectivity: int = 8
) -> dict[str, bytes]:
    """File name -> content of the layers that are pictures; missing layers are left out.

    ``siou`` [n] is of the components of the ground truth with that connectivity, if it is known.
    Heat maps are reduced to about 1024 columns and 32 levels: they are looked at, not read off.
    """
    heat = {"entropy.png": maps.entropy, "difference.png": maps.difference}
    if maps.mutual_information is not None:
        heat["mutual_information.png"] = np.minimum(maps.mutual_information / MOST_INFORMATION, 1)
    pictures = {name: _heat_to_png(values) for name, values in heat.items()}
    if maps.gt is not None:
        pictures["truth.png"] = to_png(maps.gt, palette)
    if maps.gt is not None and siou is not None:
        components = label_components(maps.gt, connectivity=connectivity)
        # A map of other components than those of the table has no such layer.
        if components.max() == len(siou):
            levels = np.append(VOID, np.rint(siou * (_HEAT_LEVELS - 1)))
            colours = interpolate_colours(np.linspace(0, 1, _HEAT_LEVELS))
            pictures["found.png"] = to_png(levels.astype(np.uint8)[components], colours)
    if maps.image is not None:
        pictures["image.jpg"] = to_jpeg(maps.image, _JPEG_QUALITY)
    return pictures


def _heat_to_png(heat: np.ndarray) -> bytes:
    step = -(-heat.shape[1] // _MAX_HEAT_WIDTH)
    # Means over blocks of step x step pixels; pixels that do not fill a block are left out.
    height, width = (max(size // step, 1) for size in heat.shape)
    blocks = heat[: height * step, : width * step]
    reduced = blocks.reshape(height, blocks.shape[0] // height, width, -1).mean((1, 3))
    levels = np.rint(reduced * (_HEAT_LEVELS - 1)).astype(np.uint8)
    return to_png(levels, heat_colours(_HEAT_LEVELS))


def pack_segments(segments: np.ndarray) -> dict[str, Any]:
    """The map of segment numbers with its size, as ``metaseg.putSegments`` takes it."""
    dtype = np.uint16 if segments.max(initial=0) < 1 << 16 else np.uint32
    height, width = segments.shape
    return {"height": height, "width": width, "numbers": pack_array(segments.astype(dtype))}


def pack_points(table: pd.DataFrame, images: Sequence[str]) -> dict[str, Any]:
    """The judged segments of a run, or an even sample of them, for the scatter plot.

    ``images`` names all images of the run, to which points refer by position. Returns ``total``,
    ``count`` and ``step``, and by name the arrays that ``metaseg.unpack`` takes.
    """
    judged = shown = table[table[_LINEAR].notna()]
    if len(judged) > MAX_POINTS:
        shown = judged.sample(MAX_POINTS, random_state=0).sort_index()
    places = pd.Categorical(shown["image"], categories=list(images)).codes
    columns = {"image": places.astype(np.uint32)}
    for name, dtype in (("segment", np.uint32), ("class_id", np.uint8), ("S", np.uint32)):
        columns[name] = shown[name].to_numpy(dtype)
    values = {"iou_adj": "iou_adj", "predicted": _LINEAR, "false_positive": _FALSE_POSITIVE}
    for name, column in values.items():
        if column in shown:  # -1 where there is no probability
            steps = shown[column].fillna(-1).clip(-3, 3).mul(_STEPS).round()
            columns[name] = steps.to_numpy(np.int16)
    packed = {name: pack_array(column) for name, column in columns.items()}
    return {"total": len(judged), "count": len(shown), "step": 1 / _STEPS, **packed}


def pack_array(array: np.ndarray) -> dict[str, str]:
    """Type and packed bytes of an array of integers, which ``metaseg.unpack`` gives flat."""
    content = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    packed = base64.b64encode(zlib.compress(content)).decode()
    # JavaScript's typed arrays have numpy's names: Uint8Array.
    return {"type": f"{array.dtype.name.capitalize()}Array", "data": packed}


def to_script(function: str, *arguments: Any) -> str:
    """A script that calls ``metaseg.<function>`` with arguments of plain data."""
    encode = partial(json.dumps, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return f"metaseg.{function}({','.join(map(encode, arguments))});\n"
