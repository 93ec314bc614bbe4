"""Judged segments in the formats of labelling tools, the worst images and segments first.

Masks are run lengths: column by column for COCO, packed bits of RGBA for Label Studio, row by row
within the box for CVAT.
"""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from xml.etree import ElementTree

import numpy as np
import pandas as pd

from metaseg_tf.data.classes import ClassTable
from metaseg_tf.errors import DataFormatError, InputError, check_choice, restate
from metaseg_tf.meta.model import SCORE_COLUMNS
from metaseg_tf.meta.select import load_judged, rank_images, rank_segments
from metaseg_tf.pictures import read_numbers
from metaseg_tf.runs.run import Run
from metaseg_tf.untrusted.arrays import READ_ERRORS

__all__ = ["FORMATS", "export"]

_FALSE_POSITIVE = SCORE_COLUMNS[2]
#: Bits of the numbers that lengths of runs are written with in Label Studio's format.
_BITS = (3, 4, 8, 16)

#: Path or address of an image, segment numbers int32 [H, W], expected quality of the image in
#: [0, 1], and its segments of `rank_segments` with ``class_name``, in their order.
_Queued = tuple[str, np.ndarray, float, pd.DataFrame]


def export(
    run: Run,
    to: str,
    *,
    files: Mapping[str, str] | None = None,
    selection: pd.DataFrame | None = None,
) -> dict[str, bytes]:
    """Judged segments as files of another tool: content by file name.

    Parameters
    ----------
    run : Run
        A folder of ``metaseg-tf predict``.
    to : {"coco", "label-studio", "cvat"}
    files : mapping of str to str, optional
        Image name -> path or address by which the tool finds it; by default ``<name>.png``.
    selection : DataFrame, optional
        Columns ``image`` and, unless whole images are meant, ``segment``: export these alone, in
        their order. By default images come in falling order of their expected share of wrong
        pixels, segments in that of their number.

    Raises
    ------
    InputError
        If there is no such format, the run is not judged, or the selection names other segments.
    DataFormatError
        If label images and tables do not fit together.
    """
    check_choice("to", to, FORMATS)
    return FORMATS[to](_queue(run, files or {}, selection), run.classes)


def _queue(run: Run, files: Mapping[str, str], selection: pd.DataFrame | None) -> Iterator[_Queued]:
    table = rank_segments(load_judged(run))
    table["class_name"] = table["class_id"].map(dict(enumerate(run.classes.names)))
    images = rank_images(table).set_index("image")
    quality = 1 - images["expected_wrong"] / images["S"]
    selection = images.reset_index() if selection is None else selection
    keys = [name for name in ("image", "segment") if name in selection]
    table = selection[keys].merge(table, "left", keys)
    if table["S"].isna().any():
        name = table.loc[table["S"].isna(), "image"].iloc[0]
        raise InputError(
            f"selection: expected segments of {run.path}, got others (of {name!r}); select from "
            "this folder"
        )
    for name, part in table.groupby("image", sort=False):
        origin, content = f"{run.path}/labels/{name}.png", run.read_bytes(f"labels/{name}.png")
        with restate(READ_ERRORS, DataFormatError, f"{origin}: cannot be read", "predict again"):
            segments = read_numbers(io.BytesIO(content))
        areas = np.bincount(segments.ravel(), minlength=part["segment"].max() + 1)
        if (areas[part["segment"]] != part["S"]).any():
            raise DataFormatError(
                f"{origin}: expected the segments of its table, got others; predict again"
            )
        yield files.get(name, f"{name}.png"), segments, quality[name], part


def _run_lengths(mask: np.ndarray, before: int = 0, size: int | None = None) -> list[int]:
    """Lengths of runs of False and True by turns, False first, row by row.

    The mask is a part of ``size`` pixels, ``before`` of which come first; these are all False.
    """
    edges = np.flatnonzero(np.diff(mask.ravel(), prepend=False, append=False)) + before
    lengths = np.diff(edges, prepend=0, append=mask.size if size is None else size).tolist()
    return lengths if lengths[-1] else lengths[:-1]


def _to_coco(queue: Iterator[_Queued], classes: ClassTable) -> dict[str, bytes]:
    images, annotations = [], []
    for number, (file, segments, score, table) in enumerate(queue, 1):
        height, width = segments.shape
        images.append({"id": number, "file_name": file, "height": height, "width": width})
        images[-1]["score"] = round(score, 4)
        turned = np.ascontiguousarray(segments.T)
        for row in table.itertuples():
            mask = turned[row.left : row.right] == row.segment
            counts = _run_lengths(mask, row.left * height, segments.size)
            annotations.append({
                "id": len(annotations) + 1, "image_id": number, "category_id": row.class_id + 1,
                "segmentation": {"size": [height, width], "counts": counts},
                "bbox": [row.left, row.top, row.right - row.left, row.bottom - row.top],
                "area": row.S, "iscrowd": 0, **_scores(row), "segment": row.segment,
            })  # fmt: skip
    categories = [{"id": i, "name": name} for i, name in enumerate(classes.names, 1)]
    content = {"images": images, "categories": categories, "annotations": annotations}
    return {"coco.json": _encode(content)}


def _to_label_studio(queue: Iterator[_Queued], classes: ClassTable) -> dict[str, bytes]:
    tasks = []
    for file, segments, score, table in queue:
        height, width = segments.shape
        results = [
            {
                "id": str(row.segment), "type": "brushlabels", "from_name": "label",
                "to_name": "image", "original_width": width, "original_height": height,
                "image_rotation": 0, **_scores(row),
                "value": {
                    "format": "rle", "brushlabels": [row.class_name],
                    "rle": _pack_runs(
                        _run_lengths(
                            segments[row.top : row.bottom] == row.segment,
                            row.top * width, segments.size,
                        )
                    ),
                },
            }
            for row in table.itertuples()
        ]  # fmt: skip
        prediction = {"model_version": "metaseg-tf", "score": round(score, 4), "result": results}
        tasks.append({"data": {"image": file}, "predictions": [prediction]})
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Image", name="image", value="$image")
    labels = ElementTree.SubElement(view, "BrushLabels", name="label", toName="image")
    for name, colour in zip(classes.names, classes.colours, strict=True):
        ElementTree.SubElement(labels, "Label", value=name, background=colour)
    return {"label_studio.json": _encode(tasks), "label_studio.xml": ElementTree.tostring(view)}


def _pack_runs(lengths: list[int]) -> list[int]:
    """Bytes of Label Studio's masks: channels RGBA that are 0 or 255, by thi.ng's rle-pack.

    A head of 32 bits for the number of values, 5 for the bits of one less 1, 4 for each of the
    lengths' sizes less 1; then of each run a 1, 2 bits for its length's size, that less 1, a value.
    """
    head = [f"{4 * sum(lengths):032b}{8 - 1:05b}", *(f"{bits - 1:04b}" for bits in _BITS)]
    for i, length in enumerate(lengths):
        left = 4 * length
        while left:
            size = next((k for k, bits in enumerate(_BITS) if left <= 1 << bits), len(_BITS) - 1)
            part = min(left, 1 << _BITS[size])
            head.append(f"1{size:02b}{part - 1:0{_BITS[size]}b}{255 * (i % 2):08b}")
            left -= part
    bits = "".join(head)
    n_bytes = -(-len(bits) // 8)
    return list(int(bits.ljust(8 * n_bytes, "0"), 2).to_bytes(n_bytes, "big"))


def _to_cvat(queue: Iterator[_Queued], classes: ClassTable) -> dict[str, bytes]:
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    task, labels = ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task"), []
    for name, colour in zip(classes.names, classes.colours, strict=True):
        # Datumaro knows the labels from here, CVAT from the task, which is made with the JSON.
        ElementTree.SubElement(ElementTree.SubElement(task, "label"), "name").text = name
        text = {"mutable": False, "input_type": "text", "default_value": "", "values": [""]}
        attributes = [{"name": verdict, **text} for verdict in ("score", _FALSE_POSITIVE)]
        labels.append({"name": name, "color": colour, "type": "mask", "attributes": attributes})
    for number, (file, segments, _, table) in enumerate(queue):
        height, width = map(str, segments.shape)
        facts = {"id": str(number), "name": file, "width": width, "height": height}
        image = ElementTree.SubElement(root, "image", facts)
        for row in table.itertuples():
            crop = segments[row.top : row.bottom, row.left : row.right] == row.segment
            rle = str(_run_lengths(crop))[1:-1]
            box = {"left": row.left, "top": row.top, "width": crop.shape[1], "height": len(crop)}
            facts = {"label": row.class_name, "source": "auto", "occluded": 0, "z_order": 0}
            facts |= {"rle": rle, **box}
            mask = ElementTree.SubElement(image, "mask", {k: str(v) for k, v in facts.items()})
            for name, value in _scores(row).items():
                ElementTree.SubElement(mask, "attribute", name=name).text = str(value)
    xml = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return {"cvat.xml": xml, "cvat_labels.json": _encode(labels)}


def _scores(row) -> dict[str, float]:
    """A segment's verdicts, as far as there are any."""
    verdicts = {"score": row.iou_adj_predicted, _FALSE_POSITIVE: row.false_positive_probability}
    return {name: round(value, 4) for name, value in verdicts.items() if value == value}


def _encode(content) -> bytes:
    return json.dumps(content).encode()


#: Tool -> what writes its files from a queue and the classes.
FORMATS: dict[str, Callable[[Iterator[_Queued], ClassTable], dict[str, bytes]]] = {
    "coco": _to_coco,
    "label-studio": _to_label_studio,
    "cvat": _to_cvat,
}
