import json
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaseg_tf.errors import DataFormatError, MetaSegError, RunError, SettingsMismatchError
from metaseg_tf.judging import MetaModel, load_model, model_file, save_model
from metaseg_tf.judging.meta_model import Linear, Verdict
from metaseg_tf.schema import METRIC_COLUMNS, class_columns


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
        Linear(coef, 0.25),
        Linear(other, -0.5),
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
    ],
)
def test_wrong_contents_are_refused(saved, tmp_path, changes):
    with pytest.raises(DataFormatError, match="expected a meta model"):
        load_model(spoilt(saved, tmp_path, **changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"convention": "mine"}, "convention 'mine'"),
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


def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "model.json")
    with pytest.raises(DataFormatError, match="regular file"):
        load_model(tmp_path / "model.json")
