"""Print how well `metaseg-tf review` finds wrong labels: the numbers of docs/review.md.

    python docs/make_review.py RUN [--true MASKS]

Errors are planted into the labels of the run's images, 5 and 10 % of the components. With
``--true``, a folder of true labels as class ids, named as the images, the queue of the run is
compared with the errors that the labels of these images have.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from skimage import measure

from metaseg_tf import Run
from metaseg_tf.data.classes import VOID
from metaseg_tf.meta.review import BOX, find_regions, measure_labels, review_labels
from metaseg_tf.report.review import RANKINGS

SHARES = (0.05, 0.1)
#: Smaller errors are specks along borders; a region finds one if this much of their union is both.
LARGE, OVERLAP = 250, 0.25


def place_errors(maps, true: np.ndarray, queue: pd.DataFrame) -> pd.DataFrame:
    """One row per error of an image's labels: ``size``, ``seen``, ``void``, ``place`` in its queue.

    ``void`` if the label was not given another class but removed; ``place`` is NaN where no region
    finds it. Errors are components of one true and one given class.
    """
    differ = (maps.gt != true) & (true != VOID)
    errors = measure.label(np.where(differ, 256 * true.astype(int) + maps.gt + 1, 0))
    regions, rows = find_regions(maps.pred, maps.gt), []
    places = {tuple(box): place for place, box in enumerate(queue[[*BOX]].to_numpy(), start=1)}
    boxes = [measured.bbox for measured in measure.regionprops(regions)]
    for error in measure.regionprops(errors):
        if error.area < LARGE:
            continue
        inside = tuple(error.coords.T)
        met, common = np.unique(regions[inside], return_counts=True)
        union = error.area + np.bincount(regions.ravel())[met] - common
        found = [places[boxes[k - 1]] for k in met[(met > 0) & (common >= OVERLAP * union)]]
        seen = np.mean(maps.pred[inside] == true[inside]) >= 0.5
        void = maps.gt[inside][0] == VOID
        rows.append((int(error.area), bool(seen), bool(void), min(found, default=np.nan)))
    return pd.DataFrame(rows, columns=["size", "seen", "void", "place"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--true", type=Path)
    options = parser.parse_args()
    run, say = Run(options.run), sys.stdout.write
    masks = {path.stem for path in options.true.glob("*.png")} if options.true else set()
    names = sorted(masks & run.with_maps())
    if options.true and not names:
        parser.error(f"{options.true}: expected NAME.png of images of the run, got none")
    for share in (0.1,) if options.true else SHARES:
        say("| share | ranking | average precision | first 20 | first 50 | as many as wrong |\n")
        say("| ---: | --- | ---: | ---: | ---: | ---: |\n")
        found = review_labels(list(measure_labels(run, errors=share)), run.classes)
        for name, row in found.rankings.iterrows():
            cells = " | ".join(f"{value:.2f}" for value in row)
            say(f"| {share:.0%} | {RANKINGS[name]} | {cells} |\n")
        say(f"\n{share:.0%}: {found.reached} of {found.planted} planted errors in regions\n\n")
    if options.true:
        say("| image | errors | seen by the network | in the queue | among the first 10 |\n")
        say("| --- | ---: | ---: | ---: | ---: |\n")
        tables = []
        for name in names:
            true = np.asarray(Image.open(options.true / f"{name}.png"))
            own = found.queue[found.queue["image"] == name]
            tables.append(place_errors(run.load_maps(name), true, own))
            say_found(name, tables[-1][~tables[-1]["void"]])
        errors = pd.concat(tables)
        say_found("all", errors[~errors["void"]])
        say_found("all, with errors of void", errors)
        sizes = ", ".join(map(str, errors.loc[errors["void"], "size"]))
        say(f"\nErrors of void: {sizes} pixels\n")


def say_found(name: str, errors: pd.DataFrame) -> None:
    """A row of the table of errors."""
    seen = errors.loc[errors["seen"], "place"]
    counts = (len(errors), len(seen), seen.count(), (seen <= 10).sum())
    sys.stdout.write(f"| {name} | " + " | ".join(map(str, counts)) + " |\n")


if __name__ == "__main__":
    main()
