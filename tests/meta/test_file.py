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
from metaseg_tf.meta.model import SegmentFit, Spread
from metaseg_tf.runs.run import Run
from metaseg_tf.segments.columns import PAPER_GROUPS, feature_columns

COLUMNS = feature_columns(3, (*PAPER_GROUPS, "prediction"))
P = len(COLUMNS)
LASSO = {"estimator": "linear", "coef": [1] * P, "intercept": 0}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Path of a small model with coefficients drawn at random."""
    rng = np.random.default_rng(0)

    def draw_fit():
        mean, coef, other = rng.normal(size=(3, P))
        return SegmentFit(
            mean,
            np.exp(mean),
            Lasso.from_json({"coef": coef.tolist(), "intercept": 0.25}, P),
            Ridge.from_json({"coef": other.tolist(), "intercept": -0.5}, P),
            Spread(np.array([0.1, 0.6]), np.array([0.05, 0.2]), -2.0, 1.9),
        )

    provenance = {"run": "XC", "held_out": {"r2": {"value": 0.7, "low": 0.6, "high": None}}}
    model = MetaModel(COLUMNS, draw_fit(), draw_fit(), "paper", 4, provenance)
    return save_model(model, tmp_path_factory.mktemp("model") / "model.json")


def spoilt(saved, tmp_path, **changes):
    """The model with other fields; those of a fit's are changed in its fit for interiors."""
    content = json.loads(saved.read_text())
    for name, value in changes.items():
        place = content["interior"] if name in content["interior"] else content
        place[name] = value
    path = tmp_path / "spoilt.json"
    path.write_text(json.dumps(content))
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


def test_a_model_of_another_version_is_refused(saved, tmp_path):
    with pytest.raises(DataFormatError, match="of another version"):
        load_model(spoilt(saved, tmp_path, format=model_file.FORMAT + 1))


@pytest.mark.parametrize(
    "changes",
    [
        {"mean": [1.0]},
        {"mean": "1"},
        {"scale": [0.0] * P},
        {"classifier": LASSO | {"coef": [float("nan")] * P}},
        {"classifier": {"coef": [1] * P, "intercept": 0}},
        {"regressor": {"estimator": "linear", "coef": [1] * P}},
        {"no_interior": None},
        {"spread": {"predicted": [0.1], "sigma": [0.1], "low": -2}},
        {"spread": {"predicted": [], "sigma": [], "low": -2, "high": 2}},
        {"spread": {"predicted": [0.2, 0.1], "sigma": [0.1, 0.1], "low": -2, "high": 2}},
        {"spread": {"predicted": [0.1], "sigma": [0], "low": -2, "high": 2}},
        {"spread": {"predicted": [0.1], "sigma": [0.1, 0.1], "low": -2, "high": 2}},
        {"provenance": None},
        {"connectivity": "eight"},
        {"connectivity": 8.0},
        {"connectivity": 8.9},
        {"columns": [1] * P},
        {"mean": ["1"] * P},
        {"mean": [True] * P},
        {"mean": [1e101] * P},
        {"scale": [1e-101] * P},
        {"regressor": LASSO | {"coef": [1e308] * P}},
        {"classifier": LASSO | {"intercept": 10**400}},
        {"spread": None},
        {"provenance": [["run", "XC"]]},
        {"provenance": {"settings": "flip"}},
        {"provenance": json.loads("[" * 500 + "]" * 500)},
        {"mean": [10**400] * P},
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
        ({"columns": [*COLUMNS[1:], "length"]}, "D, length"),
        ({"columns": [*COLUMNS[1:], COLUMNS[1]]}, "columns D"),
        ({"columns": [*COLUMNS[:-1], "predicted7"]}, "predicted2, predicted7"),
        ({"columns": [*COLUMNS[:-1], "predicted-1"]}, "predicted-1, predicted2"),
    ],
)
def test_what_differs_is_named(saved, tmp_path, changes, words):
    with pytest.raises(SettingsMismatchError, match=words):
        load_model(spoilt(saved, tmp_path, **changes))


def test_a_place_that_cannot_be_written(saved, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot be written"):
        save_model(load_model(saved), tmp_path / "file" / "model.json")


KEYS = ("format", "columns", "mean", "classifier", "interior", "no_interior", "connectivity")


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
    *("format", "columns", "interior", "no_interior", "connectivity"),
    *("kind", "convention", "provenance", "classes", ("provenance", "settings"), ("columns", 3)),
    *(("interior", name) for name in ("mean", "scale", "classifier", "regressor", "spread")),
    *(("interior", "classifier", "intercept"), ("interior", "regressor", "coef")),
    *(("interior", "mean", 3), ("interior", "scale", 3)),
    *(("no_interior", "spread", name) for name in ("predicted", "sigma", "low", "high")),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(field=st.sampled_from(FIELDS), value=JSON | st.lists(NUMBERS, min_size=P, max_size=P))
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
        scores = model.score(make_table(50, n_images=2, n_classes=3))
    assert np.isfinite(scores[["iou_adj_linear", "false_positive_probability"]]).all(axis=None)
    assert scores.drop(columns="iou_adj_linear").stack().between(0, 1).all()
    assert isinstance(model.other_settings({"flip": True}), list)
    save_model(model, tmp_path / "again.json")


@pytest.mark.parametrize("column", ["S_rel", "E"])
def test_measures_too_large_to_be_judged_are_refused(saved, column):
    model = load_model(saved)
    table = make_table(50, n_images=2, n_classes=3)
    model.interior.scale[:] = 1e-100
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
    model_file.keep_model(run, replace(model, no_interior=model.interior))
    with pytest.raises(InputError, match="none or another"):
        model_file.load_kept(run)
