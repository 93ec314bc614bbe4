"""Files for other tools, decoded here slowly, and by the tools' own libraries where these are."""

import json
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from mapped_runs import make_judged
from PIL import Image

from metaseg_tf.errors import DataFormatError, InputError
from metaseg_tf.meta.export import export
from metaseg_tf.pictures import read_numbers
from metaseg_tf.runs.run import load_run

FILES = {"street 1": "sub/street 1.jpg"}


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    return make_judged(tmp_path_factory.mktemp("export") / "judged", (1, 2), keep=0)


@pytest.fixture(scope="module")
def queue(judged):
    """The rows of the segment tables, in the order in which they are to come."""
    table = load_run(judged.path)
    table["wrong"] = table["S"] * (1 - table["iou_adj_predicted"])
    sums = table.groupby("image")[["wrong", "S"]].sum()
    table["image_wrong"] = table["image"].map(sums["wrong"] / sums["S"])
    return table.sort_values(["image_wrong", "wrong"], ascending=False).to_dict("records")


def mask_of(judged, row):
    return read_numbers(judged.path / "labels" / f"{row['image']}.png") == row["segment"]


def turn_by_turn(lengths):
    """Runs of False and True by turns, pixel by pixel."""
    return [i % 2 == 1 for i, length in enumerate(lengths) for _ in range(length)]


def unpack(rle):
    """thi.ng's rle-pack, bit by bit."""
    bits = iter("".join(f"{byte:08b}" for byte in rle))

    def read(n):
        return int("".join(next(bits) for _ in range(n)), 2)

    count, word = read(32), read(5) + 1
    sizes = [read(4) + 1 for _ in range(4)]
    values = []
    while len(values) < count:
        if read(1):
            length = read(sizes[read(2)]) + 1
            values += [read(word)] * length
        else:
            values += [read(word) for _ in range(read(sizes[read(2)]) + 1)]
    return values


def test_coco_holds_the_masks_the_worst_first(judged, queue):
    content = json.loads(export(judged, "coco", files=FILES)["coco.json"])
    names = [FILES.get(name, f"{name}.png") for name in dict.fromkeys(r["image"] for r in queue)]
    assert [image["file_name"] for image in content["images"]] == names
    assert [c["name"] for c in content["categories"]] == list(judged.classes.names)
    for row, one in zip(queue, content["annotations"], strict=True):
        assert content["images"][one["image_id"] - 1]["file_name"].startswith(
            FILES.get(row["image"], row["image"])
        )
        mask = np.array(turn_by_turn(one["segmentation"]["counts"])).reshape(90, 60).T
        np.testing.assert_array_equal(mask, mask_of(judged, row))
        assert one["category_id"] == row["class_id"] + 1
        assert one["score"] == pytest.approx(row["iou_adj_predicted"], abs=1e-4)
        assert one["area"] == mask.sum()
        x, y, width, height = one["bbox"]
        assert mask[y : y + height, x : x + width].sum() == mask.sum()
        assert (mask.any(0).sum(), mask.any(1).sum()) <= (width, height)


def test_label_studio_holds_the_masks_the_worst_first(judged, queue):
    written = export(judged, "label-studio", files=FILES)
    tasks = json.loads(written["label_studio.json"])
    found = [(t["data"]["image"], r) for t in tasks for r in t["predictions"][0]["result"]]
    for row, (file, one) in zip(queue, found, strict=True):
        assert file == FILES.get(row["image"], f"{row['image']}.png")
        rgba = np.reshape(unpack(one["value"]["rle"]), (60, 90, 4))
        np.testing.assert_array_equal(rgba, 255 * np.dstack([mask_of(judged, row)] * 4))
        assert one["value"]["brushlabels"] == [judged.classes.names[row["class_id"]]]
        assert one["score"] == pytest.approx(row["iou_adj_predicted"], abs=1e-4)
        assert (one["original_width"], one["original_height"]) == (90, 60)
    scores = [task["predictions"][0]["score"] for task in tasks]
    assert scores == pytest.approx(
        [1 - r for r in dict.fromkeys(r["image_wrong"] for r in queue)], abs=1e-4
    )
    labels = ElementTree.fromstring(written["label_studio.xml"]).findall("BrushLabels/Label")
    assert [label.get("value") for label in labels] == list(judged.classes.names)


def test_cvat_holds_the_masks_the_worst_first(judged, queue):
    written = export(judged, "cvat", files=FILES)
    images = ElementTree.fromstring(written["cvat.xml"]).findall("image")
    assert [image.get("id") for image in images] == ["0", "1"]
    found = [(image, mask) for image in images for mask in image.findall("mask")]
    for row, (image, one) in zip(queue, found, strict=True):
        assert image.get("name") == FILES.get(row["image"], f"{row['image']}.png")
        left, top, width, height = (int(one.get(k)) for k in ("left", "top", "width", "height"))
        mask = np.zeros((60, 90), bool)
        inside = turn_by_turn(map(int, one.get("rle").split(",")))
        mask[top : top + height, left : left + width] = np.reshape(inside, (height, width))
        np.testing.assert_array_equal(mask, mask_of(judged, row))
        assert one.get("label") == judged.classes.names[row["class_id"]]
        values = {a.get("name"): float(a.text) for a in one.findall("attribute")}
        assert values["score"] == pytest.approx(row["iou_adj_predicted"], abs=1e-4)
    labels = json.loads(written["cvat_labels.json"])
    assert [label["name"] for label in labels] == list(judged.classes.names)
    assert {a["name"] for label in labels for a in label["attributes"]} == {*values}


def test_pycocotools_reads_coco(judged, queue, tmp_path):
    coco = pytest.importorskip("pycocotools.coco")
    path = tmp_path / "coco.json"
    path.write_bytes(export(judged, "coco")["coco.json"])
    read = coco.COCO(path)
    for row, one in zip(queue, read.loadAnns(read.getAnnIds()), strict=True):
        np.testing.assert_array_equal(read.annToMask(one), mask_of(judged, row))


def test_label_studio_reads_its_masks(judged, queue):
    brush = pytest.importorskip("label_studio_sdk.converter.brush")
    tasks = json.loads(export(judged, "label-studio")["label_studio.json"])
    found = [result for task in tasks for result in task["predictions"][0]["result"]]
    for row, one in zip(queue, found, strict=True):
        alpha = np.reshape(brush.decode_rle(one["value"]["rle"]), (60, 90, 4))[..., 3]
        np.testing.assert_array_equal(alpha, 255 * mask_of(judged, row))


def test_label_studio_takes_the_predictions_for_its_view(judged):
    interface = pytest.importorskip("label_studio_sdk.label_interface")
    written = export(judged, "label-studio")
    view = interface.LabelInterface(written["label_studio.xml"].decode())
    for task in json.loads(written["label_studio.json"]):
        assert view.validate_prediction(task["predictions"][0])


def test_cvat_reads_its_masks(judged, queue):
    masks = pytest.importorskip("cvat_sdk.masks")
    root = ElementTree.fromstring(export(judged, "cvat")["cvat.xml"])
    for row, one in zip(queue, root.findall("image/mask"), strict=True):
        left, top, width, height = (int(one.get(k)) for k in ("left", "top", "width", "height"))
        points = [
            *map(int, one.get("rle").split(",")),
            left,
            top,
            left + width - 1,
            top + height - 1,
        ]
        mask = masks.decode_mask(points, image_width=90, image_height=60)
        np.testing.assert_array_equal(mask, mask_of(judged, row))


def test_datumaro_reads_cvat(judged, queue, tmp_path):
    datumaro = pytest.importorskip("datumaro")
    (tmp_path / "cvat.xml").write_bytes(export(judged, "cvat")["cvat.xml"])
    (tmp_path / "images").mkdir()
    for name in {row["image"] for row in queue}:
        Image.new("RGB", (90, 60)).save(tmp_path / "images" / f"{name}.png")
    read = datumaro.Dataset.import_from(str(tmp_path), "cvat")
    masks = {}
    for item in read:
        for one in item.annotations:
            masks.setdefault(item.id, []).append(one.image)
    for name, found in masks.items():
        wanted = [mask_of(judged, row) for row in queue if row["image"] == name]
        np.testing.assert_array_equal(found, wanted)
    assert len(masks) == 2


def test_a_selection_is_exported_in_its_order(judged, queue):
    chosen = pd.DataFrame([queue[-1], queue[0], queue[-2]])[["image", "segment"]]
    found = json.loads(export(judged, "coco", selection=chosen)["coco.json"])
    assert [image["id"] for image in found["images"]] == [1, 2]
    assert [one["segment"] for one in found["annotations"]] == [
        queue[i]["segment"] for i in (-1, -2, 0)
    ]
    images = chosen[["image"]].iloc[:1]
    found = json.loads(export(judged, "coco", selection=images)["coco.json"])
    wanted = [row["segment"] for row in queue if row["image"] == queue[-1]["image"]]
    assert [one["segment"] for one in found["annotations"]] == wanted
    with pytest.raises(InputError, match=r"others \(of 'elsewhere'\); select from this folder"):
        export(judged, "coco", selection=pd.DataFrame({"image": ["elsewhere"]}))


def test_what_cannot_be_exported_is_refused(tmp_path):
    run = make_judged(tmp_path / "judged", (1,), keep=0)
    with pytest.raises(InputError, match="to: expected one of coco, label-studio, cvat, got 'voc'"):
        export(run, "voc")
    labels = tmp_path / "judged" / "labels" / "street 1.png"
    Image.new("RGB", (90, 60)).save(labels)
    with pytest.raises(DataFormatError, match="expected the segments of its table"):
        export(run, "coco")
    labels.write_bytes(b"nonsense")
    with pytest.raises(DataFormatError, match="cannot be read"):
        export(run, "coco")
