"""The data of the explorer and the scatter plot: verdicts, pictures, segments, points.

A page opened from disk may neither fetch files nor read pixels of pictures. So data come as
scripts that call a function, and long arrays in them as base64 of zlib's output.
"""

import base64
import json
import math
import zlib
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from metaseg_tf.analysis.evaluation import evaluate_run
from metaseg_tf.errors import InputError
from metaseg_tf.meta import MetaModel
from metaseg_tf.meta.model import SCORE_COLUMNS
from metaseg_tf.paper.figures.drawing import count_false_positives, load_judged
from metaseg_tf.pictures import heat_colours, to_jpeg, to_png
from metaseg_tf.runs.image_maps import ImageMaps
from metaseg_tf.runs.run import Run
from metaseg_tf.segments.columns import BOX, IOU_COLUMNS, METRIC_COLUMNS

__all__ = [
    "ROW_COLUMNS",
    "JudgedRun",
    "choose_images",
    "draw_pictures",
    "judge_run",
    "list_segments",
    "pack_array",
    "pack_points",
    "pack_segments",
    "to_script",
]

#: The columns of a segment that the page shows, in this order.
ROW_COLUMNS = ("segment", "class_id", *METRIC_COLUMNS, *IOU_COLUMNS, *SCORE_COLUMNS, *BOX)
_PREDICTED, _LINEAR, _FALSE_POSITIVE = SCORE_COLUMNS

# More points could not be told apart, and would not fit into a page of a few MB.
MAX_POINTS = 60_000
# Values are stored as integers of this step; the linear prediction can leave [0, 1].
_STEPS = 10_000
_JPEG_QUALITY = 85
_HEAT_LEVELS = 32
_MAX_HEAT_WIDTH = 1024


class JudgedRun(NamedTuple):
    """A run with verdicts on its segments."""

    run: Run
    #: The segment table with the columns ``SCORE_COLUMNS``; NaN for segments without a verdict.
    table: pd.DataFrame
    #: One sentence that says where the verdicts come from.
    origin: str


def judge_run(run: Run, model: MetaModel | None = None) -> JudgedRun:
    """Verdicts of a kept model or, without one, of split 0 of the published protocol.

    Raises InputError if the run has no ground truth, and SettingsMismatchError if the model is for
    another number of classes or other settings of measuring.
    """
    table = load_judged(run)
    if model is None:
        scores, origin = _score_by_first_split(run, table)
    else:
        model.check_settings(run.manifest.settings)
        scores, known = model.score(table), model.provenance
        origin = (
            f"Verdicts are those of a kept meta model, fitted on {known.get('images', '?')} images "
            f"of the run {known.get('run') or '?'}."
        )
    return JudgedRun(run, pd.concat([table, scores], axis=1), origin)


def _score_by_first_split(run: Run, table: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    scores = pd.DataFrame(np.nan, table.index, list(SCORE_COLUMNS))
    try:
        evaluation = evaluate_run(run)
        rows = scores.index[evaluation.design.rows]
        scores.loc[rows, _LINEAR] = evaluation.regressions["iou_adj"].predicted
        scores[_PREDICTED] = scores[_LINEAR].clip(0, 1)
        scores.loc[rows, _FALSE_POSITIVE] = 1 - evaluation.classification.probability
    except InputError as error:
        return scores, f"Verdicts are missing: {error}."
    return scores, (
        "Verdicts are those of split 0 of the published protocol, fitted on one half of the "
        "segments with interior; segments without interior have none."
    )


def choose_images(judged: Sequence[JudgedRun], limit: int) -> list[list[str]]:
    """At most ``limit`` images of each run, those with the most false positives first.

    Images that all runs keep maps of come before others, so that networks can be compared.
    """
    shared = set.intersection(*(one.run.with_maps() for one in judged))
    counts = pd.concat([count_false_positives(one.table) for one in judged])
    rank = counts.groupby(level=0).sum()

    def order(name: str) -> tuple:
        return (name not in shared, -rank.get(name, 0), name)

    return [sorted(one.run.with_maps() & set(rank.index), key=order)[:limit] for one in judged]


def list_segments(table: pd.DataFrame) -> list[list[float | int | None]]:
    """One row per segment with `ROW_COLUMNS`; None if there is no verdict."""

    def shorten(value: float | int) -> float | int | None:
        if isinstance(value, int):
            return value
        return None if math.isnan(value) else float(f"{value:.5g}")

    columns = [table[name].tolist() for name in ROW_COLUMNS]
    return [[shorten(value) for value in row] for row in zip(*columns, strict=True)]


def draw_pictures(maps: ImageMaps, palette: np.ndarray) -> dict[str, bytes]:
    """File name -> content of the layers that are pictures; missing layers are left out.

    Heat maps are reduced to about 1024 columns and 32 levels: they are looked at, not read off.
    """
    heat = {"entropy.png": maps.entropy, "difference.png": maps.difference}
    pictures = {name: _heat_to_png(values) for name, values in heat.items()}
    if maps.gt is not None:
        pictures["truth.png"] = to_png(maps.gt, palette)
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
    steps = {
        name: np.rint(shown[column].clip(-3, 3).to_numpy(float) * _STEPS).astype(np.int16)
        for name, column in (("iou_adj", "iou_adj"), ("predicted", _LINEAR))
    }
    columns = {
        "image": pd.Categorical(shown["image"], categories=list(images)).codes.astype(np.uint32),
        "segment": shown["segment"].to_numpy(np.uint32),
        "class_id": shown["class_id"].to_numpy(np.uint8),
        "S": shown["S"].to_numpy(np.uint32),
        **steps,
    }
    packed = {name: pack_array(column) for name, column in columns.items()}
    return {"total": len(judged), "count": len(shown), "step": 1 / _STEPS, **packed}


def pack_array(array: np.ndarray) -> dict[str, str]:
    """Type and packed bytes of an array, as ``metaseg.unpack`` in the page takes them.

    Of uint8, uint16, uint32 or int16 in any shape; it is unpacked flat.
    """
    content = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    packed = base64.b64encode(zlib.compress(content, 9)).decode()
    # JavaScript's typed arrays have numpy's names: Uint8Array.
    return {"type": f"{array.dtype.name.capitalize()}Array", "data": packed}


def to_script(function: str, *arguments: Any) -> str:
    """A script that calls ``metaseg.<function>`` with arguments of plain data."""
    encode = partial(json.dumps, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return f"metaseg.{function}({','.join(map(encode, arguments))});\n"
