"""What the page's scripts get, read back as they read it."""

import base64
import io
import json
import re
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from scenes import slow_components
from tables import make_table

from metaseg_tf.data.classes import ClassTable
from metaseg_tf.report import explorer
from metaseg_tf.report.explorer import pack_array, to_script

PALETTE = ClassTable.numbered(5).palette

DTYPES = {"Uint8Array": "u1", "Uint16Array": "<u2", "Uint32Array": "<u4", "Int16Array": "<i2"}


def unpack(packed):
    return np.frombuffer(zlib.decompress(base64.b64decode(packed["data"])), DTYPES[packed["type"]])


def arguments(script, function):
    return json.loads(re.fullmatch(rf"metaseg\.{function}\((.*)\);\n", script, re.S)[1])


@given(hnp.arrays(st.sampled_from([np.uint8, np.uint16, np.uint32, np.int16]), hnp.array_shapes()))
def test_arrays_come_back(array):
    assert np.array_equal(unpack(pack_array(array)), array.ravel())


def test_scripts_hold_plain_data():
    data = {"name": 'a "b" </script> \u2028 ü', "value": None}
    assert arguments(to_script("addRun", data), "addRun") == data
    with pytest.raises(ValueError, match="JSON"):
        to_script("addRun", float("nan"))


def judged_table(n=500, **options):
    table = make_table(n, n_classes=5, **options)
    linear = np.where(table["S_in"] > 0, table["iou_adj"] * 1.3 - 0.1, np.nan)
    scores = {"iou_adj_linear": linear, "iou_adj_predicted": linear.clip(0, 1)}
    ends = {"iou_adj_low": linear.clip(0, 1) / 2, "iou_adj_high": 1.0}
    return table.assign(**scores, **ends, false_positive_probability=1 - linear.clip(0, 1))


def test_points_are_the_judged_segments():
    table = judged_table()
    names = list(dict.fromkeys(table["image"]))
    packed = explorer.pack_points(table, names)
    judged = table[table["S_in"] > 0]
    assert packed["total"] == packed["count"] == len(judged)
    assert np.array_equal(unpack(packed["segment"]), judged["segment"])
    assert [names[i] for i in unpack(packed["image"])] == judged["image"].tolist()
    for name, column in (("predicted", "iou_adj_linear"), ("iou_adj", "iou_adj")):
        assert np.allclose(unpack(packed[name]) * packed["step"], judged[column], atol=6e-5)


def test_too_many_points_are_sampled(monkeypatch):
    monkeypatch.setattr(explorer, "MAX_POINTS", 50)
    packed = explorer.pack_points(judged_table(), ["town_000000"])
    assert packed["count"] == len(unpack(packed["S"])) == 50 < packed["total"]


def test_rows_say_what_the_table_says():
    table = judged_table().assign(n_neighbours=3)
    rows = explorer.list_segments(table)
    assert explorer.row_columns(table)[-1] == "n_neighbours"
    for row, (_, expected) in zip(rows, table.iterrows(), strict=True):
        for name, value in zip(explorer.row_columns(table), row, strict=True):
            assert (value is None) == np.isnan(expected[name])
            assert value is None or value == pytest.approx(expected[name], rel=1e-4)
    assert isinstance(rows[0][0], int)


def test_points_without_truth_have_none():
    packed = explorer.pack_points(judged_table().drop(columns=["iou", "iou_adj"]), ["town_000000"])
    assert "iou_adj" not in packed
    assert unpack(packed["false_positive"]).min() >= 0


def test_rows_without_truth_have_none():
    table = judged_table().drop(columns=["iou", "iou_adj"])
    row = explorer.list_segments(table)[0]
    shown = dict(zip(explorer.row_columns(table), row, strict=True))
    assert shown["iou"] is shown["iou_adj"] is None
    assert isinstance(shown["S"], int)


def test_explanations_come_back(judged):
    one = explorer.judge_run(judged)
    rows = one.table[one.table["image"] == "street 1"]
    explained = one.model.explain(rows)
    for verdict, packed in explorer.pack_explanation(one.model, rows).items():
        values = unpack(packed["values"]).reshape(len(rows), -1) * packed["step"]
        expected = explained[verdict].fillna(0).to_numpy()
        assert np.abs(values - expected).max() <= np.abs(expected).max() / 60_000
    assert explorer.pack_explanation(None, rows) == {}


@pytest.mark.parametrize("largest", [3, 70_000])
def test_segment_maps_come_back(largest):
    segments = np.zeros((5, 7), np.int32)
    segments[2, 3] = largest
    packed = explorer.pack_segments(segments)
    numbers = unpack(packed["numbers"]).reshape(packed["height"], packed["width"])
    assert np.array_equal(numbers, segments)


def test_pictures_show_their_maps(runs):
    maps = runs[0].load_maps("scene 0 #<b>")
    pictures = explorer.draw_pictures(maps, PALETTE)
    heat = {"entropy.png", "difference.png", "mutual_information.png"}
    assert set(pictures) == {"image.jpg", "truth.png", *heat}
    opened = {name: Image.open(io.BytesIO(content)) for name, content in pictures.items()}
    assert np.array_equal(np.asarray(opened["truth.png"]), maps.gt)
    levels = np.asarray(opened["entropy.png"]) / 31
    assert np.abs(levels - maps.entropy).max() <= 0.5 / 31 + 1e-6
    levels = np.asarray(opened["mutual_information.png"]) / 31 / 4
    assert np.abs(levels - maps.mutual_information).max() <= 0.5 / 31 / 4 + 1e-6
    assert heat - {*explorer.draw_pictures(replace(maps, mutual_information=None), PALETTE)} == {
        "mutual_information.png"
    }
    assert opened["image.jpg"].size == maps.gt.shape[::-1]


def test_the_layer_of_misses_paints_each_component_by_its_siou(runs):
    run, name = runs[0], "scene 0 #<b>"
    maps, truth = run.load_maps(name), run.load_truth()
    siou = truth["siou"][truth["image"] == name].to_numpy()
    picture = Image.open(io.BytesIO(explorer.draw_pictures(maps, PALETTE, siou)["found.png"]))
    levels, components = np.asarray(picture), slow_components(maps.gt)
    assert len(components) == len(siou) > 5
    for pixels, quality in zip(components, siou, strict=True):
        assert {int(levels[pixel]) for pixel in pixels} == {round(quality * 31)}
    assert (levels[maps.gt == 255] == 255).all()
    # Of a table of other components there is no such layer.
    assert "found.png" not in explorer.draw_pictures(maps, PALETTE, siou[1:])


def test_wide_heat_maps_are_reduced(monkeypatch, runs):
    maps = runs[0].load_maps("scene 0 #<b>")
    monkeypatch.setattr(explorer, "_MAX_HEAT_WIDTH", 40)
    drawn = explorer.draw_pictures(maps, PALETTE)
    reduced = Image.open(io.BytesIO(drawn["entropy.png"]))
    assert reduced.size == (30, 20)
    slow = maps.entropy.reshape(20, 3, 30, 3).mean((1, 3))
    assert np.abs(np.asarray(reduced) / 31 - slow).max() <= 0.5 / 31 + 1e-6
