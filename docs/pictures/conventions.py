"""Draws the cases where the two conventions part, from what the library itself measures.

python docs/pictures/conventions.py
"""

from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch
from skimage.measure import label

from metaseg_tf.segments.columns import CONVENTIONS
from metaseg_tf.segments.components import find_interior, label_components
from metaseg_tf.segments.table import segment_metrics

FOLDER = Path(__file__).parent

# Okabe and Ito's colours, which colour-blind readers can tell apart.
COLOURS = {
    "elsewhere": "#f4f4f4",
    "k, right": "#0072b2",
    "k, wrong": "#9ecae8",
    "another segment of the class": "#cccccc",
    "truth that does not count": "#f5d38c",
    "truth that joins the union": "#d55e00",
}
INTERIOR = {"another segment": "#f4f4f4", "boundary": "#9ecae8", "interior": "#0072b2"}


class Case(NamedTuple):
    """Two small maps, ``#`` where the class is predicted or true; k is its first segment."""

    pred: tuple[str, ...]
    gt: tuple[str, ...]


#: By the name of the picture.
CASES = {
    "touching": Case(
        pred=("..........", ".####.....", ".####.....", ".####.....", ".........."),
        gt=("..........", ".###......", ".###.####.", ".###.####.", ".....####."),
    ),
    "behind": Case(
        pred=("............", ".###..###...", ".###..###...", ".###..###...", "............"),
        gt=("............", ".##########.", ".##########.", ".##########.", "............"),
    ),
}
EDGE = ("####....", "####....", "####....", "........", "..######")


def to_map(rows):
    """Uint8 [H, W]: 1 where there is a ``#``, else 0."""
    return np.array([[cell == "#" for cell in row] for row in rows], np.uint8)


def measure(case, convention):
    """(iou, iou_adj) of segment k, as the library measures them."""
    probs = np.where(to_map(case.pred)[..., None] == (0, 1), 0.9, 0.1)
    table = segment_metrics(probs, to_map(case.gt), convention=convention)
    return tuple(table.loc[table["segment"] == number_of(case), ["iou", "iou_adj"]].iloc[0])


def number_of(case):
    """Number of segment k among all segments; background counts as one, too."""
    pred = to_map(case.pred)
    return int(label_components(pred)[pred == 1].min())


def find_joined(case, convention, *, adjusted):
    """Bool [H, W]: the pixels of the truth outside of k that join the union."""
    pred, gt = to_map(case.pred), to_map(case.gt)
    k = label_components(pred) == number_of(case)
    missed = (gt == 1) & (pred != 1)
    if convention == "paper":
        reached = _parts_meeting(gt == 1, k) & ~k
        return reached & missed if adjusted else reached
    grown = _grow(k)
    return _parts_meeting(missed, grown) if adjusted else _parts_meeting(gt == 1, grown) & ~k


def _parts_meeting(mask, other):
    parts = label(mask, connectivity=2)
    return np.isin(parts, np.unique(parts[other & mask])) & mask


def _grow(mask):
    padded = np.pad(mask, 1)
    height, width = mask.shape
    shifted = [padded[i : i + height, j : j + width] for i in range(3) for j in range(3)]
    return np.any(shifted, axis=0)


def draw_case(name, case):
    """One panel a convention and a kind of IoU, with its value above."""
    figure, axes = plt.subplots(2, 2, figsize=(8, 4.4), layout="constrained")
    for row, convention in zip(axes, CONVENTIONS, strict=True):
        for ax, adjusted, symbol in zip(row, (False, True), ("IoU", "IoU$_{adj}$"), strict=True):
            value = measure(case, convention)[adjusted]
            _paint(ax, _classify(case, convention, adjusted), COLOURS)
            ax.set_title(f"{convention}: {symbol} = {value:.2f}", fontsize=11)
    _finish(figure, COLOURS, name)


def _classify(case, convention, adjusted):
    pred, gt = to_map(case.pred), to_map(case.gt)
    k = label_components(pred) == number_of(case)
    kinds = np.zeros(pred.shape, int)
    kinds[gt == 1] = 4
    kinds[(pred == 1) & ~k] = 3
    kinds[k] = np.where(gt[k] == 1, 1, 2)
    kinds[find_joined(case, convention, adjusted=adjusted)] = 5
    return kinds


def draw_edge():
    """Interior and boundary of segments at the image's edge."""
    pred = to_map(EDGE)
    figure, axes = plt.subplots(1, 2, figsize=(8, 2.8), layout="constrained")
    for ax, convention in zip(axes, CONVENTIONS, strict=True):
        interior = find_interior(pred, convention=convention)
        _paint(ax, np.where(pred == 1, 1 + interior, 0), INTERIOR)
        ax.set_title(f"{convention}: {int(interior[pred == 1].sum())} interior pixels", fontsize=11)
    _finish(figure, INTERIOR, "edge")


def _paint(ax, kinds, colours):
    ax.pcolormesh(
        kinds[::-1], cmap=ListedColormap(colours.values()), vmin=0, vmax=len(colours) - 1, ec="w"
    )
    ax.set_aspect("equal")
    ax.set_axis_off()


def _finish(figure, colours, name):
    handles = [Patch(fc=colour, ec="0.7", label=text) for text, colour in colours.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    figure.savefig(FOLDER / f"convention_{name}.svg", metadata={"Date": None})
    plt.close(figure)


def main():
    plt.rcParams.update({"svg.hashsalt": "metaseg_tf", "svg.fonttype": "none"})
    for name, case in CASES.items():
        draw_case(name, case)
    draw_edge()


if __name__ == "__main__":
    main()
