"""Which labels are wrong: regions in which network and label disagree, ranked (the outlook).

A region is a connected set of pixels with one predicted and one given class, without parts thinner
than ``2 * _REACH + 1`` pixels: borders are where everybody disagrees. A classifier learns from
errors that are planted into the labels of other images which regions are the label's error, and not
the network's.
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
from metaseg_tf.meta.fit import FOLDS
from metaseg_tf.pictures import to_png
from metaseg_tf.runs.image_maps import ImageMaps
from metaseg_tf.runs.run import Run
from metaseg_tf.runs.storage import LocalFolder
from metaseg_tf.segments.columns import BOX
from metaseg_tf.segments.components import label_components

__all__ = [
    "COLUMNS", "ERRORS", "FIRST", "LEAST", "PLANTED", "Measured", "Review", "correct_labels",
    "correct_run", "find_regions", "measure_labels", "measure_regions", "plant_errors",
    "review_labels",
]  # fmt: skip

#: Columns of the queue.
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
#: Rankings that need no fit: column, and whether the smallest are the most suspicious.
BASELINES = {"D": True, "size": False, "p_given": True}
#: Columns by which a region is found again.
_REGION = [*BOX, "class_id", "given_class_id", "size"]
_REACH = 2
#: Larger components of the labels, as a share of the image, are not what is mistaken as a whole.
_LARGEST = 0.05
#: Times that errors are planted in each image to learn from.
_COPIES = 4
_C = 1.0
#: A pair of classes counts as confused in at least this many pixels of a million.
_RARE = 10


def find_regions(pred: np.ndarray, given: np.ndarray, least: int = LEAST) -> np.ndarray:
    """Number the regions in which prediction and label disagree, in raster order.

    Parameters
    ----------
    pred, given : uint8 array [H, W]
        Predicted and given class, 255 for void, where nothing disagrees.
    least : int
        Regions of fewer pixels are left out.

    Returns
    -------
    int32 array [H, W]
        Numbers from 1; 0 outside of regions.
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

    ``D`` and ``E`` are means over the region, ``D_segment`` over its segments; ``p_given`` is the
    probability of the given class, half of D where it is the second largest (exact if there are no
    further ones) and else 0, NaN if the maps lack ``runner_up``; ``of_segment`` and ``of_label``
    are the region's shares of the predicted segment and of the label's component; ``edge_pred``,
    ``edge_given`` and ``agree`` are the shares of its edge beyond which the predicted or the given
    class changes, and both agree; ``thick`` is its area over that of a square of its edge's length.
    """
    n, flat = int(regions.max()), np.flatnonzero(regions)
    owner = regions.ravel()[flat]
    first = flat[np.unique(owner, return_index=True)[1]]
    size = np.bincount(owner, minlength=n + 1)[1:]

    def average(values: np.ndarray) -> np.ndarray:
        return np.bincount(owner, values.ravel()[flat], n + 1)[1:] / size

    ends = [(rows.start, columns.start, rows.stop, columns.stop)
            for rows, columns in ndimage.find_objects(regions)]  # fmt: skip
    table = {"class_id": maps.pred.ravel()[first], "given_class_id": given.ravel()[first]}
    table |= zip(BOX, np.array(ends, int).reshape(-1, 4).T, strict=True)
    table |= {"size": size, "D": average(maps.difference), "E": average(maps.entropy)}
    second = None if maps.runner_up is None else maps.runner_up == given
    table["p_given"] = np.nan if second is None else average(second * maps.difference / 2)
    segments, labels = maps.segments.ravel(), label_components(given).ravel()
    areas = np.bincount(segments)
    table["D_segment"] = np.bincount(segments, maps.difference.ravel())[segments[first]]
    table["D_segment"] /= areas[segments[first]]
    table["of_segment"] = size / areas[segments[first]]
    table["of_label"] = size / np.bincount(labels)[labels[first]]
    edges = np.zeros((4, n + 1))
    everything = (regions, maps.pred, given)
    for turned in (everything, [np.transpose(x) for x in everything]):
        for inside, outside in ((np.s_[:-1], np.s_[1:]), (np.s_[1:], np.s_[:-1])):
            (own, p, g), (other, q, h) = ([x[side] for x in turned] for side in (inside, outside))
            at = np.nonzero((own > 0) & (own != other))
            own, p, g, q, h = (x[at] for x in (own, p, g, q, h))
            for total, what in zip(edges, (own > 0, p != q, g != h, q == h), strict=True):
                total += np.bincount(own, what, n + 1)
    length = np.maximum(edges[0, 1:], 1)
    table["thick"] = 16 * size / length**2
    table |= zip(("edge_pred", "edge_given", "agree"), edges[1:, 1:] / length, strict=True)
    return pd.DataFrame(table)


def plant_errors(
    given: np.ndarray,
    share: float,
    rng: np.random.Generator,
    *,
    kinds: Sequence[str] = PLANTED,
    least: int = LEAST,
) -> tuple[np.ndarray, np.ndarray]:
    """Put errors into labels.

    Parameters
    ----------
    given : uint8 array [H, W]
        Class ids, 255 for void, which stays.
    share : float
        Probability of an error at each component of at least ``least`` pixels and at most a 20th of
        the image.
    rng : Generator
    kinds : sequence of str
        Of ``PLANTED``, each as likely as the others.

    Returns
    -------
    uint8 array [H, W], int32 array [H, W]
        The labels with errors, and the number, from 1, of the error that changed a pixel.
    """
    components = label_components(given)
    size = np.bincount(components.ravel())
    size[0] = 0
    fit = np.flatnonzero((size >= least) & (size <= _LARGEST * given.size))
    classes, changed = (
        np.flatnonzero(np.bincount(given.ravel(), minlength=256)[:VOID]),
        given.copy(),
    )
    numbers = np.zeros(given.shape, np.int32)
    boxes = ndimage.find_objects(components)
    for error, component in enumerate(fit[rng.random(len(fit)) < share], start=1):
        kind, box = kinds[rng.integers(len(kinds))], boxes[component - 1]
        # With a margin, so that there are surroundings.
        box = tuple(slice(max(side.start - 2, 0), side.stop + 2) for side in box)
        mask, before = components[box] == component, given[box]
        own = before[mask][0]
        rows, columns = (at + side.start for at, side in zip(np.nonzero(mask), box, strict=True))
        new = changed.copy()
        if kind == "class":
            new[rows, columns] = rng.choice(classes[classes != own]) if len(classes) > 1 else own
        elif kind != "invented" and not (covered := mask | (before == VOID)).all():
            nearest = ndimage.distance_transform_edt(
                covered, return_distances=False, return_indices=True
            )
            new[box][mask] = before[tuple(nearest)][mask]
        if kind in ("shifted", "invented"):
            low = np.array([-rows.min(), -columns.min()])
            high = np.array(given.shape) + low - np.ptp([rows, columns], axis=1)
            step = rng.integers(low, high)
            if kind == "shifted":
                angle = rng.uniform(0, 2 * np.pi)
                far = max(np.sqrt(size[component]) / 4, 3 * _REACH)
                step = np.rint(far * np.array([np.sin(angle), np.cos(angle)])).astype(int)
                step = np.clip(step, low, high - 1)
            new[rows + step[0], columns + step[1]] = own
        new[given == VOID] = VOID
        numbers[new != changed] = error
        changed = new
    numbers[changed == given] = 0
    return changed, numbers


class Measured(NamedTuple):
    """The regions of one image's labels as given, and with errors planted."""

    image: str
    #: Rows of `measure_regions` with ``trial``: -1 for labels as given, 0 for the errors that the
    #: rankings are compared on, and from 1 for those to learn from, of which only regions that
    #: are ``wrong``, at least half of whose pixels an error has changed, are kept.
    table: pd.DataFrame
    #: Pixels by given and predicted class, int64 [C, C].
    counts: np.ndarray
    #: Errors of trial 0, and how many of them have half of their pixels in wrong regions.
    planted: int
    reached: int


def measure_labels(
    run: Run, *, errors: float = ERRORS, least: int = LEAST, seed: int = 0
) -> Iterator[Measured]:
    """Measure the regions of each image that keeps its maps; InputError if there are too few."""
    if not 0 < errors < 1:
        raise InputError(f"errors: expected a share between 0 and 1, got {errors}; 0.1 is usual")
    names = sorted(run.with_maps())
    if len(names) < 2:
        raise InputError(
            f"{run.path}: expected maps of at least 2 images, got {len(names)}; repeat extract "
            "with --keep-maps all"
        )
    for number, name in enumerate(names):
        maps, n = run.load_maps(name), len(run.classes)
        given = maps.gt
        if given is None:
            raise InputError(
                f"{run.path}: expected images with labels, got {name!r} without; review a run that "
                "extract made with ground truth"
            )
        known = (maps.pred != VOID) & (given != VOID)
        pairs = given[known].astype(np.intp) * n + maps.pred[known]
        counts = np.bincount(pairs, minlength=n * n).reshape(n, n)
        tables = []
        for trial in range(-1, _COPIES + 1):
            labels, numbers = given, np.zeros(given.shape, np.int32)
            if trial >= 0:
                rng = np.random.default_rng([seed, number, trial])
                labels, numbers = plant_errors(given, errors, rng, least=least)
            regions = find_regions(maps.pred, labels, least)
            table = measure_regions(maps, labels, regions)
            changed = np.bincount(regions.ravel(), numbers.ravel() > 0, len(table) + 1)
            table["wrong"] = changed[1:] >= table["size"] / 2
            table["trial"] = trial
            if trial == 0:
                size = np.bincount(numbers.ravel())[1:]
                inside = np.append(False, table["wrong"])[regions]
                covered = np.bincount(numbers[inside], minlength=len(size) + 1)[1:]
                planted = np.count_nonzero(size >= least)
                reached = np.count_nonzero((covered >= size / 2) & (size >= least))
            tables.append(table if trial < 1 else table[table["wrong"]])
        whole = pd.concat(tables, ignore_index=True).assign(image=name)
        yield Measured(name, whole, counts, planted, reached)


def _build_features(measured: Sequence[Measured]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All regions, and their features; how often classes are confused counts other images only."""
    tables, total = [], np.sum([one.counts for one in measured], axis=0)
    for one in measured:
        table, others = one.table, total - one.counts
        confused = others[table["given_class_id"], table["class_id"]] + _RARE * 1e-6 * others.sum()
        given = others.sum(axis=1)[table["given_class_id"]] + 1
        predicted = others.sum(axis=0)[table["class_id"]] + 1
        tables.append(table.assign(recall=confused / given, precision=confused / predicted))
    table = pd.concat(tables, ignore_index=True)
    scales = ("size", "of_segment", "of_label", "thick", "recall", "precision")
    plain = ("D", "E", "D_segment", "p_given", "edge_pred", "edge_given", "agree")
    features = {f"log_{name}": np.log(table[name]) for name in scales}
    features |= {name: table[name] for name in plain}
    return table, pd.DataFrame(features).dropna(axis=1)


class Review(NamedTuple):
    """A queue of regions to look at, and how well its order finds planted errors."""

    #: One row per region with ``COLUMNS``, the most suspicious first.
    queue: pd.DataFrame
    #: By ranking, of the regions of labels with errors planted in held-out images:
    #: ``average_precision``, precision among the first ``FIRST``, and among as many as are wrong.
    rankings: pd.DataFrame
    planted: int  #: Errors, and how many of them are in regions; no ranking finds others.
    reached: int

    @property
    def best(self) -> str:
        """The ranking with the highest average precision; the model's among equal ones."""
        return str(self.rankings["average_precision"].idxmax())


def review_labels(measured: Sequence[Measured], classes: ClassTable) -> Review:
    """Rank the regions of `measure_labels` by the probability that the label is wrong.

    The probability is that of an l1-penalised logistic model, which was fitted on regions of other
    images: those of their labels as given, which count as right, and those that planted errors
    make. It supposes as many errors as were planted. Raises InputError if none left a region.
    """
    table, features = _build_features(measured)
    X, wrong = features.to_numpy(np.float64), table["wrong"].to_numpy()
    trial, log_odds = table["trial"].to_numpy(), np.zeros(len(table))
    for held_out in image_folds(table["image"].to_numpy(), FOLDS):
        rows = (trial != 0) & ~held_out
        if not 0 < wrong[rows].sum() < rows.sum():
            raise InputError(
                f"review: expected regions of right and of wrong labels, got {rows.sum()} with "
                f"{wrong[rows].sum()} planted errors among them; take more images"
            )
        scaled, *_ = standardise(X, rows)
        fitted = Lasso(_C).fit(scaled[rows], wrong[rows])
        log_odds[held_out] = fitted.decision_function(scaled[held_out])
    table["score"] = expit(log_odds - np.log(_COPIES))
    tried = table[table["trial"] == 0]
    rankings = {"model": tried["score"]}
    rankings |= {name: tried[name] * (1 - 2 * falls) for name, falls in BASELINES.items()}
    known = {name: values for name, values in rankings.items() if values.notna().all()}
    rows = {name: _rate_ranking(values, tried["wrong"]) for name, values in known.items()}
    queue = table[table["trial"] == -1].sort_values("score", ascending=False, kind="stable")
    queue = queue.reset_index(drop=True)
    queue["rank"], queue["kind"] = np.arange(1, len(queue) + 1), _name_kinds(queue, classes)
    queue["reason"] = [_give_reason(row, classes.names) for row in queue.itertuples()]
    sums = (sum(one.planted for one in measured), sum(one.reached for one in measured))
    return Review(queue[list(COLUMNS)], pd.DataFrame(rows).T, *sums)


def _rate_ranking(values: pd.Series, wrong: pd.Series) -> dict[str, float]:
    """Average precision, and the share of wrong regions among the first ones."""
    ordered = wrong[values.sort_values(ascending=False, kind="stable").index]
    found = {"average_precision": average_precision_score(wrong, values)}
    found |= {f"precision_{first}": ordered[:first].mean() for first in FIRST}
    return found | {"precision_wrong": ordered[: wrong.sum()].mean()}


def _name_kinds(table: pd.DataFrame, classes: ClassTable) -> np.ndarray:
    """Kind of each region's error: a missing label, a spurious one, or a confusion of classes.

    A thing on stuff is missing, stuff on a thing makes that spurious. Where the class table does
    not know both kinds, the larger part tells: of the predicted segment, or of the label.
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


def correct_labels(maps: ImageMaps, accepted: pd.DataFrame, least: int = LEAST) -> np.ndarray:
    """The labels of an image, uint8 [H, W], in which accepted regions have the predicted class.

    ``accepted`` are rows of a queue. Raises InputError for one that is no region of these labels.
    """
    regions, corrected = find_regions(maps.pred, maps.gt, least), maps.gt.copy()
    known = measure_regions(maps, maps.gt, regions)
    numbers = {tuple(row): number for number, row in enumerate(known[_REGION].to_numpy(int), 1)}
    for row in accepted[_REGION].to_numpy(int):
        if tuple(row) not in numbers:
            raise InputError(
                f"decisions: expected regions of this run's labels, got one of {row[6]} pixels at "
                f"row {row[0]}, column {row[1]} that is not there; review the run again"
            )
        corrected[regions == numbers[tuple(row)]] = row[4]
    return corrected


def correct_run(run: Run, decisions: str | os.PathLike, out: str | os.PathLike) -> list[Path]:
    """Write ``OUT/corrected/<image>.png``, class ids with 255 for void, for accepted decisions.

    ``decisions`` is the JSON file that the page exports. No file outside ``out`` is written. Raises
    InputError if it is something else, or the regions are not those of the run.
    """
    said = f"{decisions}: expected decisions exported by the page as JSON, got something else"
    broken = (OSError, ValueError, KeyError, TypeError, RecursionError)
    with restate(broken, InputError, said, "export them again"):
        rows = pd.DataFrame(
            json.loads(Path(decisions).read_bytes()), columns=[*COLUMNS, "decision"]
        )
        accepted = rows[rows["decision"] == "accept"].astype(dict.fromkeys(_REGION, int))
    folder, paths = LocalFolder(out), []
    for image, regions in accepted.groupby("image"):
        corrected = correct_labels(run.load_maps(image), regions)
        folder.write(f"corrected/{image}.png", to_png(corrected))
        paths.append(folder.where(f"corrected/{image}.png"))
    return paths
