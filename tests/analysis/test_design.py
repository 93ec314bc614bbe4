"""Rows, columns and scale of the design, against plain loops and its stated edge cases."""

import numpy as np
import pytest
from tables import make_table

from metaseg_tf.analysis.design import build_design, standardise
from metaseg_tf.errors import InputError
from metaseg_tf.segments.columns import empty_table


def test_rows_and_columns_are_those_of_the_authors(table, design):
    assert list(design.rows) == [i for i, S_in in enumerate(table["S_in"]) if S_in > 0]
    assert design.columns[:7] == ("D", "D_bd", "D_in", "D_rel", "D_rel_in", "E", "E_bd")
    assert design.columns[14:17] == ("S_rel_in", "cprob0", "cprob1")
    assert len(design.columns) == 34
    assert len(design) == len(design.rows)


def test_standardisation_is_the_slow_one(table, design):
    for j, name in enumerate(design.columns):
        values = [float(table[name].iloc[i]) for i in design.rows]
        mean = sum(values) / len(values)
        std = (sum((v - mean) ** 2 for v in values) / len(values)) ** 0.5
        expected = [(v - mean) / std for v in values]
        np.testing.assert_allclose(design.X[:, j], expected, rtol=0, atol=1e-9)


def test_targets_follow_the_rows(table, design):
    rows = table[table["S_in"] > 0]
    np.testing.assert_array_equal(design.y, rows["iou_adj"] > 0)
    np.testing.assert_array_equal(design.iou, rows["iou"])
    np.testing.assert_array_equal(design.image, rows["image"])


def test_raw_values_come_back(table, design):
    raw = design.X * design.scale + design.mean
    np.testing.assert_allclose(raw, table[list(design.columns)].iloc[design.rows], atol=1e-9)


def test_scale_of_the_training_half(design):
    train = np.random.default_rng(0).random(len(design)) < 0.5
    halved = standardise(design.X, train)[0]
    np.testing.assert_allclose(halved[train].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(halved[train].std(axis=0), 1, atol=1e-12)
    assert np.abs(halved[~train].mean(axis=0)).max() > 1e-3


def test_constant_columns_become_zero(table):
    # 0.1 is not a sum of powers of two: its computed deviation is not exactly 0.
    design = build_design(table.assign(cprob3=0.1))
    index = design.columns.index("cprob3")
    assert design.constant[index]
    assert design.constant.sum() == 1
    assert not design.X[:, index].any()
    assert np.isfinite(design.X).all()


def test_class_columns_up_to_the_largest_predicted():
    table = make_table(200, n_classes=6)
    table.loc[table["class_id"] > 3, "class_id"] = 3
    assert build_design(table).columns[-1] == "cprob5"
    assert build_design(table, classes="predicted").columns[-1] == "cprob3"


@pytest.mark.parametrize(
    ("empty", "words"),
    [
        (empty_table(19).assign(image=""), "no pixel of any image has ground truth"),
        (make_table(50, empty_interior=1.1), "got none among 50; extract more images"),
    ],
)
def test_no_segment_with_interior(empty, words):
    with pytest.raises(InputError, match=words):
        build_design(empty)


def test_nan_is_named_with_its_column_and_image(table):
    broken = table.copy()
    row = int(np.flatnonzero(broken["S_in"] > 0)[7])
    broken.loc[row, "E_rel"] = np.nan
    with pytest.raises(InputError, match=f"1 NaN .* E_rel .*{broken['image'][row]}"):
        build_design(broken)


def test_nan_outside_of_the_analysed_rows_does_no_harm(table):
    broken = table.copy()
    broken.loc[broken["S_in"] == 0, "E_in"] = np.nan
    assert np.isfinite(build_design(broken).X).all()


def test_table_without_ground_truth(table):
    with pytest.raises(InputError, match=r"iou, iou_adj.*ground truth"):
        build_design(table.drop(columns=["iou", "iou_adj"]))


def test_unknown_classes(table):
    with pytest.raises(InputError, match="classes: expected one of"):
        build_design(table, classes="some")


def test_standardise_leaves_its_input_alone():
    values = np.arange(6.0).reshape(3, 2)
    standardise(values)
    np.testing.assert_array_equal(values, np.arange(6.0).reshape(3, 2))
