"""A kept model of boosted trees: chosen, compared, explained, stored."""

import json

import numpy as np
import pandas as pd
import pytest
from messages import check_line
from tables import make_table

from metaseg_tf import fit_meta_model, load_model
from metaseg_tf.analysis.boosting import BoostedClassifier, _Boosted
from metaseg_tf.analysis.estimators import Lasso
from metaseg_tf.analysis.protocol import Protocol
from metaseg_tf.errors import DataFormatError
from metaseg_tf.meta import save_model

FAST = Protocol(C=(0.01, 0.1, 1.0))
GRID = [{"trees": trees, "depth": 3} for trees in (10, 40)]


@pytest.fixture(scope="module", autouse=True)
def small_grid():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_Boosted, "settings", classmethod(lambda *_: GRID))
        yield


@pytest.fixture(scope="module")
def table():
    """Segments whose IoU_adj depends on D and E together, which no linear model can tell."""
    table = make_table(1500, n_classes=3, n_images=12)
    unlike = (table["D"] > table["D"].median()) == (table["E"] > table["E"].median())
    rng = np.random.default_rng(0)
    iou = np.where(unlike ^ (rng.random(len(table)) < 0.1), 0, rng.uniform(0.5, 1, len(table)))
    return table.assign(iou=iou, iou_adj=iou)


@pytest.fixture(scope="module")
def model(table, small_grid):
    return fit_meta_model(table, meta="best", protocol=FAST)


def test_the_better_model_is_kept_and_says_by_how_much(model, table):
    assert isinstance(model.interior.classifier, BoostedClassifier)
    known, found = model.provenance, model.provenance["against_linear"]
    linear = fit_meta_model(table, protocol=FAST).provenance
    assert known["meta"] == found["meta"] == "boosting"
    assert known["trees"] in (10, 40)
    assert found["better"] is True
    for score in ("auroc", "r2"):
        more = known["held_out"][score]["value"] - linear["held_out"][score]["value"]
        assert found[score]["difference"] == pytest.approx(more)
        assert 0 < found[score]["low"] < more < found[score]["high"]


def test_the_linear_model_is_kept_where_trees_are_not_better():
    rng = np.random.default_rng(1)
    table = make_table(700, n_classes=3, n_images=8)
    line = (0.6 - 0.8 * table["D"] + rng.normal(scale=0.1, size=len(table))).clip(0, 1)
    table = table.assign(iou=line, iou_adj=line)
    kept, asked = (fit_meta_model(table, meta=meta, protocol=FAST) for meta in ("best", "boosting"))
    assert isinstance(kept.interior.classifier, Lasso)
    assert kept.provenance["meta"] == "linear"
    assert isinstance(asked.interior.classifier, BoostedClassifier)
    for model in (kept, asked):
        assert model.provenance["against_linear"]["better"] is False
    assert kept.provenance["against_linear"] == asked.provenance["against_linear"]


def test_explanations_add_up_to_the_verdicts(model, table):
    explained, scores = model.explain(table), model.score(table)
    for verdict, expected in (
        ("iou_adj_linear", scores["iou_adj_linear"]),
        ("false_positive_log_odds", np.log(1 / (1 / scores["false_positive_probability"] - 1))),
    ):
        np.testing.assert_allclose(explained[verdict].sum(axis=1), expected, atol=1e-9)
    inside = table["S_in"] > 0
    base = explained["iou_adj_linear"]["base"][inside]
    assert base.nunique() == 1
    assert base.iloc[0] == pytest.approx(scores["iou_adj_linear"][inside].mean())
    share = explained["iou_adj_linear"][inside].abs().mean()
    of_both = [name for name in share.index if name.startswith(("D", "E"))]
    assert share[of_both].sum() > 2 * share.drop(["base", *of_both]).sum()


def test_it_is_stored_and_read(model, table, tmp_path):
    again = load_model(save_model(model, tmp_path / "model.json"))
    pd.testing.assert_frame_equal(again.score(table), model.score(table))
    pd.testing.assert_frame_equal(again.explain(table), model.explain(table))


@pytest.mark.parametrize("name", ["base", "sizes", "features", "numbers", "covers"])
def test_a_spoilt_file_is_refused_in_one_line(model, tmp_path, name):
    path = save_model(model, tmp_path / "model.json")
    content = json.loads(path.read_text())
    content["interior"]["regressor"][name] = "AAAAAAAAAAA="
    path.write_text(json.dumps(content))
    with pytest.raises(DataFormatError, match="expected a meta model") as caught:
        load_model(path)
    check_line(caught.value)
