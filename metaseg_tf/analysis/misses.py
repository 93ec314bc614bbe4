"""What a network found of the ground truth and what it missed: recall, F1 and panoptic quality."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from metaseg_tf.analysis.scores import group_by_size
from metaseg_tf.data.classes import ClassTable

__all__ = ["FOUND", "THRESHOLDS", "rank_misses", "score_misses"]

#: A component counts as found at t if its sIoU is above t; these are averaged over.
THRESHOLDS = np.arange(25, 80, 5) / 100
#: The least of them: what is not found there counts as missed.
FOUND = THRESHOLDS[0]
_MATCH = 0.5


def score_misses(truth: pd.DataFrame, table: pd.DataFrame, classes: ClassTable) -> pd.DataFrame:
    """Scores of what was found, over all, for things and stuff, by class and by size.

    At each of ``THRESHOLDS`` t, a component of the truth is found (TP) if its sIoU is above t, else
    missed (FN), and a segment is a false alarm (FP) if its IoU_adj is not above t, which is the
    sIoU of its side as in SegmentMeIfYouCan if the run follows the paper's convention. F1 is
    2 TP / (2 TP + FN + FP). Panoptic quality (Kirillov et al., 2019) matches components and
    segments of IoU > 0.5; stuff counts as one region per image. Void counts nowhere.

    ``truth`` is of `metaseg_tf.load_truth`, and ``table`` the segment table of the same images.
    Classes of unknown kind are treated as things. There is one row per group that occurs: ``group``
    ("all", "kind", "class" or "size") and ``of`` which, ``components``, ``segments``,
    ``overlooked`` (components without a pixel that is predicted as their class), ``found_25``,
    ``found_50``, ``found_75`` (found at these percentages), ``recall`` and ``f1``, the means over
    thresholds in [0, 1], and ``pq``, ``sq``, ``rq`` in [0, 1]: of a class, 0 without a match, or
    their means over classes that occur; NaN by size, and where there is nothing to score.
    """
    is_stuff = np.array([kind == "stuff" for kind in classes.kinds])
    panoptic = np.full((len(classes), 3), np.nan)
    true, predicted = (frame["class_id"].to_numpy() for frame in (truth, table))
    for j in np.union1d(true, predicted):
        panoptic[j] = _panoptic(truth[true == j], table[predicted == j], is_stuff[j])
    rows, nothing = [], (np.nan,) * 3
    for (group, of), own, theirs, members in _groups(truth, table, classes, is_stuff):
        siou, iou_adj = truth["siou"].to_numpy()[own], table["iou_adj"].to_numpy()[theirs]
        found = (siou[:, None] > THRESHOLDS).sum(axis=0)
        wrong = (iou_adj[:, None] <= THRESHOLDS).sum(axis=0)
        whole = found + len(siou) + wrong
        known = panoptic[members][~np.isnan(panoptic[members, 0])]
        rows.append(
            {"group": group, "of": of, "components": len(siou), "segments": len(iou_adj)}
            | {"overlooked": int((truth["covered"].to_numpy()[own] == 0).sum())}
            | {f"found_{t}": int((siou > t / 100).sum()) for t in (25, 50, 75)}
            | {"recall": np.mean(found) / len(siou) if len(siou) else np.nan}
            | {"f1": np.mean(2 * found / whole) if whole.all() else np.nan}
            | dict(zip(("pq", "sq", "rq"), known.mean(0) if len(known) else nothing, strict=True))
        )
    return pd.DataFrame(rows)


def rank_misses(truth: pd.DataFrame, classes: ClassTable) -> pd.DataFrame:
    """The missed components (sIoU of ``FOUND`` at most), those with the most lost pixels first.

    Columns are those of `metaseg_tf.load_truth`, with ``lost`` (pixels that are not predicted as
    their class), ``class_name`` and ``hidden_by_name``, empty where nothing hides them.
    """
    missed, names = truth[truth["siou"] <= FOUND], np.array([*classes.names, ""], object)
    missed = missed.assign(
        lost=(missed["size"] * (1 - missed["covered"])).round().astype(int),
        class_name=names[missed["class_id"]],
        hidden_by_name=names[missed["hidden_by"]],
    )
    return missed.sort_values("lost", ascending=False, kind="stable", ignore_index=True)


def _panoptic(truth: pd.DataFrame, table: pd.DataFrame, is_stuff: bool) -> tuple[float, ...]:
    """Panoptic, segmentation and recognition quality of one class that occurs."""
    iou, n_true, n_predicted = truth["iou"], len(truth), len(table)
    if is_stuff:
        shared = (truth["size"] * truth["covered"]).groupby(truth["image"]).sum().round()
        size, area = truth.groupby("image")["size"].sum(), table.groupby("image")["S"].sum()
        # NaN where the truth lacks the class: it exceeds no threshold.
        iou = shared / (size.add(area, fill_value=0) - shared)
        n_true, n_predicted = len(size), len(area)
    matched = iou[iou > _MATCH]
    share = 2 / (n_true + n_predicted)
    mean = matched.mean() if len(matched) else 0.0
    return matched.sum() * share, mean, len(matched) * share


def _groups(
    truth: pd.DataFrame, table: pd.DataFrame, classes: ClassTable, is_stuff: np.ndarray
) -> Iterator[tuple[tuple[str, str], np.ndarray, np.ndarray, np.ndarray]]:
    """Name of each group, its rows of both tables, and its classes; those that occur."""
    every = np.arange(len(classes))
    sets = {("all", ""): every}
    if is_stuff.any():
        sets |= {("kind", "things"): every[~is_stuff], ("kind", "stuff"): every[is_stuff]}
    sets |= {("class", name): every[[j]] for j, name in enumerate(classes.names)}
    sides = truth["class_id"].to_numpy(), table["class_id"].to_numpy()
    groups = [(key, *(np.isin(side, own) for side in sides), own) for key, own in sets.items()]
    sizes, areas = group_by_size(truth["size"].to_numpy()), group_by_size(table["S"].to_numpy())
    groups += [(("size", name), sizes[name], areas[name], every[:0]) for name in sizes]
    yield from (group for group in groups if group[1].any() or group[2].any())
