"""Print how many wrong pixels are in what is selected to be labelled next.

    python docs/make_selection.py JUDGED --cityscapes SCENES

JUDGED is a folder of ``metaseg-tf predict`` whose model was fitted on other images, SCENES has
their labels. Nothing is trained. docs/beyond.md holds what this printed for drawn scenes.
"""

import argparse
import sys

import numpy as np
import pandas as pd
from skimage.measure import approximate_polygon, find_contours

from metaseg_tf import Run
from metaseg_tf.analysis.verdict_scores import draw_images
from metaseg_tf.data.cityscapes import find_pairs
from metaseg_tf.data.classes import VOID
from metaseg_tf.meta.select import load_judged, rank_segments
from metaseg_tf.pictures import read_numbers

BUDGETS = (0.01, 0.05, 0.1, 0.2)
DRAWS = 500
#: Images whose outlines are turned into polygons, within so many pixels.
OUTLINED, TOLERANCE = 20, 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("judged")
    parser.add_argument("--cityscapes", required=True)
    options = parser.parse_args()
    run = Run(options.judged)
    table = rank_segments(load_judged(run)).sort_values(["image", "segment"])
    dispersion = run.load(["image", "segment", "E", "D"])
    table = table.merge(dispersion, on=["image", "segment"])
    pairs = {pair.name: pair for pair in find_pairs(options.cityscapes, split="val")}
    wrong, corners = [], []
    for number, (name, part) in enumerate(table.groupby("image")):
        segments = read_numbers(run.path / "labels" / f"{name}.png")
        gt = pairs[name.rpartition("__")[2]].read().gt
        pred = np.concatenate([[VOID], part["class_id"]])[segments]
        missed = (gt != VOID) & (gt != pred)
        wrong.append(np.bincount(segments[missed], minlength=len(part) + 1)[1:])
        if number < OUTLINED:
            corners += [count_corners(segments == k) for k in part["segment"]]
    table["wrong"] = np.concatenate(wrong)
    clicks = table["clicks"].to_numpy()[: len(corners)]
    say(
        f"{table['image'].nunique()} images, {len(table)} segments, {table['clicks'].sum()} "
        f"clicks, {table['wrong'].sum()} wrong pixels, {table['expected_wrong'].sum():.0f} "
        f"expected; polygons of {len(corners)} segments have {sum(corners)} corners, "
        f"{clicks.sum()} clicks estimated, correlation {np.corrcoef(clicks, corners)[0, 1]:.2f}"
    )
    sums = ["S", "wrong", "expected_wrong", "clicks"]
    means = table[["E", "D"]].mul(table["S"], axis=0).groupby(table["image"]).sum()
    images = pd.concat([table.groupby("image")[sums].sum(), means], axis=1).reset_index()
    images[["E", "D"]] = images[["E", "D"]].div(images["S"], axis=0)
    compare("segments, share of all clicks", table, table["clicks"])
    compare("whole images, share of all clicks", images, images["clicks"])
    compare("whole images, share of all images", images, images["clicks"] ** 0)


def compare(title: str, units: pd.DataFrame, cost: pd.Series) -> None:
    """Print the share of wrong pixels that each order of the units finds at each budget."""
    rng = np.random.default_rng(0)
    orders = {
        "expected wrong pixels for the cost": units["expected_wrong"] / cost,
        "summed entropy for the cost": units["E"] * units["S"] / cost,
        "mean entropy": units["E"],
        "D": units["D"],
        "-D": -units["D"],
        "random": rng.random(len(units)),
        "wrong pixels for the cost (needs the labels)": units["wrong"] / cost,
    }
    if (cost == 1).all():
        orders["expected wrong pixels for a click"] = units["expected_wrong"] / units["clicks"]
    number, names = pd.factorize(units["image"])
    counts = np.vstack([np.ones(len(names)), draw_images(len(names), DRAWS)])
    spent, wrong, first = cost.to_numpy(float), units["wrong"].to_numpy(float), None
    say(f"\n| {title} | " + " | ".join(f"{budget:.0%}" for budget in BUDGETS) + " |")
    say("| --- |" + " ---: |" * len(BUDGETS))
    for name, worth in orders.items():
        order = np.argsort(-np.asarray(worth), kind="stable")
        found = np.empty((len(counts), len(BUDGETS)))
        for i, count in enumerate(counts):
            # An order at random is another one in each draw, and its mean is shown.
            order = rng.permutation(len(units)) if name == "random" else order
            weight = count[number[order]]
            total, reached = np.cumsum(spent[order] * weight), np.cumsum(wrong[order] * weight)
            at = np.searchsorted(total, total[-1] * np.array(BUDGETS) * (1 + 1e-9), "right") - 1
            found[i] = np.where(at < 0, 0, reached[at]) / reached[-1]
        value = found.mean(axis=0) if name == "random" else found[0]
        # Differences to the first order, of the same draws of images.
        first = found if first is None else first
        low, high = np.percentile((found - first)[1:], [2.5, 97.5], axis=0)
        cells = [f"{value[j]:.1%} [{low[j]:+.3f}, {high[j]:+.3f}]" for j in range(len(BUDGETS))]
        if found is first:
            cells = [f"{share:.1%}" for share in value]
        say(f"| {name} | " + " | ".join(cells) + " |")


def count_corners(mask: np.ndarray) -> int:
    """Corners of polygons around a segment, holes among them."""
    outlines = find_contours(np.pad(mask, 1).astype(float), 0.5)
    return sum(max(3, len(approximate_polygon(line, TOLERANCE)) - 1) for line in outlines)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
