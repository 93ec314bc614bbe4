import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from metaseg_tf.analysis.verdict_scores import (
    BINS,
    SCORES,
    Scorer,
    draw_images,
    expand_percentiles,
)
from metaseg_tf.errors import InputError

NAMES = list(SCORES)


def draw_verdicts(rng, n_images, per_image=15, *, decimals=2, effect=0.8):
    """Verdicts on segments whose quality depends on their image, too."""
    image = np.repeat(np.arange(n_images), rng.poisson(per_image, n_images) + 1)
    level = effect * rng.normal(size=n_images)[image] + rng.normal(size=len(image))
    probability = (1 / (1 + np.exp(-level))).round(decimals)
    false = rng.random(len(image)) < probability
    iou_adj = np.where(false, 0.0, rng.beta(4, 2, len(image)))
    predicted = (1 - probability) * 0.7 + rng.normal(0, 0.1, len(image))
    return probability, predicted, iou_adj, image


def score_once(verdicts, n_images, cost=(1.0, 1.0)):
    (found,) = Scorer(*verdicts, n_images, cost).compute(np.ones((1, n_images)))
    return dict(zip(NAMES, found, strict=True))


def score_slowly(probability, predicted, iou_adj, cost=(1.0, 1.0)):
    """All scores by scikit-learn or by loops over the segments."""
    false, clipped, n = iou_adj == 0, predicted.clip(0, 1), len(iou_adj)
    rejected = probability >= cost[0] / (cost[0] + cost[1])
    order, loss = np.argsort(-probability, kind="stable"), 1 - iou_adj
    bins = [order[[i for i in range(n) if BINS * i // n == b]] for b in range(BINS)]
    # Generalised risk as fd-shifts has it: from no segment kept to all, trapezoids between ties.
    levels = np.unique(clipped)[::-1]
    coverage = [0.0, *(np.mean(clipped >= level) for level in levels)]
    generalised = [0.0, *(loss[clipped >= level].sum() / n for level in levels)]
    return {
        "auroc": metrics.roc_auc_score(false, probability),
        "auprc": metrics.average_precision_score(false, probability),
        "accuracy": metrics.accuracy_score(false, rejected),
        "cost": np.mean(
            [
                cost[0] * (r and not f) + cost[1] * (f and not r)
                for r, f in zip(rejected, false, strict=True)
            ]
        ),
        "ece": sum(abs(false[b].sum() - probability[b].sum()) for b in bins) / n,
        "ece_chance": sum(
            np.sqrt(2 / np.pi * (probability[b] * (1 - probability[b])).sum()) for b in bins
        )
        / n,
        "brier": metrics.brier_score_loss(false, probability),
        "aurc": np.mean([loss[clipped >= value].mean() for value in clipped]),
        "augrc": metrics.auc(coverage, generalised),
        "r2": metrics.r2_score(iou_adj, predicted),
        "r2_clipped": metrics.r2_score(iou_adj, clipped),
        "sigma": metrics.root_mean_squared_error(iou_adj, predicted),
        "sigma_clipped": metrics.root_mean_squared_error(iou_adj, clipped),
    }


@given(st.integers(0, 10**6), st.sampled_from([1, 2, 12]), st.floats(0.1, 10))
@settings(max_examples=12)
def test_every_score_is_that_of_its_twin(seed, decimals, ratio):
    rng = np.random.default_rng(seed)
    verdicts = draw_verdicts(rng, 6, decimals=decimals)
    false = verdicts[2] == 0
    if false.all() or not false.any():
        return
    expected = score_slowly(*verdicts[:3], (ratio, 1.0))
    assert score_once(verdicts, 6, (ratio, 1.0)) == pytest.approx(expected, abs=1e-9)


def test_a_draw_is_the_table_of_the_images_drawn():
    rng = np.random.default_rng(3)
    probability, predicted, iou_adj, image = draw_verdicts(rng, 8)
    counts = draw_images(8, 20, seed=1)
    found = Scorer(probability, predicted, iou_adj, image, 8).compute(counts)
    assert (counts.sum(axis=1) == 8).all()
    for row, scores in zip(counts, found, strict=True):
        rows = np.concatenate([np.flatnonzero(image == i) for i in range(8) for _ in range(row[i])])
        expected = score_slowly(probability[rows], predicted[rows], iou_adj[rows])
        # Bins are those of the table, not of the draw.
        del expected["ece"], expected["ece_chance"]
        kept = [NAMES.index(name) for name in expected]
        np.testing.assert_allclose(scores[kept], list(expected.values()), atol=1e-9)


def test_many_draws_are_scored_in_blocks_as_one_by_one(monkeypatch):
    verdicts = draw_verdicts(np.random.default_rng(0), 10)
    scorer, counts = Scorer(*verdicts, 10), draw_images(10, 30)
    together = scorer.compute(counts)
    monkeypatch.setattr("metaseg_tf.analysis.verdict_scores._BLOCK", 1)
    np.testing.assert_allclose(scorer.compute(counts), together, atol=1e-12)


def test_what_cannot_be_scored_is_nan():
    probability, predicted, iou_adj, image = draw_verdicts(np.random.default_rng(1), 5)
    found = score_once((probability, predicted, np.ones(len(image)), image), 5)
    missing = {name for name, value in found.items() if np.isnan(value)}
    assert missing == {"auroc", "auprc", "r2", "r2_clipped"}
    scorer = Scorer(probability, predicted, iou_adj, np.zeros(len(image), int), 5)
    drawn = scorer.compute(draw_images(5, 50))
    assert np.isnan(scorer.intervals(drawn)).all()
    with pytest.raises(InputError, match="at least 2 images, got 1"):
        draw_images(1)


def test_chance_alone_gives_the_error_of_a_calibrated_model():
    rng = np.random.default_rng(5)
    probability, predicted, _, image = draw_verdicts(rng, 40)
    errors = []
    for _ in range(300):
        iou_adj = np.where(rng.random(len(image)) < probability, 0.0, 0.5)
        found = score_once((probability, predicted, iou_adj, image), 40)
        errors.append(found["ece"])
    assert found["ece_chance"] == pytest.approx(np.mean(errors), rel=0.05)


def test_intervals_hold_as_often_as_they_say():
    """400 tables of 40 images each, drawn from 4000 whose scores are the truth."""
    rng = np.random.default_rng(11)
    probability, predicted, iou_adj, image = draw_verdicts(rng, 4000, 6, decimals=12)
    # Too sure of itself, so that the calibration error is not 0.
    probability = (probability - 0.5).clip(-0.35, 0.35) * 1.4 + 0.5
    truth = list(score_once((probability, predicted, iou_adj, image), 4000).values())
    starts = np.searchsorted(image, np.arange(4001))
    held = []
    for _ in range(400):
        drawn = rng.integers(0, 4000, 40)
        rows = np.concatenate([np.arange(starts[i], starts[i + 1]) for i in drawn])
        own = np.repeat(np.arange(40), starts[drawn + 1] - starts[drawn])
        scorer = Scorer(probability[rows], predicted[rows], iou_adj[rows], own, 40)
        low, high = scorer.intervals(
            scorer.compute(draw_images(40, 200, seed=rng.integers(1 << 30)))
        )
        held.append((low <= truth) & (truth <= high))
    coverage = dict(zip(NAMES, np.mean(held, axis=0), strict=True))
    # A size that falls with the number of segments, and has no interval.
    assert coverage.pop("ece_chance") == 0
    assert all(0.92 <= share <= 0.97 for share in coverage.values()), coverage


def test_percentiles_are_expanded_for_few_images():
    drawn = np.random.default_rng(0).normal(size=(20_000, 1))
    widths = [float(np.ptp(expand_percentiles(drawn, n))) for n in (5, 20, 10**6)]
    assert widths == pytest.approx([6.2, 4.29, 3.92], abs=0.15)
    assert np.isnan(expand_percentiles(drawn, 2)).all()


def test_the_curves_behind_the_scores():
    verdicts = draw_verdicts(np.random.default_rng(2), 20, decimals=12)
    scorer = Scorer(*verdicts, 20)
    curve = scorer.risk_coverage(points=10**6)
    scores = score_once(verdicts, 20)
    # Clipped predictions are tied at 0 and 1, which moves the mean a little.
    assert curve["risk"].mean() == pytest.approx(scores["aurc"], abs=0.01)
    assert (curve["ideal"] <= curve["risk"] + 1e-12).all()
    bins = scorer.reliability(draw_images(20, 200))
    assert bins["segments"].sum() == len(verdicts[0])
    gap = (bins["observed"] - bins["predicted"]).abs()
    assert np.average(gap, weights=bins["segments"]) == pytest.approx(scores["ece"])
    assert (bins["low"] <= bins["observed"]).mean() > 0.9
