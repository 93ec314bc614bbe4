import functools
import json
import operator
import os
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from messages import check_line
from tables import make_table

from metaseg_tf.analysis.estimators import Lasso, Ridge
from metaseg_tf.data.classes import ClassTable
from metaseg_tf.errors import (
    DataFormatError,
    InputError,
    MetaSegError,
    RunError,
    SettingsMismatchError,
)
from metaseg_tf.meta import MetaModel, load_model, save_model
from metaseg_tf.meta import file as model_file
from metaseg_tf.meta.model import Verdict
from metaseg_tf.runs.run import Run
from metaseg_tf.segments.columns import METRIC_COLUMNS, class_columns


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Path of a small model with coefficients drawn at random."""
    columns = (*METRIC_COLUMNS, *class_columns(3))
    rng = np.random.default_rng(0)
    mean, coef, other = rng.normal(size=(3, len(columns)))
    model = MetaModel(
        columns,
        mean,
        np.exp(mean),
        Lasso.from_json({"coef": coef.tolist(), "intercept": 0.25}, len(columns)),
        Ridge.from_json({"coef": other.tolist(), "intercept": -0.5}, len(columns)),
        Verdict(0.3, 0.6),
        "paper",
        4,
        {"run": "XC", "held_out": {"r2": {"mean": 0.7, "std": 0.01}}},
    )
    return save_model(model, tmp_path_factory.mktemp("model") / "model.json")


def spoilt(saved, tmp_path, **changes):
    path = tmp_path / "spoilt.json"
    path.write_text(json.dumps(json.loads(saved.read_text()) | changes))
    return path


def test_everything_comes_back(saved, tmp_path):
    again = save_model(load_model(saved), tmp_path / "again.json")
    assert again.read_text() == saved.read_text()


def test_names_of_classes_come_back(saved, tmp_path):
    names = ClassTable(("road", "car", "sky"))
    again = save_model(replace(load_model(saved), classes=names), tmp_path / "again.json")
    assert load_model(again).classes == names
    assert load_model(saved).classes is None
    path = spoilt(again, tmp_path, classes=["road", "car"])
    with pytest.raises(SettingsMismatchError, match="names of 2 classes, of which it judges 3"):
        load_model(path)


@given(cut=st.floats(0, 0.999))
def test_a_truncated_model_is_refused(saved, tmp_path_factory, cut):
    content = saved.read_bytes().rstrip()
    path = tmp_path_factory.mktemp("cut") / "model.json"
    path.write_bytes(content[: int(cut * len(content))])
    with pytest.raises(DataFormatError, match="truncated"):
        load_model(path)


@pytest.mark.parametrize(
    "content", [b"\x80\x04\x95", b"[]", b"{}", b"null", b"[" * 100_000, b'{"kind": "other"}']
)
def test_something_else_is_refused(tmp_path, content):
    (tmp_path / "model").write_bytes(content)
    with pytest.raises(DataFormatError, match="expected a meta model"):
        load_model(tmp_path / "model")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataFormatError, match="metaseg-tf fit"):
        load_model(tmp_path / "nowhere.json")


def test_a_newer_model_is_refused(saved, tmp_path):
    with pytest.raises(DataFormatError, match="newer version"):
        load_model(spoilt(saved, tmp_path, format=model_file.FORMAT + 1))


@pytest.mark.parametrize(
    "changes",
    [
        {"mean": [1.0]},
        {"mean": "1"},
        {"scale": [0.0] * 18},
        {"classifier": {"coef": [float("nan")] * 18, "intercept": 0}},
        {"regressor": {"coef": [1] * 18}},
        {"without_interior": {"iou_adj": 0.5}},
        {"provenance": None},
        {"connectivity": "eight"},
        {"connectivity": 8.0},
        {"connectivity": 8.9},
        {"columns": [1] * 18},
        {"mean": ["1"] * 18},
        {"mean": [True] * 18},
        {"mean": [1e101] * 18},
        {"scale": [1e-101] * 18},
        {"regressor": {"coef": [1e308] * 18, "intercept": 0}},
        {"classifier": {"coef": [1] * 18, "intercept": 10**400}},
        {"without_interior": {"iou_adj": 1.5, "false_positive_probability": 0.5}},
        {"without_interior": {"iou_adj": 0.5, "false_positive_probability": -1}},
        {"without_interior": {"iou_adj": 0.5, "false_positive_probability": True}},
        {"provenance": [["run", "XC"]]},
        {"provenance": {"settings": "flip"}},
        {"provenance": json.loads("[" * 500 + "]" * 500)},
        {"mean": [10**400] * 18},
    ],
)
def test_wrong_contents_are_refused(saved, tmp_path, changes):
    with pytest.raises(DataFormatError, match="expected a meta model"):
        load_model(spoilt(saved, tmp_path, **changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"convention": "mine"}, "convention 'mine'"),
        ({"convention": ["paper"]}, "convention .'paper'."),
        ({"connectivity": 6}, "connectivity 6"),
        ({"columns": [*METRIC_COLUMNS[:-1], "width", *class_columns(3)]}, "S_rel_in, width"),
        ({"columns": ["E", *METRIC_COLUMNS[1:], "E", *class_columns(2)]}, "columns given twice"),
    ],
)
def test_what_differs_is_named(saved, tmp_path, changes, words):
    with pytest.raises(SettingsMismatchError, match=words):
        load_model(spoilt(saved, tmp_path, **changes))


def test_a_place_that_cannot_be_written(saved, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot be written"):
        save_model(load_model(saved), tmp_path / "file" / "model.json")


KEYS = ("format", "columns", "mean", "classifier", "without_interior", "connectivity")


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("value", [None, [], {}, "x", -1.5, float("inf")])
def test_no_error_but_ours(saved, tmp_path, key, value):
    with pytest.raises(MetaSegError):
        load_model(spoilt(saved, tmp_path, **{key: value}))


NUMBERS = st.floats() | st.integers() | st.sampled_from([1e308, -1e308, 5e-324, 10**400, True])
JSON = st.recursive(
    st.none() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = (
    *KEYS,
    *("kind", "scale", "regressor", "convention", "provenance", "classes"),
    *(("classifier", "intercept"), ("regressor", "coef"), ("without_interior", "iou_adj")),
    *(("provenance", "settings"), ("mean", 3), ("scale", 3), ("columns", 3)),
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(field=st.sampled_from(FIELDS), value=JSON | st.lists(NUMBERS, min_size=18, max_size=18))
def test_any_json_in_a_field_gives_finite_verdicts_or_one_line(saved, tmp_path, field, value):
    content = json.loads(saved.read_text())
    *way, last = field if isinstance(field, tuple) else (field,)
    functools.reduce(operator.getitem, way, content)[last] = value
    (tmp_path / "spoilt.json").write_text(json.dumps(content))
    try:
        model = load_model(tmp_path / "spoilt.json")
    except MetaSegError as error:
        check_line(error)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(model.score(make_table(50, n_images=2, n_classes=3))).all(axis=None)
    assert isinstance(model.other_settings({"flip": True}), list)
    save_model(model, tmp_path / "again.json")


@pytest.mark.parametrize("column", ["S_rel", "E"])
def test_measures_too_large_to_be_judged_are_refused(saved, column):
    model = load_model(saved)
    table = make_table(50, n_images=2, n_classes=3)
    model.scale[:] = 1e-100
    table[column] = np.finfo(float).max
    with pytest.raises(InputError, match="got too large"):
        model.score(table)


def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "model.json")
    with pytest.raises(DataFormatError, match="regular file"):
        load_model(tmp_path / "model.json")


def test_a_judged_folder_keeps_its_model(saved, tmp_path):
    model = load_model(saved)
    run = Run.create(tmp_path / "judged", {"model": model_file.compute_digest(model)})
    with pytest.raises(InputError, match="--keep-maps 20") as caught:
        model_file.load_kept(run)
    check_line(caught.value)
    model_file.keep_model(run, model)
    assert model_file.to_json(model_file.load_kept(run)) == model_file.to_json(model)
    model_file.keep_model(run, replace(model, mean=model.mean + 1))
    with pytest.raises(InputError, match="none or another"):
        model_file.load_kept(run)
