"""Tables 2 and 3 against a direct, slow transcription of the published protocol."""

import logging

import numpy as np
import pandas as pd
import pytest
from protocol_twin import transcribe
from sklearn.metrics import roc_auc_score
from tables import make_table

from metaseg_tf.analysis.classification import fit_classification
from metaseg_tf.analysis.design import build_design
from metaseg_tf.analysis.evaluation import evaluate, summarise
from metaseg_tf.analysis.protocol import Protocol
from metaseg_tf.analysis.regression import fit_regressions
from metaseg_tf.errors import InputError

PROTOCOL = Protocol(n_splits=3, C=(0.05, 0.1, 0.3, 1.0))
KEYS = ["split", "target", "model", "score", "part"]


@pytest.fixture(scope="module")
def small_table():
    return make_table(500, seed=11, n_images=4)


@pytest.fixture(scope="module")
def evaluation(small_table):
    return evaluate(small_table, PROTOCOL)


@pytest.mark.filterwarnings("ignore::FutureWarning:sklearn")
def test_the_published_protocol(small_table, evaluation):
    ours = evaluation.tidy().set_index(KEYS)["value"]
    expected = pd.Series(transcribe(small_table, PROTOCOL))
    assert set(ours.index) == set(expected.index)
    difference = (ours - expected.reindex(ours.index)).abs()
    by_solver = difference.index.get_level_values("model").isin(["penalized", "unpenalized"])
    assert difference[~by_solver].max() < 1e-9
    assert difference[by_solver].max() < 1e-3


def test_the_tidy_file(evaluation):
    tidy = evaluation.tidy()
    assert list(tidy.columns) == [*KEYS, "value"]
    assert len(tidy) == 3 * (3 * 2 * 2 + 2 * 2 * 2 * 2)
    assert not tidy.duplicated(KEYS).any()
    assert set(tidy["model"]) == {"penalized", "unpenalized", "entropy", "all"}
    assert np.isfinite(tidy["value"]).all()


def test_mean_and_population_deviation(evaluation):
    tidy = evaluation.tidy()
    table2 = summarise(tidy)
    row = table2.loc["iou_adj", "penalized", "auroc", "validation"]
    wanted = (tidy[KEYS[1:]] == ["iou_adj", "penalized", "auroc", "validation"]).all(axis=1)
    assert row["mean"] == pytest.approx(tidy["value"][wanted].mean())
    assert row["std"] == pytest.approx(np.std(tidy["value"][wanted].to_numpy()))


def test_counts_are_those_of_the_best_model_of_each_split(evaluation):
    design, classification = evaluation.design, evaluation.classification
    for split, path in enumerate(classification.paths):
        best = PROTOCOL.C.index(classification.best_c_of_split(split))
        predicted = design.X @ path.coef[best] + path.intercept[best] > 0
        false_positives = design.iou_adj == 0
        assert classification.detected[split] == np.sum(false_positives & ~predicted)
        assert classification.undetected[split] == np.sum(false_positives & predicted)


def test_curves_are_scores_of_the_coefficients(evaluation):
    design, classification = evaluation.design, evaluation.classification
    held_out = PROTOCOL.draw_splits(design)[1]
    coef = classification.coefficients(split=1)
    assert list(coef.columns) == list(design.columns)
    curves = classification.curves.query("split == 1 and model == 'penalized'")
    for index, C in enumerate(PROTOCOL.C):
        logit = design.X @ coef.loc[C].to_numpy() + classification.paths[1].intercept[index]
        for part, half in (("train", ~held_out), ("validation", held_out)):
            rows = curves[(curves["C"] == C) & (curves["part"] == part)]
            scores = rows.set_index("score")["value"]
            assert scores["acc"] == np.mean((logit > 0)[half] == design.y[half])
            assert scores["auroc"] == pytest.approx(roc_auc_score(design.y[half], logit[half]))


def test_clipping_helps_and_stands_beside(evaluation):
    clipped = evaluation.clipped().set_index(KEYS)["value"]
    plain = evaluation.tidy().set_index(KEYS)["value"].reindex(clipped.index)
    sigmas = clipped.index.get_level_values("score") == "sigma"
    assert np.all(clipped[sigmas] <= plain[sigmas])
    assert np.all(clipped[~sigmas] >= plain[~sigmas])


def test_predictions_of_split_0(evaluation):
    design, regression = evaluation.design, evaluation.regressions["iou_adj"]
    expected = design.X @ regression.coef[0] + regression.intercept[0]
    np.testing.assert_allclose(regression.predicted, expected, atol=1e-10)
    probability = evaluation.classification.probability
    best = PROTOCOL.C.index(evaluation.classification.best_c)
    path = evaluation.classification.paths[0]
    odds = np.exp(design.X @ path.coef[best] + path.intercept[best])
    np.testing.assert_allclose(probability, odds / (1 + odds), atol=1e-12)


@pytest.mark.parametrize("settings", [{"splits": "image"}, {"fit_on": "train"}])
def test_the_other_settings_work(small_table, settings):
    tidy = evaluate(small_table, Protocol(n_splits=2, C=(0.01, 0.1), **settings)).tidy()
    assert len(tidy) == 2 * 28
    assert np.isfinite(tidy["value"]).all()


def test_a_class_never_predicted_and_a_constant_column(small_table):
    table = small_table.assign(cprob4=0.0, E_rel=1.5)
    tidy = evaluate(table, PROTOCOL).tidy()
    assert np.isfinite(tidy["value"]).all()


def test_one_outcome_stops_classification_only(small_table):
    design = build_design(small_table[small_table["iou_adj"] > 0])
    with pytest.raises(InputError, match=r"both outcomes .* extract more images"):
        fit_classification(design, PROTOCOL)
    assert np.isfinite(fit_regressions(design, PROTOCOL)["iou"].scores["value"]).all()
    evaluation = evaluate(small_table[small_table["iou_adj"] > 0], PROTOCOL)
    assert set(evaluation.tidy()["target"]) == {"iou_adj", "iou"}
    with pytest.raises(InputError, match="both outcomes"):
        evaluation.classification  # noqa: B018


def test_one_image_cannot_be_split_by_images(small_table):
    table = small_table[small_table["image"] == small_table["image"].iloc[0]]
    with pytest.raises(InputError, match="at least 2 images, got 1"):
        evaluate(table, Protocol(n_splits=2, splits="image")).tidy()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_handful_of_segments_is_told(n):
    design = build_design(make_table(n, empty_interior=0))
    for fit in (fit_classification, fit_regressions):
        with pytest.raises(InputError, match="extract more images"):
            fit(design)


def test_separable_outcomes_are_logged(caplog):
    table = make_table(300, empty_interior=0)
    table["E"] = np.where(table["iou_adj"] > 0, 0.2, 0.8) + 0.1 * table["E"]
    with caplog.at_level(logging.WARNING):
        fit_classification(build_design(table), Protocol(n_splits=1, C=(0.1, 1.0)))
    assert "in 1 of 1 splits the metrics tell false positives from other segments" in caplog.text


def test_held_out_verdicts_have_the_validation_scores(evaluation):
    probability, held_out = evaluation.judge_held_out()
    false_positive = ~evaluation.design.y
    rows = evaluation.classification.tidy().query(
        "model == 'penalized' and score == 'auroc' and part == 'validation'"
    )
    areas = [
        roc_auc_score(false_positive[held], p[held])
        for p, held in zip(probability, held_out, strict=True)
    ]
    np.testing.assert_allclose(areas, rows["value"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(1 - probability[0], evaluation.classification.probability)
