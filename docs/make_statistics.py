"""Print how wide 95 % intervals are, and how often they hold, by the number of images.

    python docs/make_statistics.py RUN --model MODEL

The run's images are the population, with scores that are known; sets of them are drawn again and
again. The model must not have been fitted on them. docs/statistics.md holds what this printed for
240 drawn scenes.
"""

import argparse
import sys

import numpy as np
import pandas as pd

from metaseg_tf import load_model, load_run
from metaseg_tf.analysis.verdict_scores import SCORES, Scorer, draw_images
from metaseg_tf.meta.model import SCORE_COLUMNS

IMAGES = (5, 10, 20, 40, 80, 160)
SHOWN = ("auroc", "auprc", "ece", "brier", "aurc", "r2", "sigma")
TABLES, DRAWS = 400, 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--model", required=True)
    options = parser.parse_args()
    table, names = load_run(options.run), list(SCORES)
    verdicts = load_model(options.model).score(table)
    number, images = pd.factorize(table["image"])
    _, linear, false_positive, *_ = SCORE_COLUMNS
    arrays = (verdicts[false_positive], verdicts[linear], table["iou_adj"])
    arrays = [array.to_numpy() for array in arrays]
    rows_of = [np.flatnonzero(number == i) for i in range(len(images))]
    whole = Scorer(*arrays, number, len(images))
    (truth,) = whole.compute(np.ones((1, len(images))))
    sys.stdout.write("| images | " + " | ".join(SHOWN) + " |\n")
    sys.stdout.write("| ---: |" + " ---: |" * len(SHOWN) + "\n")
    rng = np.random.default_rng(0)
    for n in IMAGES:
        widths, held = [], []
        for _ in range(TABLES):
            drawn = rng.integers(len(images), size=n)
            rows = np.concatenate([rows_of[i] for i in drawn])
            own = np.repeat(np.arange(n), [len(rows_of[i]) for i in drawn])
            scorer = Scorer(*(array[rows] for array in arrays), own, n)
            counts = draw_images(n, DRAWS, seed=int(rng.integers(1 << 31)))
            low, high = scorer.intervals(scorer.compute(counts))
            widths.append((high - low) / 2)
            held.append((low <= truth) & (truth <= high))
        cells = [
            f"±{np.nanmedian(widths, axis=0)[j]:.3f} ({np.mean(held, axis=0)[j]:.0%})"
            for j in map(names.index, SHOWN)
        ]
        sys.stdout.write(f"| {n} | " + " | ".join(cells) + " |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
