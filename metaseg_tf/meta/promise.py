"""What is promised of verdicts on new images: conformal risk control (Angelopoulos et al., 2024).

Images are what is exchangeable, not segments: losses are shares of an image's segments. Promises
hold for a model that was fitted without the images they are set on; decision record 0061.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from metaseg_tf.errors import InputError, check_choice, number_of
from metaseg_tf.meta.images import summarise_images
from metaseg_tf.meta.model import PROMISES, SCORE_COLUMNS, SIZES, Intervals, MetaModel, Promise
from metaseg_tf.segments.truth import check_truth

__all__ = ["WHOLE", "calibrate", "check_promise", "control_risk", "count_needed"]

#: A stretch that makes every interval [0, 1].
WHOLE = 1e99


def calibrate(
    model: MetaModel,
    table: pd.DataFrame,
    *,
    promise: Mapping[str, float] | None = None,
    intervals: float | None = None,
) -> MetaModel:
    """The model with a promise, or with intervals of another level, that hold for new images.

    Its ``promise.sentence`` and ``intervals.sentence`` say exactly what is promised.

    Parameters
    ----------
    model : MetaModel
        Fitted on other images than the table's.
    table : DataFrame
        A segment table with ground truth, of images like those to be judged.
    promise : mapping of one str to float, optional
        "false-positives": the expected share, in (0, 1), of an image's false positives that are
        trusted (as many segments as can be); or "missed-trust": that of its segments with
        IoU_adj > 0 that are not (as few).
    intervals : float, optional
        Expected share in (0, 1) of an image's segments of each size whose interval holds IoU_adj.

    Raises
    ------
    InputError
        If a share or level is outside (0, 1), there is no ground truth, too few images, or images
        that the model was fitted on.
    """
    check_truth(table)
    number, images = pd.factorize(table["image"])
    check_promise(promise, intervals, n := len(images))
    if known := {*images} & {*model.provenance.get("fitted_on", ())}:
        raise InputError(
            "promise: expected images that the model was not fitted on, got "
            f"{number_of(len(known), 'image')} of its fit, such as {min(known)}; leave these out, "
            "or give others than these other names"
        )
    verdicts, true = model.score(table), table["iou_adj"].to_numpy(np.float64)
    kept, stretched = model.promise, model.intervals
    for kind, alpha in (promise or {}).items():
        probability = verdicts[SCORE_COLUMNS[2]].to_numpy()
        if kind == "false-positives":
            false = true == 0
            threshold = -control_risk(-probability[false], number[false], n, alpha, -1.0)
        else:
            right = true > 0
            threshold = control_risk(probability[right], number[right], n, alpha, 0.0)
            threshold = float(np.nextafter(threshold, 2))  # trusted, if equal to it
        kept = Promise(kind, alpha, n, threshold)
    if intervals is not None:
        predicted, needed = verdicts[SCORE_COLUMNS[1]].to_numpy(), np.empty(len(table))
        for fit, rows in model.split(table):
            needed[rows] = fit.spread.measure_stretch(predicted[rows], true[rows])
        size, found = Intervals.place(table["S"].to_numpy()), []
        for own in (size == i for i in range(len(SIZES))):
            image, seen = pd.factorize(number[own])
            stretch = control_risk(needed[own], image, len(seen), 1 - intervals, 0.0)
            found.append((len(seen), min(stretch, WHOLE)))
        stretched = Intervals(intervals, *zip(*found, strict=True))
    reference = summarise_images(pd.concat([table, verdicts], axis=1), model.n_classes)
    return replace(model, promise=kept, intervals=stretched, reference=reference)


def control_risk(
    value: np.ndarray, image: np.ndarray, n_images: int, alpha: float, least: float
) -> float:
    """The smallest t such that a new image expects at most ``alpha`` of its values above t.

    The expected share is bounded by n/(n+1) * mean share + 1/(n+1) over the n images (eq. 4 of
    Conformal Risk Control), of which those without a ``value`` [m] have a share of 0. ``image`` [m]
    is the number, from 0, of each value's image. t is ``least``, which no value is below, or one of
    the values; infinite if n is too small, see `count_needed`.
    """
    order = np.argsort(value)
    value, weight = value[order], (1 / np.maximum(np.bincount(image), 1))[image[order]]
    # Sums from the end, so that the share above the largest value is exactly 0.
    above = np.append(np.cumsum(weight[::-1])[::-1], 0.0)
    at = np.append(least, value)
    risk = (above[np.searchsorted(value, at, side="right")] + 1) / (n_images + 1)
    # 1 - 0.9 is a rounding below 0.1.
    return float(np.min(at[risk <= alpha + 1e-12], initial=np.inf))


def count_needed(alpha: float) -> int:
    """The smallest number n of images with 1/(n+1) <= alpha, which can carry a promise."""
    # 1 / 0.1 - 1 may be a rounding above 9.
    return max(1, math.ceil(1 / alpha - 1 - 1e-9))


def check_promise(
    promise: Mapping[str, float] | None, intervals: float | None, n: int, aside: int = 1
) -> None:
    """Raise an InputError for other than one known promise, or if n / ``aside`` images are few."""
    if (promise is not None or intervals is None) and len(promise or ()) != 1:
        raise InputError(
            f"promise: expected one of {', '.join(PROMISES)}, got {len(promise or ())} together; a "
            "threshold keeps one promise exactly, so make a model for each"
        )
    for kind in promise or ():
        check_choice("promise", kind, tuple(PROMISES))
    levels = {} if intervals is None else {"intervals": intervals}
    for name, share in {**(promise or {}), **levels}.items():
        is_level = name in levels
        if not 0 < share < 1:
            usual = 0.9 if is_level else 0.1
            raise InputError(
                f"{name}: expected a share between 0 and 1, got {share}; {usual} is usual"
            )
        if n // aside < (needed := count_needed(1 - share if is_level else share)):
            least = math.ceil(100 / (n // aside + 1)) / 100
            easier = f", or ask for {1 - least if is_level else least:.2f}" if least < 1 else ""
            raise InputError(
                f"{name}: expected at least {needed * aside} images for {share}, got {n}: it takes "
                f"{needed} that are not fitted on; extract more images{easier}"
            )
