"""Judge the segments of one image, or of many into a run folder.

::

    OUT/run.json                 the network, the settings
    OUT/model.json               the meta model
    OUT/segments/<image>.parquet the judged segment table of one image
    OUT/overlays/<image>.png     segments painted by predicted IoU_adj, a legend below
    OUT/labels/<image>.png       segment numbers, R + 256 G + 65536 B
    OUT/trusted/<image>.png      class ids with void for segments not trusted, if asked for
    OUT/maps/<image>.npz, .jpg   maps of some images, for the report
    OUT/judged.{parquet,csv,jsonl}  all segments
    OUT/images.csv               all images, the worst first
"""

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from metaseg_tf.data.classes import VOID
from metaseg_tf.data.sample import Bands, Source
from metaseg_tf.errors import InputError, MetaSegError, number_of
from metaseg_tf.meta.file import compute_digest, keep_model
from metaseg_tf.meta.images import LEVELS, SUMMARIES, compare_images, summarise_images
from metaseg_tf.meta.model import SCORE_COLUMNS, TRUSTED, MetaModel
from metaseg_tf.pictures import encode_numbers, paint_segments, to_png, with_legend
from metaseg_tf.runs.image_maps import ImageMaps
from metaseg_tf.runs.run import Run, csv_text
from metaseg_tf.runs.work import Executor, ImageJob, ImageResult, failed, work_through
from metaseg_tf.segments.columns import BOX
from metaseg_tf.segments.dispersion import channels_first
from metaseg_tf.segments.table import measure_image

__all__ = ["PredictSettings", "judge_image", "open_prediction", "predict", "write_judged"]


class Judgement(NamedTuple):
    """The judged segments of one image, and where they are."""

    table: pd.DataFrame  #: Segments without ground truth, with the columns of ``MetaModel.score``.
    segments: np.ndarray  #: Number of the segment that each pixel belongs to, int32 [H, W].
    pred: np.ndarray  #: Predicted class, uint8 [H, W].
    entropy: np.ndarray  #: E_z and D_z of each pixel in [0, 1], float32 [H, W].
    difference: np.ndarray
    mutual_information: np.ndarray | None  #: That of several passes in [0, 1], float32 [H, W].


def judge_image(
    model: MetaModel,
    probs: np.ndarray | Bands,
    threads: int | None = None,
    disagreement: np.ndarray | None = None,
) -> Judgement:
    """Measure the segments of one image as the model needs it, and judge each; masks nothing.

    Parameters
    ----------
    model : MetaModel
    probs : float16, float32 or float64 array [H, W, C] or [T, H, W, C], or Bands
        Class probabilities, as for `metaseg_tf.segment_metrics`.
    threads, disagreement : optional
        As for `metaseg_tf.segments.table.measure_image`.

    Raises
    ------
    SettingsMismatchError
        If the model is for another number of classes.
    ShapeError, InputError
        If ``probs`` holds no distributions [H, W, C].
    """
    probs = probs if isinstance(probs, Bands) else np.asarray(probs)
    if len(probs.shape) == 3 and probs.shape[0] == model.n_classes != probs.shape[-1]:
        raise channels_first(probs.shape)
    if len(probs.shape) >= 3:
        model.check_classes(probs.shape[-1])
    measured = measure_image(
        probs,
        convention=model.convention,
        connectivity=model.connectivity,
        metrics=model.metrics,
        disagreement=disagreement,
        threads=threads,
    )
    table = pd.concat([measured.table, model.score(measured.table)], axis=1)
    return Judgement(table, measured.segments, *measured.heat[:3], measured.mutual_information)


@dataclass(frozen=True)
class PredictSettings:
    """Pictures to draw of each judged image."""

    #: Segments with less predicted IoU_adj become void in ``trusted/``.
    reject_below: float | None = None
    #: Segments that the model does not trust, by its promise, become void there.
    guaranteed: bool = False

    def __post_init__(self):
        if self.reject_below is not None and not 0 <= self.reject_below <= 1:
            raise InputError(
                f"reject-below: expected a predicted IoU_adj in [0, 1], got {self.reject_below}; "
                "0.2 is usual"
            )
        if self.guaranteed and self.reject_below is not None:
            raise InputError(
                f"guaranteed: expected no reject-below next to it, got {self.reject_below}: a "
                "promise has a threshold of its own; leave one of them out"
            )


def open_prediction(
    path: str | os.PathLike, source, model: MetaModel, settings: PredictSettings
) -> Run:
    """Make the folder of a prediction, or open it to continue; errors as ``Run.create``."""
    if settings.guaranteed and not model.promise:
        raise InputError(
            "guaranteed: expected a model with a promise, got one without; make one with "
            "metaseg-tf fit --promise false-positives=0.1"
        )
    if source.classes:
        model.check_classes(len(source.classes))
    measured = {
        "convention": model.convention, "connectivity": model.connectivity,
        "model": compute_digest(model),
    }  # fmt: skip
    run = Run.create(path, {**source.settings, **measured, **vars(settings)})
    run.manifest.n_classes, run.manifest.classes = model.n_classes, source.classes or model.classes
    run.write_manifest()
    keep_model(run, model)
    return run


def predict(
    source: Source,
    model: MetaModel,
    run: Run,
    settings: PredictSettings,
    *,
    skip_errors: bool = False,
    keep_maps: int = 0,
    pack: int | None = None,
    cluster: Executor | None = None,
) -> Iterator[ImageResult]:
    """Judge all images that the run, of `open_prediction`, does not hold yet.

    Yields a result per image once all its files are written. Options, order and errors as for
    `metaseg_tf.runs.extraction.extract`.
    """
    work = partial(judge_job, model=model, run=run, settings=settings)
    options = {"skip_errors": skip_errors, "keep_maps": keep_maps, "pack": pack}
    with run.continued():
        yield from work_through(source, run, work, **options, cluster=cluster)
        run.write_manifest()


def judge_job(job: ImageJob, model: MetaModel, run: Run, settings: PredictSettings) -> ImageResult:
    """Load one image, judge its segments, and store its pictures and its table in the run."""
    try:
        sample = job.load()
        judgement = judge_image(model, sample.probs, job.threads, sample.disagreement)
    except MetaSegError as error:
        return failed(job, error)
    for folder, content in _draw(judgement, sample.image, settings).items():
        run.write_bytes(f"{folder}/{sample.name}.png", content)
    if job.keep_maps:
        maps = judgement._asdict() | {"image": sample.image}
        del maps["table"]
        run.write_maps(sample.name, ImageMaps(**maps))
    # Last, since an image whose table is there counts as done.
    run.write_segments(sample.name, judgement.table)
    return ImageResult(sample.name, "judged", len(judgement.table))


def write_judged(run: Run, model: MetaModel) -> tuple[list[Path], list[str]]:
    """Write all judged segments as Parquet, CSV and JSON lines, and ``images.csv``.

    Returns their paths, and what speaks against relying on what the model promises. ``images.csv``
    is the table of `metaseg_tf.rate_images`; if the model holds the images that a promise was set
    on, ``unlike`` tells which are unlike all of these.
    """
    verdicts = (*SCORE_COLUMNS, TRUSTED) if model.promise else SCORE_COLUMNS
    table, packed = run.load(["image", "segment", "class_id", *BOX, "S", *verdicts]), io.BytesIO()
    table.insert(3, "class_name", table["class_id"].map(dict(enumerate(run.classes.names))))
    table = table.rename(columns={"S": "area"})
    judged = run.load(["image", "class_id", "S", "E", "D", *SCORE_COLUMNS])
    summaries, notes = summarise_images(judged, model.n_classes), []
    images = summaries[["image", *SUMMARIES]]
    if model.reference is not None:
        p, unlike = compare_images(summaries, model.reference)
        images, n = images.assign(unlike=unlike), len(model.reference)
        found = (
            f"these images differ from the {n} that it was set on",
            f"{np.count_nonzero(unlike)} of {number_of(len(images), 'image')} further off than "
            f"any of the {n} that it was set on (unlike in images.csv)",
        )
        notes = [
            f"do not rely on what the model promises: {words}, by more than chance (p = {own:.2g})"
            for words, own, level in zip(found, p, LEVELS, strict=True)
            if own <= level
        ]
    table.to_parquet(packed, index=False)
    lines = table.to_json(orient="records", lines=True, double_precision=15)
    files = {
        "judged.parquet": packed.getvalue(), "judged.csv": csv_text(table).encode(),
        "judged.jsonl": lines.encode(), "images.csv": csv_text(images).encode(),
    }  # fmt: skip
    return [run.write_bytes(name, content) for name, content in files.items()], notes


def _draw(judgement: Judgement, image, settings: PredictSettings) -> dict[str, bytes]:
    """Folder -> PNG of one image."""
    pred, segments = judgement.pred, judgement.segments
    quality = judgement.table["iou_adj_predicted"].to_numpy()
    pictures = {
        "overlays": with_legend(paint_segments(segments, quality, image)),
        "labels": encode_numbers(segments),
    }
    if settings.guaranteed or settings.reject_below is not None:
        below = quality < (settings.reject_below or 0)
        doubtful = ~judgement.table[TRUSTED].to_numpy() if settings.guaranteed else below
        doubtful = np.concatenate([[False], doubtful])
        pictures["trusted"] = np.where(doubtful[segments], np.uint8(VOID), pred)
    return {folder: to_png(pixels) for folder, pixels in pictures.items()}
