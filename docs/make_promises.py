"""Print how promises, alarms and ratings of images did on images that a model was not fitted on.

    python docs/make_promises.py RUN --model MODEL --shifted OTHER_RUN ...

The run's images are the population: sets of them are drawn again and again to set promises on, and
the rest are judged. The shifted runs are of the same network under other conditions.
docs/promises.md and docs/images.md hold what this printed for drawn scenes.
"""

import argparse
import sys
import zlib
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from metaseg_tf import load_model, load_run
from metaseg_tf.meta.images import LEVELS, compare_images, summarise_images
from metaseg_tf.meta.model import PROMISES, SCORE_COLUMNS, SIZES, Intervals
from metaseg_tf.meta.promise import control_risk
from metaseg_tf.runs.run import Run

#: The share that is allowed, the numbers of images that promises are set on, draws of these, and
#: the number of new images that are compared with them.
ALLOWED, SETS, DRAWS, NEW = 0.1, (20, 80), 1000, 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--model", required=True)
    parser.add_argument("--shifted", nargs="*", default=[])
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--pictures", type=Path, help="folder for promises.png and images.png")
    options = parser.parse_args()
    model = load_model(options.model)
    runs = {path: Judged(model, load_run(path)) for path in (options.run, *options.shifted)}
    own, *shifted = runs.values()
    say("promise", "set on", "mean share", *(f"in {path}" for path in options.shifted))
    for promise in (*PROMISES, "intervals"):
        for n in SETS:
            means, errors = keep(own, shifted, promise, n, options.draws)
            held = "kept" if means[0] <= ALLOWED + 2 * errors[0] else "broken"
            first, *others = (f"{m:.4f} ± {e:.4f}" for m, e in zip(means, errors, strict=True))
            say(promise, n, f"{first} ({held})", *others)
    say("images", "set on", "alarms", "images unlike")
    for path, other in runs.items():
        for n in SETS:
            say(path, n, *alarm(own, other, n, options.draws))
    say("rating", "Spearman with accuracy", "with mIoU", "AURC of 1 - accuracy", "of 1 - mIoU")
    accuracy, miou = measure_images(Run(options.run), own.images["image"])
    if options.pictures:
        draw_promises(runs, options.pictures / "promises.png")
        draw_images(own, accuracy, options.pictures / "images.png")
    ideal = {"the truth itself": None, "expected quality": own.images["expected_quality"]}
    ideal["few expected false positives"] = -own.images["expected_false_positives"]
    ideal["mean entropy, low"] = -own.images["mean_entropy"]
    for words, rating in ideal.items():
        cells = [
            (f"{spearmanr(r, truth)[0]:.3f}", f"{aurc(r, 1 - truth):.4f}")
            for truth in (accuracy, miou)
            for r in [truth if rating is None else rating]
        ]
        say(words, *(first for first, _ in cells), *(second for _, second in cells))


def draw_promises(runs, path, draws=100):
    """Realised against allowed share of false positives that are trusted, for each run."""
    own, *shifted = runs.values()
    allowed = np.linspace(0.05, 0.5, 10)
    shares = [keep(own, shifted, "false-positives", 40, draws, a)[0] for a in allowed]
    figure, ax = plt.subplots(figsize=(5, 4), layout="constrained")
    ax.plot([0, 0.5], [0, 0.5], color="grey", linestyle=":", label="allowed")
    for name, line in zip(runs, np.transpose(shares), strict=True):
        ax.plot(allowed, line, marker="o", label=Path(name).name.replace("_", " "))
    ax.set(xlabel="share that is allowed", ylabel="false positives trusted, mean over images")
    ax.legend(frameon=False)
    figure.savefig(path, dpi=120)


def draw_images(own, accuracy, path):
    """Expected quality and mean entropy of each image against its pixel accuracy."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 4), sharey=True, layout="constrained")
    for ax, name in zip(axes, ("expected_quality", "mean_entropy"), strict=True):
        ax.scatter(own.images[name], accuracy, s=9)
        ax.set_xlabel(name.replace("_", " "))
    axes[0].set_ylabel("true pixel accuracy")
    figure.savefig(path, dpi=120)


class Judged:
    """The segments of a run with verdicts, and its images as they are rated."""

    def __init__(self, model, table):
        verdicts = model.score(table)
        self.images = summarise_images(pd.concat([table, verdicts], axis=1), model.n_classes)
        self.number = pd.Index(self.images["image"]).get_indexer(table["image"])
        _, linear, p, *_ = (verdicts[name].to_numpy() for name in SCORE_COLUMNS)
        true, size = table["iou_adj"].to_numpy(), Intervals.place(table["S"].to_numpy())
        stretch = np.empty(len(true))
        inside = table["S_in"].to_numpy() > 0
        for fit, rows in ((model.interior, inside), (model.no_interior, ~inside)):
            stretch[rows] = fit.spread.measure_stretch(linear[rows], true[rows])
        #: What `calibrate` sets a threshold for, among which segments, and the least threshold.
        self.values = {
            "false-positives": (-p, [true == 0], -1.0),
            "missed-trust": (p, [true > 0], 0.0),
            "intervals": (stretch, [size == i for i in range(len(SIZES))], 0.0),
        }

    def lose(self, promise, thresholds) -> np.ndarray:
        """The loss in each image: the share of segments with a value above the threshold."""
        value, groups, _ = self.values[promise]
        n, every = len(self.images), np.any(groups, axis=0)
        above = np.any([g & (value > t) for g, t in zip(groups, thresholds, strict=True)], axis=0)
        shares = [np.bincount(self.number[rows], minlength=n) for rows in (above, every)]
        return shares[0] / np.maximum(shares[1], 1)


def keep(own, shifted, promise, n, draws, allowed=ALLOWED):
    """Mean losses in the run and the shifted ones over draws of n images, and standard errors."""
    rng, losses = np.random.default_rng(0), []
    value, groups, least = own.values[promise]
    for _ in range(draws):
        is_drawn = np.zeros(len(own.images), bool)
        is_drawn[rng.permutation(len(own.images))[:n]] = True
        thresholds = []
        for rows in (group & is_drawn[own.number] for group in groups):
            image, seen = pd.factorize(own.number[rows])
            images = len(seen) if promise == "intervals" else n
            thresholds.append(control_risk(value[rows], image, images, allowed, least))
        own_loss = own.lose(promise, thresholds)[~is_drawn].mean()
        losses.append([own_loss, *(run.lose(promise, thresholds).mean() for run in shifted)])
    return np.mean(losses, axis=0), np.std(losses, axis=0) / np.sqrt(draws)


def alarm(own, other, n, draws):
    """How often `NEW` images of another run raise an alarm, and how many of them are unlike."""
    rng, alarms, unlike = np.random.default_rng(0), [], []
    for _ in range(draws):
        order = rng.permutation(len(own.images))
        new = order[n : n + NEW] if other is own else rng.permutation(len(other.images))[:NEW]
        p, far = compare_images(other.images.iloc[new], own.images.iloc[order[:n]])
        alarms.append(np.any(np.array(p) <= LEVELS))
        unlike.append(far.mean())
    return f"{np.mean(alarms):.1%}", f"{np.mean(unlike):.1%}"


def measure_images(run, names):
    """Pixel accuracy, and mIoU over its true and predicted classes, of each image of a run."""
    found, n = {}, len(run.classes)
    for name, packed in run.extras("confusions"):
        counts = np.frombuffer(zlib.decompress(packed), "<i8").reshape(n + 1, n)[:n]
        right, union = np.diag(counts), counts.sum(0) + counts.sum(1) - np.diag(counts)
        found[name] = right.sum() / counts.sum(), np.mean((right / union.clip(1))[union > 0])
    return np.array([found[name] for name in names]).T


def aurc(rating, loss):
    """Mean loss of the images rated at least as well, over all of them."""
    ranked = loss[np.argsort(-np.asarray(rating), kind="stable")]
    return np.mean(np.cumsum(ranked) / np.arange(1, len(loss) + 1))


def say(*cells):
    sys.stdout.write("| " + " | ".join(map(str, cells)) + " |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
