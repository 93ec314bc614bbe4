"""Which labels are wrong: regions in which network and label disagree, ranked (the outlook).

A region is a connected set of pixels with one predicted and one given class, without parts thinner
than ``2 * _REACH + 1`` pixels: borders are where everybody disagrees. A classifier learns from
errors planted into the labels of other images which regions are the label's error.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import ndimage
from scipy.special import expit
from skimage import measure
from sklearn.metrics import average_precision_score

from metaseg_tf.analysis.design import standardise
from metaseg_tf.analysis.estimators import Lasso
from metaseg_tf.analysis.protocol import image_folds
from metaseg_tf.data.classes import VOID, ClassTable
from metaseg_tf.errors import InputError, restate
from metaseg_tf.pictures import to_png
from metaseg_tf.runs.image_maps import ImageMaps
from metaseg_tf.runs.run import Run
from metaseg_tf.runs.storage import LocalFolder
from metaseg_tf.segments.columns import BOX
from metaseg_tf.segments.components import Spans, label_components
from metaseg_tf.segments.iou import count_confusions

__all__ = ["Review", "correct_run", "find_regions", "measure_labels", "review_labels"]

#: Columns by which a region is found again, and those of the queue.
_REGION = [*BOX, "class_id", "given_class_id", "size"]
COLUMNS = (
    "rank", "image", "kind", "class_id", "given_class_id", *BOX, "size", "score", "reason",
)  # fmt: skip
#: Share of the labels' components that are assumed to be wrong, and fewest pixels of a region.
ERRORS, LEAST = 0.1, 60
#: Numbers of regions at the head of a ranking whose precision is told.
FIRST = (20, 50)
#: What is planted: the label is dropped into its surroundings, has another class, has a shifted
#: border, or is invented somewhere else.
PLANTED = ("dropped", "class", "shifted", "invented")
#: Rankings that need no fit: column, and -1 if the smallest are the most suspicious.
BASELINES = {"D": -1, "size": 1, "p_given": -1}
_REACH = 2
#: Larger components of the labels, as a share of the image, are not what is mistaken as a whole.
_LARGEST = 0.05
#: A pair of classes counts as confused in at least this share of all pixels.
_RARE = 1e-5


def find_regions(pred: np.ndarray, given: np.ndarray, least: int = LEAST) -> np.ndarray:
    """Number the regions of at least ``least`` pixels in which prediction and label disagree.

    Both are uint8 [H, W], with 255 for void, where nothing disagrees. Returns int32 [H, W]: numbers
    from 1 in raster order, 0 outside of regions.
    """
    differ = (pred != given) & (pred != VOID) & (given != VOID)
    pairs = np.where(differ, 256 * pred.astype(np.int32) + given + 1, 0)
    window = 2 * _REACH + 1
    alike = ndimage.minimum_filter(pairs, window) == ndimage.maximum_filter(pairs, window)
    thick = ndimage.maximum_filter(alike & differ, window)
    regions = measure.label(np.where(thick, pairs, 0), connectivity=2)
    kept = np.bincount(regions.ravel()) >= least
    kept[0] = False
    return np.where(kept, np.cumsum(kept), 0).astype(np.int32)[regions]


def measure_regions(maps: ImageMaps, given: np.ndarray, regions: np.ndarray) -> pd.DataFrame:
    """One row per region of `find_regions`: classes, box, and what tells its errors apart.

    ``D``, ``E`` and ``p_given`` are means over the region, the last of the given class's
    probability: half of D where it is the second largest (exact if there are no further ones), else
    0; ``of_segment`` and ``of_label`` are shares of the predicted segment and of the label's
    component; ``edge_pred``, ``edge_given`` and ``agree`` of its edge beyond which the predicted or
    the given class changes, and both agree; ``thick`` is its area over that of a square with an
    edge as long.
    """
    owner, n, spans = regions.ravel(), int(regions.max()), Spans.of(regions)
    table = spans.boxes(owner[spans.starts], len(regions), n)
    table["size"] = np.bincount(owner, minlength=n + 1)[1:]

    def sum_up(values: np.ndarray) -> np.ndarray:
        return np.bincount(owner, values.ravel(), n + 1)[1:]

    for name, values in {
        "class_id": maps.pred, "given_class_id": given, "D": maps.difference, "E": maps.entropy,
        "p_given": (maps.runner_up == given) * maps.difference / 2,
    }.items():  # fmt: skip
        table[name] = sum_up(values) / table["size"]
    for name, parts in {"of_segment": maps.segments, "of_label": label_components(given)}.items():
        table[name] = sum_up(1 / np.maximum(np.bincount(parts.ravel()), 1)[parts])
    edges = np.zeros((4, n))
    # The image's own edge is none: beyond it everything goes on.
    padded = [np.pad(classes, 1, mode="edge") for classes in (regions, maps.pred, given)]
    for row, column in ((0, 1), (1, 0), (1, 2), (2, 1)):
        side = np.s_[row : row + len(given), column : column + len(given[0])]
        other, pred, label = (classes[side] for classes in padded)
        at = (regions > 0) & (regions != other)
        changes = (at, pred != maps.pred, label != given, pred == label)
        for total, what in zip(edges, changes, strict=True):
            total += np.bincount(regions[at], what[at], n + 1)[1:]
    length = np.maximum(edges[0], 1)
    table |= zip(("edge_pred", "edge_given", "agree"), edges[1:] / length, strict=True)
    table["thick"] = 16 * table["size"] / length**2
    return pd.DataFrame(table).astype({"class_id": int, "given_class_id": int})


def plant_errors(
    given: np.ndarray, share: float, rng: np.random.Generator, kinds: Sequence[str] = PLANTED
) -> tuple[np.ndarray, np.ndarray]:
    """Labels, uint8 [H, W], with errors, and the number, int32 [H, W] from 1, of each pixel's.

    Each component of at least ``LEAST`` pixels and at most a 20th of the image gets one with a
    probability of ``share``, of ``kinds`` that are equally likely. Void (255) stays. Nothing is
    planted if there is only one class.
    """
    components, void = label_components(given), given == VOID
    size = np.bincount(components.ravel())
    size[0] = 0
    fit = np.flatnonzero((size >= LEAST) & (size <= _LARGEST * given.size))
    classes = np.unique(given[~void])
    chosen = fit[(rng.random(len(fit)) < share) & (len(classes) > 1)]
    drawn = rng.choice(kinds, len(chosen))
    gone = np.isin(components, chosen[np.isin(drawn, ("dropped", "shifted"))]) | void
    around = given
    if not gone.all():
        find = {"return_distances": False, "return_indices": True}
        around = given[tuple(ndimage.distance_transform_edt(gone, **find))]
    changed, numbers = given.copy(), np.zeros(given.shape, np.int32)
    for number, (component, kind) in enumerate(zip(chosen, drawn, strict=True), start=1):
        pixels = np.array(np.nonzero(components == component))
        at = tuple(pixels)
        own, numbers[at] = given[at][0], number
        if kind == "class":
            changed[at] = rng.choice(classes[classes != own])
        elif kind != "invented":
            changed[at] = around[at]
        if kind in ("shifted", "invented"):
            low, high = -pixels.min(axis=1), given.shape - pixels.max(axis=1)
            step = rng.integers(low, high)
            if kind == "shifted":
                far = max(round(np.sqrt(size[component]) / 5), 2 * _REACH)
                step = np.clip(rng.choice((-far, far), 2), low, high - 1)
            at = tuple(pixels + step[:, None])
            changed[at], numbers[at] = own, number
    changed[void] = VOID
    numbers[changed == given] = 0
    return changed, numbers


class Measured(NamedTuple):
    """The regions of one image's labels as given, and with errors planted."""

    #: Rows of `measure_regions`, with ``image``, ``planted`` (False for labels as given) and
    #: ``wrong``: planted errors have changed at least half of the pixels.
    table: pd.DataFrame
    #: Pixels by given and predicted class, int64 [C, C].
    confusions: np.ndarray
    #: Planted errors, and how many of them have half of their pixels in wrong regions.
    planted: int
    reached: int


def measure_labels(run: Run, *, errors: float = ERRORS, seed: int = 0) -> Iterator[Measured]:
    """Measure the regions of each image that keeps its maps, with a share of errors planted.

    Raises InputError if there are too few images, or their maps lack what is needed.
    """
    if not 0 < errors < 1:
        raise InputError(f"errors: expected a share between 0 and 1, got {errors}; 0.1 is usual")
    names = sorted(run.with_maps())
    if len(names) < 2:
        raise InputError(
            f"{run.path}: expected maps of at least 2 images, got {len(names)}; repeat extract "
            "with --keep-maps all"
        )
    for number, name in enumerate(names):
        maps = run.load_maps(name)
        if maps.gt is None:
            raise InputError(
                f"{run.path}: expected images with labels, got {name!r} without; review a run that "
                "extract made with ground truth"
            )
        if maps.runner_up is None:
            raise InputError(
                f"{run.path}: expected maps with the second most probable class, got {name!r} "
                "without, of a former version; extract again, into another folder"
            )
        pred = np.where(maps.gt == VOID, 0, maps.pred)
        confusions = count_confusions(pred, maps.gt, len(run.classes))[:-1]
        labels, numbers = plant_errors(maps.gt, errors, np.random.default_rng([seed, number]))
        given, tried = find_regions(maps.pred, maps.gt), find_regions(maps.pred, labels)
        table = measure_regions(maps, labels, tried)
        changed = np.bincount(tried.ravel(), numbers.ravel() > 0, len(table) + 1)[1:]
        wrong = changed >= table["size"] / 2
        size = np.bincount(numbers.ravel())[1:]
        inside = numbers[np.append(False, wrong)[tried]]
        covered = np.bincount(inside, minlength=len(size) + 1)[1:]
        reached = covered[size >= LEAST] >= size[size >= LEAST] / 2
        before = measure_regions(maps, maps.gt, given).assign(planted=False, wrong=False)
        table = pd.concat([before, table.assign(planted=True, wrong=wrong)], ignore_index=True)
        yield Measured(table.assign(image=name), confusions, len(reached), int(reached.sum()))


def _build_features(measured: Sequence[Measured]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All regions, and their features; how often classes are confused counts other images only."""
    tables, total = [], np.sum([one.confusions for one in measured], axis=0)
    for table, confusions, *_ in measured:
        others, given = total - confusions, table["given_class_id"]
        confused = others[given, table["class_id"]] + _RARE * others.sum()
        tables.append(table.assign(recall=confused / (others.sum(axis=1)[given] + 1)))
    table = pd.concat(tables, ignore_index=True)
    scales = table[["size", "of_segment", "of_label", "thick", "recall"]]
    plain = table[["D", "E", "p_given", "edge_pred", "edge_given", "agree"]]
    return table, pd.concat([np.log(scales), plain], axis=1)


class Review(NamedTuple):
    """A queue of regions to look at, and how well its order finds planted errors."""

    #: One row per region with ``COLUMNS``, the most suspicious first.
    queue: pd.DataFrame
    #: By ranking, of the regions of labels with errors planted in held-out images:
    #: ``average_precision``, precision among the first ``FIRST``, and among as many as are wrong.
    rankings: pd.DataFrame
    planted: int  #: Errors, and how many of them are in regions; no ranking finds others.
    reached: int


def review_labels(measured: Sequence[Measured], classes: ClassTable) -> Review:
    """Rank the regions of `measure_labels` by the probability that the label is wrong.

    It is that of an l1-penalised logistic model, fitted on regions of other images with errors
    planted, and supposes as many. Raises InputError if none left a region.
    """
    table, features = _build_features(measured)
    X, wrong = features.to_numpy(np.float64), table["wrong"].to_numpy()
    planted, log_odds = table["planted"].to_numpy(), np.zeros(len(table))
    for held_out in image_folds(table["image"].to_numpy()):
        rows = planted & ~held_out
        if not 0 < wrong[rows].sum() < rows.sum():
            raise InputError(
                f"review: expected regions of right and of wrong labels, got {rows.sum()} with "
                f"{wrong[rows].sum()} planted errors among them; take more images"
            )
        scaled, *_ = standardise(X, rows)
        fitted = Lasso().fit(scaled[rows], wrong[rows])
        log_odds[held_out] = fitted.decision_function(scaled[held_out])
    table["score"] = expit(log_odds)
    tried, queue = table[planted], table[~planted]
    found = {"model": _rate_ranking(tried["score"], tried["wrong"])}
    for name, sign in BASELINES.items():
        found[name] = _rate_ranking(sign * tried[name], tried["wrong"])
    queue = queue.sort_values("score", ascending=False, kind="stable", ignore_index=True)
    queue["rank"], queue["kind"] = np.arange(1, len(queue) + 1), _name_kinds(queue, classes)
    queue["reason"] = [_give_reason(row, classes.names) for row in queue.itertuples()]
    sums = (sum(one.planted for one in measured), sum(one.reached for one in measured))
    return Review(queue[list(COLUMNS)], pd.DataFrame(found).T, *sums)


def _rate_ranking(values: pd.Series, wrong: pd.Series) -> dict[str, float]:
    """Average precision, and the share of wrong regions among the first ones."""
    ordered = wrong[values.sort_values(ascending=False, kind="stable").index]
    found = {"average_precision": average_precision_score(wrong, values)}
    found |= {f"precision_{first}": ordered[:first].mean() for first in FIRST}
    return found | {"precision_wrong": ordered[: wrong.sum()].mean()}


def _name_kinds(table: pd.DataFrame, classes: ClassTable) -> np.ndarray:
    """Kind of each region's error: a missing label, a spurious one, or a confusion of classes.

    A thing on stuff is missing, stuff on a thing makes that spurious; if not both kinds are known,
    the larger part tells: of the predicted segment, or of the label.
    """
    kinds = np.array(classes.kinds)
    seen, given = kinds[table["class_id"]], kinds[table["given_class_id"]]
    known = (seen != "") & (given != "")
    of_segment, of_label = table["of_segment"] >= 0.5, table["of_label"] >= 0.5
    missing = np.where(known, (seen == "thing") & (given == "stuff"), of_segment & ~of_label)
    spurious = np.where(known, (seen == "stuff") & (given == "thing"), of_label & ~of_segment)
    return np.select([missing, spurious], ["missing label", "spurious label"], "confusion")


def _give_reason(row: Mapping, names: Sequence[str]) -> str:
    seen, given = names[row.class_id], names[row.given_class_id]
    sure = "is sure" if row.D < 0.1 else "is fairly sure" if row.D < 0.4 else "is not sure"
    return (
        f"labelled {given}, the network {sure} of {seen} (D {row.D:.2f}); elsewhere it takes "
        f"{row.recall:.1%} of {given} for {seen}"
    )


def locate_regions(maps: ImageMaps, rows: pd.DataFrame) -> Iterator[np.ndarray]:
    """Pixels, bool [H, W], of each row of an image's queue: those that a correction changes.

    Raises InputError for a row that is no region of these labels.
    """
    regions = find_regions(maps.pred, maps.gt)
    known = measure_regions(maps, maps.gt, regions)[_REGION].to_numpy(int)
    numbers = {tuple(row): number for number, row in enumerate(known, start=1)}
    for row in rows[_REGION].to_numpy(int):
        if tuple(row) not in numbers:
            raise InputError(
                f"decisions: expected regions of this run's labels, got one of {row[-1]} pixels at "
                f"row {row[0]}, column {row[1]} that is not there; review the run again"
            )
        yield regions == numbers[tuple(row)]


def correct_run(run: Run, decisions: str | os.PathLike, out: str | os.PathLike) -> list[Path]:
    """Write ``OUT/corrected/<image>.png``, class ids with 255 for void, and nothing else.

    Regions accepted in ``decisions``, the JSON file that the page exports, get the predicted class.
    Raises InputError if the folder exists, the file is something else, or a region is not its.
    """
    folder, contents = LocalFolder(Path(out, "corrected")), {}
    if folder.exists():
        raise InputError(
            f"{folder.path}: expected no such folder yet, got one that may hold other labels; "
            "rename it, or choose another --out"
        )
    said = f"{decisions}: expected decisions exported by the page as JSON, got something else"
    broken = (OSError, ValueError, KeyError, TypeError, RecursionError)
    with restate(broken, InputError, said, "export them again"):
        stored = json.loads(Path(decisions).read_bytes())
        rows = pd.DataFrame(stored, columns=[*COLUMNS, "decision"])
        accepted = rows[rows["decision"] == "accept"].astype(dict.fromkeys(_REGION, int))
    for image, decided in accepted.groupby("image"):
        maps = run.load_maps(image)
        corrected = maps.gt.copy()
        for row, region in zip(decided.itertuples(), locate_regions(maps, decided), strict=True):
            corrected[region] = row.class_id
        contents[f"{image}.png"] = to_png(corrected)
    for name, content in contents.items():
        folder.write(name, content)
    return [folder.where(name) for name in contents]
