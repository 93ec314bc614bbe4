"""Shared by all figures: the house style, the image that is shown, panels of pictures, storing.

Line colours are those of Okabe and Ito, which colour-blind readers can tell apart; the colours of
maps are those of `metaseg_tf.pictures`.
"""

import io
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch

from metaseg_tf.analysis.evaluation import load_segments
from metaseg_tf.data.classes import ClassTable, shorten
from metaseg_tf.errors import DataFormatError, InputError, suggest
from metaseg_tf.paper.published import NETWORKS, paper_network
from metaseg_tf.pictures import QUALITY_COLOURS, paint_segments
from metaseg_tf.runs.image_maps import ImageMaps
from metaseg_tf.runs.run import Run, csv_text
from metaseg_tf.segments.truth import check_truth

__all__ = [
    "BLACK", "BLUE", "FORMATS", "GREY", "IOU_LABEL", "LINE_COLOURS", "LISTED", "ORANGE",
    "REFERENCE", "VERMILION", "Drawing", "add_legend", "choose_image", "class_patches",
    "count_false_positives", "iou_scale", "load_judged", "load_judged_maps", "name_segments",
    "new_figure", "paint_ious", "plain", "point_alpha", "point_area", "segments_of",
    "show_picture", "store_drawing", "styled", "title_of",
]  # fmt: skip

BLACK, GREY, BLUE, GREEN = "#000000", "#777777", "#0072B2", "#009E73"
ORANGE, VERMILION = "#E69F00", "#D55E00"
LINE_COLOURS = (BLUE, VERMILION, GREEN, ORANGE, "#56B4E9", "#CC79A7", BLACK)

#: A line to compare with.
REFERENCE = {"color": BLACK, "linewidth": 0.9, "linestyle": "--"}
IOU_LABEL = r"$IoU_\mathrm{adj}$"

_STYLE = Path(__file__).with_name("metaseg.mplstyle")
_SETTINGS = mpl.rc_params_from_file(_STYLE, use_default_template=False)
#: How each file of a figure is written, by its suffix. Without dates, so that the same data give
#: the same files; PNG at a level that takes a third of the time and 5 % more space.
FORMATS: dict[str, dict[str, Any]] = {
    "png": {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": 3}},
    "pdf": {"metadata": {"CreationDate": None}},
}

#: Classes that a legend names at most; others are counted.
LISTED = 20
# Size in inches of a legend's row, of its entry without words, and of a character in it.
_ROW, _ENTRY, _CHARACTER = 0.165, 0.53, 0.066

# Segments that bear their name: how many at most, their least share of the image, and the least
# distance of two names in shares of height and width.
_NAMED = 7
_NAMED_SHARE = 0.004
_NAME_SPACE = np.array([0.08, 0.2])


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure and its data: suffix of the CSV file's name, "" for the only or first -> frame."""

    figure: Figure
    frames: Mapping[str, pd.DataFrame]


def styled() -> AbstractContextManager:
    """A context in which a figure is made and stored in the house style."""
    # The context would not give the backend back, and a notebook would show no more figures.
    defaults = {name: mpl.rcParamsDefault[name] for name in mpl.rcParams if name != "backend"}
    return mpl.rc_context({**defaults, **_SETTINGS})


def new_figure(width: float, height: float, layout: str | None = "constrained") -> Figure:
    """A figure of that size in inches; not registered with pyplot, so it needs no closing."""
    return Figure((width, height), layout=layout)


def store_drawing(
    drawing: Drawing, run: Run, stem: str, formats: Collection[str] = tuple(FORMATS)
) -> list[Path]:
    """Write the figure and one CSV per frame below a run's folder; returns their paths."""
    for ax in drawing.figure.axes:
        # None are seen in panels of this size, but each would be laid out.
        ax.minorticks_off()
    # Laying out takes longer than drawing, and both files have the same layout. With an engine, be
    # it the placeholder "none", savefig would lay out or draw once more.
    if engine := drawing.figure.get_layout_engine():
        engine.execute(drawing.figure)
        drawing.figure.set_layout_engine(None)
    paths = []
    for suffix, options in FORMATS.items():
        if suffix in formats:
            content = io.BytesIO()
            drawing.figure.savefig(content, format=suffix, **options)
            paths.append(run.write_bytes(f"{stem}.{suffix}", content.getvalue()))
    for name, frame in drawing.frames.items():
        text = csv_text(frame, float_format="%.7g")
        paths.append(run.write_text(f"{stem}{name and f'_{name}'}.csv", text))
    return paths


def title_of(run: Run) -> str:
    """Title of a run's panel: the paper's network, if it is of that and the paper's data."""
    return NETWORKS.get(paper_network(run.manifest) or "", plain(run.name))


def plain(text: str, most: int = 24) -> str:
    """A name of any kind as matplotlib shows it: shortened, and not taken for mathematics."""
    return shorten(text, most).replace("$", r"\$")


def load_judged(run: Run) -> pd.DataFrame:
    """A run's segment table, which must have ground truth; shared, not to be changed."""
    table = load_segments(run)
    check_truth(table, str(run.path))
    return table


def load_judged_maps(run: Run, image: str) -> ImageMaps:
    """The maps of one image, which must have ground truth; errors as `Run.load_maps`."""
    maps = run.load_maps(image)
    if maps.gt is None:
        raise DataFormatError(
            f"{run.path}: expected maps of {image!r} with ground truth, got maps without; delete "
            "them and run extract again"
        )
    return maps


def segments_of(
    table: pd.DataFrame, image: str, columns: Sequence[str], classes: ClassTable
) -> pd.DataFrame:
    """Columns of one image's segments, with ``class_name``.

    Raises InputError if the image has no segments, DataFormatError if a segment comes twice.
    """
    own = table.loc[table["image"] == image, [*columns]]
    if own.empty:
        raise InputError(
            f"image: expected one with segments, got {image!r} without; "
            + suggest(image, table["image"].unique(), "choose another --image")
        )
    if own["segment"].duplicated().any():
        raise DataFormatError(
            f"{image}: expected each segment once in its table, got some twice; delete its "
            "segments and run extract again"
        )
    names = [classes.names[j] for j in own["class_id"]]
    return own.assign(class_name=names).reset_index(drop=True)


def count_false_positives(table: pd.DataFrame) -> pd.Series:
    """False positives with interior of each image, by its name."""
    return ((table["iou_adj"] == 0) & (table["S_in"] > 0)).groupby(table["image"]).sum()


def choose_image(runs: Sequence[Run], image: str | None, rate: Callable[[], pd.Series]) -> str:
    """The image asked for, or the best by ``rate()`` with maps in all runs; else an InputError."""
    if image is not None:
        return image
    kept, rated = set.intersection(*(run.with_maps() for run in runs)), rate().sort_index()
    rated = rated[rated.index.isin(kept)]
    if rated.empty:
        raise InputError(
            f"{', '.join(str(run.path) for run in runs)}: expected segments of an image with maps, "
            "found none; run extract again with --keep-maps 20"
        )
    return str(rated.idxmax())


def point_alpha(n: int) -> float:
    """Opacity at which n points of a scatter plot show where they are dense, in [0.08, 0.7]."""
    return float(min(0.7, max(0.08, 25 / max(n, 1) ** 0.5)))


def point_area(n: int) -> float:
    """Area in points squared of each of n dots of a scatter plot, in [2, 10]."""
    return float(min(10.0, max(2.0, 2000 / max(n, 1))))


def show_picture(ax: Axes, picture: np.ndarray, title: str) -> AxesImage:
    """A picture without ticks."""
    ax.set(title=title, xticks=[], yticks=[])
    ax.grid(False)
    ax.spines[:].set_visible(True)
    ax.spines[:].set_linewidth(0.4)
    return ax.imshow(picture)


def paint_ious(segments: np.ndarray, values: pd.Series) -> np.ndarray:
    """Each segment int32 [H, W] in the colour of its IoU, uint8 [H, W, 3]; void (0) is white.

    ``values`` in [0, 1] are by segment number; segments without a value or with NaN become grey.
    """
    by_number = values.reindex(range(1, int(segments.max()) + 1)).to_numpy(float)
    return paint_segments(segments, by_number, void=255)


def iou_scale() -> ScalarMappable:
    """The colours of `paint_ious` from 0 to 1, for a colour bar."""
    return ScalarMappable(
        Normalize(0, 1), LinearSegmentedColormap.from_list("iou", QUALITY_COLOURS)
    )


def class_patches(maps: Sequence[tuple[np.ndarray, ClassTable]]) -> list[Patch]:
    """Legend entries of the largest classes of maps, by id, of the others' number, and of void."""
    pixels: Counter = Counter()
    void, patch = [], partial(Patch, edgecolor="black", linewidth=0.5)
    for shown, classes in maps:
        counts = np.bincount(shown.ravel(), minlength=len(classes))
        for j in np.flatnonzero(counts[: len(classes)]):
            pixels[j, classes.names[j], classes.colours[j]] += counts[j]
        if counts[len(classes) :].any():
            void = [patch(facecolor="white", label="no ground truth")]
    # One class alone is not counted, since its own entry takes no more space.
    listed = pixels.most_common(LISTED if len(pixels) > LISTED + 1 else None)
    shown = (key for key, _ in sorted(listed))
    patches = [patch(facecolor=colour, label=plain(name)) for _, name, colour in shown]
    if others := len(pixels) - len(listed):
        patches.append(Patch(alpha=0, label=f"and {others} other classes"))
    return [*patches, *void]


def add_legend(figure: Figure, patches: Sequence[Patch]) -> None:
    """Entries below all panels, in as many columns as fit; the figure grows by their rows."""
    widest = _ENTRY + _CHARACTER * max(len(patch.get_label()) for patch in patches)
    columns = max(int(figure.get_figwidth() / widest), 1)
    figure.set_figheight(figure.get_figheight() + _ROW * -(-len(patches) // columns))
    figure.legend(handles=patches, loc="outside lower center", ncols=columns)


def name_segments(
    ax: Axes, segments: np.ndarray, class_ids: pd.Series, names: Sequence[str]
) -> list:
    """Write its class, found by segment number, on each large segment: a clue besides colours."""
    from scipy import ndimage  # takes long to import, and half of the figures need none of it

    sizes = np.bincount(segments.ravel())
    # Neither void nor segments that are missing from the table have a class.
    sizes[~np.isin(np.arange(len(sizes)), class_ids.index)] = 0
    largest = np.argsort(-sizes, kind="stable")[:_NAMED]
    texts, named = [], []
    # A character takes 0.05 inches.
    character = 0.05 * ax.figure.dpi / ax.bbox.width
    boxes = ndimage.find_objects(segments)
    for number in largest[sizes[largest] > _NAMED_SHARE * segments.size]:
        # The place farthest from what lies outside of the segment.
        box = boxes[number - 1]
        depth = ndimage.distance_transform_edt(np.pad(segments[box] == number, 1))[1:-1, 1:-1]
        deepest = np.unravel_index(depth.argmax(), depth.shape)
        place = np.array([span.start + at for span, at in zip(box, deepest, strict=True)])
        name = plain(names[class_ids[number]], 16)
        space = np.maximum(_NAME_SPACE, [0, (len(name) + 2) * character])
        place = (place / segments.shape).clip(space / 2, 1 - space / 2)
        if any((np.abs(place - other) < (space + taken) / 2).all() for other, taken in named):
            continue
        named.append((place, space))
        row, column = place * segments.shape
        text = ax.text(column, row, name, size=6, ha="center", va="center")
        text.set_bbox({"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.75})
        texts.append(text)
    return texts
