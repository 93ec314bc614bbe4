"""Boosted trees, added as docs/extending.md says, from the fit to the verdicts on an image."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scenes import make_scene
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.model_selection import cross_val_score
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
FIELDS = ("value", "feature_idx", "num_threshold", "left", "right", "is_leaf")


class Trees(Estimator):
    """A sum of trees as plain arrays: what a file for `metaseg_tf/analysis` would hold."""

    def __init__(self, depth=2):
        self.depth = depth

    @classmethod
    def settings(cls, protocol):
        return [{"depth": depth} for depth in (1, 3)]

    def fit(self, X, y):
        fitted = self._booster(max_depth=self.depth, max_iter=8).fit(X, self._target(y))
        self.level_ = float(fitted._baseline_prediction.item())
        nodes = [predictor[0].nodes for predictor in fitted._predictors]
        self.trees_ = [{name: tree[name].astype(float) for name in FIELDS} for tree in nodes]
        return self

    def _sum(self, X):
        total, rows = np.full(len(X), self.level_), np.arange(len(X))
        for tree in self.trees_:
            place = np.zeros(len(X), int)
            for _ in range(len(tree["value"])):
                low = (
                    X[rows, tree["feature_idx"].astype(int)[place]] <= tree["num_threshold"][place]
                )
                child = np.where(low, tree["left"][place], tree["right"][place]).astype(int)
                place = np.where(tree["is_leaf"][place] > 0, place, child)
            total += tree["value"][place]
        return total

    def to_json(self):
        trees = [{name: values.tolist() for name, values in tree.items()} for tree in self.trees_]
        return {"level": self.level_, "trees": trees}

    @classmethod
    def from_json(cls, content, n_features):
        self = cls()
        (self.level_,) = read_numbers([content["level"]], 1)
        self.trees_ = [
            {name: read_numbers(tree[name], len(tree["value"])) for name in FIELDS}
            for tree in content["trees"]
        ]
        for tree in self.trees_:
            if not (tree["feature_idx"] < n_features).all():
                raise ValueError("a feature out of range")
        return self


class BoostedClassifier(Classifier, Trees):
    _booster = HistGradientBoostingClassifier

    def _target(self, y):
        return self.outcome(y)

    def decision_function(self, X):
        return self._sum(X)


class BoostedRegressor(Regressor, Trees):
    _booster = HistGradientBoostingRegressor

    def _target(self, y):
        return y

    def predict(self, X):
        return self._sum(X)


@pytest.fixture(scope="module", autouse=True)
def registered():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ESTIMATORS, "boosting", Pair(BoostedClassifier, BoostedRegressor))
        yield


@pytest.fixture(scope="module")
def table():
    return make_table(1000, n_classes=5, n_images=4)


@pytest.fixture(scope="module")
def model(table, registered):
    return fit_meta_model(table, meta="boosting", protocol=FAST)


def test_the_fit_is_that_of_scikit_learn(model, table):
    design = build_design(table, groups=(*PAPER_GROUPS, "prediction"), least_scale=0.1)
    classifier = model.interior.classifier
    depth = classifier.depth
    expected = HistGradientBoostingClassifier(max_depth=depth, max_iter=8).fit(design.X, design.y)
    np.testing.assert_allclose(
        classifier.decision_function(design.X),
        expected.decision_function(design.X),
        atol=1e-12,
    )
    scores = cross_val_score(BoostedClassifier(), design.X, design.y, cv=2, scoring="roc_auc")
    assert scores.min() > 0.75


def test_it_is_chosen_scored_kept_and_judges(model, tmp_path):
    assert model.provenance["depth"] in (1, 3)
    assert model.provenance["regressor_depth"] in (1, 3)
    held_out = model.provenance["held_out"]
    assert held_out["auroc"]["value"] > 0.75
    assert held_out["r2"]["value"] > 0.3
    path = save_model(model, tmp_path / "model.json")
    assert json.loads(path.read_text())["interior"]["classifier"]["estimator"] == "boosting"
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


def test_linear_models_are_kept_without_a_name(table, tmp_path):
    linear = fit_meta_model(table, protocol=FAST)
    path = save_model(linear, tmp_path / "linear.json")
    content = json.loads(path.read_text())["interior"]
    assert list(content["classifier"]) == list(content["regressor"]) == ["coef", "intercept"]
    unpenalised = fit_meta_model(table, meta="unpenalised", protocol=FAST)
    again = load_model(save_model(unpenalised, tmp_path / "unpenalised.json"))
    assert type(again.interior.regressor) is LeastSquares
    assert again.score(table).equals(unpenalised.score(table))


def test_an_unknown_estimator_is_refused(model, table, tmp_path, monkeypatch):
    path = save_model(model, tmp_path / "model.json")
    monkeypatch.delitem(ESTIMATORS, "boosting")
    with pytest.raises(DataFormatError, match="estimator 'boosting', which this version does not"):
        load_model(path)
    with pytest.raises(InputError, match="expected a classifier of one of linear"):
        save_model(model, path)
    with pytest.raises(InputError, match="meta: expected one of linear, unpenalised"):
        fit_meta_model(table, meta="boosting")
