"""The queue of `metaseg_tf.meta.review` as a page that opens from disk, and as ``queue.csv``."""

import hashlib
import os
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from scipy import ndimage

from metaseg_tf.meta.review import Review, locate_regions
from metaseg_tf.pictures import overlay_classes, to_jpeg
from metaseg_tf.report.explorer import to_script
from metaseg_tf.report.page import STATIC
from metaseg_tf.runs.image_maps import ImageMaps
from metaseg_tf.runs.run import Run, csv_text
from metaseg_tf.runs.storage import LocalFolder

__all__ = ["RANKINGS", "describe_best", "write_queue"]

#: Rankings in words.
RANKINGS = {
    "model": "the fitted model",
    "D": "-D of the region",
    "size": "size",
    "p_given": "probability of the given label",
}
#: A crop's sides are this multiple of the region's box, and have at least this many pixels.
_AROUND, _LEAST_SIDE = 2.0, 96
#: Smaller crops are enlarged.
_LEAST_HEIGHT = 240
_OUTLINE = (255, 0, 220)


def write_queue(review: Review, run: Run, out: str | os.PathLike, shown: int) -> list[Path]:
    """Write ``index.html`` with the first ``shown`` regions, and ``queue.csv`` with all."""
    folder = LocalFolder(out)
    first = review.queue.head(shown)
    crops = {}
    for image, rows in first.groupby("image"):
        maps = run.load_maps(image)
        for row, region in zip(rows.itertuples(), locate_regions(maps, rows), strict=True):
            crops[row.rank] = _draw_crop(maps, row, region, run.classes.palette)
    entries = []
    for row in first.to_dict(orient="records"):
        row["crop"] = f"crops/{row['rank']}.jpg"
        names = (run.classes.names[row[key]] for key in ("class_id", "given_class_id"))
        row["title"] = "{}: {} in place of {}".format(row["kind"], *names)
        row["title"] += f", wrong with a probability of {row['score']:.0%}"
        folder.write(row["crop"], crops[row["rank"]])
        entries.append(row)
    table = csv_text(review.queue)
    about = {"name": run.name, "fingerprint": hashlib.sha256(table.encode()).hexdigest()[:16]}
    loader = PackageLoader("metaseg_tf.report")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    page = environment.get_template("review.html").render(
        name=run.name, shown=len(first), total=len(review.queue), verdict=describe_best(review)
    )
    files = {name: (STATIC / name).read_bytes() for name in ("page.css", "data.js", "marks.js")}
    files["review.js"] = (STATIC.parent / "templates" / "review.js").read_bytes()
    files["queue.js"] = to_script("setQueue", about | {"entries": entries}).encode()
    files |= {"queue.csv": table.encode(), "index.html": page.encode(errors="backslashreplace")}
    for name, content in files.items():
        folder.write(name, content)
    return [folder.where(name) for name in ("queue.csv", "index.html")]


def describe_best(review: Review) -> str:
    """Which ranking finds planted errors best, and how many any ranking can find."""
    found = review.rankings["average_precision"]
    best = found.idxmax()  # the model's among equal ones
    others = ", ".join(f"{RANKINGS[name]} {ap:.2f}" for name, ap in found.items() if name != best)
    said = "" if best == "model" else "; the queue is in the order of the model all the same"
    return (
        f"Of errors planted into images held out, {RANKINGS[best]} finds most (average precision "
        f"{found[best]:.2f}; {others}){said}. {review.reached} of {review.planted} can be found: "
        "the network does not see the others."
    )


def _draw_crop(maps: ImageMaps, row, region: np.ndarray, palette: np.ndarray) -> bytes:
    """Image, label and prediction around a region, side by side, with its outline, as JPEG."""

    def surround(low: int, high: int, length: int) -> slice:
        middle, half = (low + high) / 2, max((high - low) * _AROUND, _LEAST_SIDE) / 2
        return slice(max(int(middle - half), 0), min(int(middle + half) + 1, length))

    height, width = maps.pred.shape
    window = surround(row.top, row.bottom, height), surround(row.left, row.right, width)
    pred, given = maps.pred[window], maps.gt[window]
    image = None if maps.image is None else maps.image[window]
    grey = np.full((*pred.shape, 3), 128, np.uint8)
    edge = region[window] & ~ndimage.binary_erosion(region[window])
    panels = [grey if image is None else image.copy()]
    panels += [overlay_classes(classes, palette, image) for classes in (given, pred)]
    for panel in panels:
        panel[edge] = _OUTLINE
    gap = np.full((len(pred), 4, 3), 255, np.uint8)
    shown = np.hstack([panels[0], gap, panels[1], gap, panels[2]])
    times = max(_LEAST_HEIGHT // len(shown), 1)
    return to_jpeg(shown.repeat(times, axis=0).repeat(times, axis=1), quality=90)
