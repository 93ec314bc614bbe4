"""Means of near segments, added as docs/extending.md says, from the fit to verdicts on an image."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scenes import make_scene
from scipy.special import logit
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsRegressor
from tables import make_table

from metaseg_tf import fit_meta_model, judge_image, load_model
from metaseg_tf.analysis.base import Classifier, Estimator, Regressor, read_numbers
from metaseg_tf.analysis.design import build_design
from metaseg_tf.analysis.estimators import ESTIMATORS, LeastSquares, Pair
from metaseg_tf.analysis.protocol import Protocol
from metaseg_tf.errors import DataFormatError, InputError
from metaseg_tf.meta import save_model
from metaseg_tf.segments.columns import PAPER_GROUPS

FAST = Protocol(n_splits=2, C=(0.1, 1.0))


class Near(Estimator):
    """All rows of the fit: what a file for `metaseg_tf/analysis` would hold."""

    def __init__(self, k=20):
        self.k = k

    @classmethod
    def settings(cls, protocol, columns):
        assert {"E", "D", "cprob0"} <= {*columns}
        return [{"k": k} for k in (50, 20)]

    def fit(self, X, y):
        self.X_, self.y_ = X, self._target(y)
        return self

    def _mean(self, X):
        k = min(self.k, len(self.X_))
        return KNeighborsRegressor(k).fit(self.X_, self.y_.astype(float)).predict(X)

    def to_json(self):
        return {"k": self.k, "X": self.X_.tolist(), "y": self.y_.astype(float).tolist()}

    @classmethod
    def from_json(cls, content, n_features):
        self = cls(content["k"])
        self.X_ = np.array([read_numbers(row, n_features) for row in content["X"]])
        self.y_ = read_numbers(content["y"], len(self.X_))
        return self


class NearClassifier(Classifier, Near):
    def _target(self, y):
        return self.outcome(y)

    def decision_function(self, X):
        return logit(self._mean(X).clip(0.01, 0.99))


class NearRegressor(Regressor, Near):
    def _target(self, y):
        return y

    def predict(self, X):
        return self._mean(X)


@pytest.fixture(scope="module", autouse=True)
def registered():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ESTIMATORS, "near", Pair(NearClassifier, NearRegressor))
        yield


@pytest.fixture(scope="module")
def table():
    return make_table(1000, n_classes=5, n_images=4)


@pytest.fixture(scope="module")
def model(table, registered):
    return fit_meta_model(table, meta="near", protocol=FAST)


def test_it_works_in_cross_validation(table):
    design = build_design(table, groups=(*PAPER_GROUPS, "prediction"))
    scores = cross_val_score(NearClassifier(), design.X, design.y, cv=2, scoring="roc_auc")
    assert scores.min() > 0.75


def test_it_is_chosen_scored_kept_and_judges(model, tmp_path):
    assert model.provenance["meta"] == model.provenance["against_linear"]["meta"] == "near"
    assert model.provenance["k"] in (20, 50)
    assert model.provenance["regressor_k"] in (20, 50)
    held_out = model.provenance["held_out"]
    assert held_out["auroc"]["value"] > 0.75
    assert held_out["r2"]["value"] > 0.3
    path = save_model(model, tmp_path / "model.json")
    assert json.loads(path.read_text())["interior"]["classifier"]["estimator"] == "near"
    probs, _ = make_scene(n_classes=5)
    judged, again = (judge_image(m, probs).table for m in (model, load_model(path)))
    assert len(judged) > 1
    assert judged["false_positive_probability"].between(0, 1).all()
    assert judged.equals(again)


def test_what_has_no_exact_explanation_gives_none(model, table):
    explained = model.explain(table)
    assert explained.shape == (len(table), 0)
    linear = fit_meta_model(table, protocol=FAST).interior
    mixed = replace(model, interior=replace(model.interior, regressor=linear.regressor))
    explained = mixed.explain(table)
    assert set(explained.columns.levels[0]) == {"iou_adj_linear"}
    assert explained.notna().all(axis=1).equals(table["S_in"] > 0)


def test_the_estimator_is_kept_by_its_name(table, tmp_path):
    unpenalised = fit_meta_model(table, meta="unpenalised", protocol=FAST)
    again = load_model(save_model(unpenalised, tmp_path / "unpenalised.json"))
    assert type(again.interior.regressor) is LeastSquares
    assert again.score(table).equals(unpenalised.score(table))


def test_an_unknown_estimator_is_refused(model, table, tmp_path, monkeypatch):
    path = save_model(model, tmp_path / "model.json")
    monkeypatch.delitem(ESTIMATORS, "near")
    with pytest.raises(DataFormatError, match="estimator 'near', which this version does not"):
        load_model(path)
    with pytest.raises(InputError, match="expected a classifier of one of linear"):
        save_model(model, path)
    with pytest.raises(InputError, match="one of linear, boosting, unpenalised, best, got"):
        fit_meta_model(table, meta="near")
