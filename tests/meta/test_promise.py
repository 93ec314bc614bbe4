from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import make_table

from metaseg_tf import calibrate, fit_meta_model, load_model
from metaseg_tf.analysis.protocol import Protocol
from metaseg_tf.errors import DataFormatError, InputError
from metaseg_tf.meta import save_model
from metaseg_tf.meta.model import SIZES
from metaseg_tf.meta.promise import WHOLE, control_risk, count_needed

FAST = Protocol(C=(0.1,))


@pytest.fixture(scope="module")
def model():
    return fit_meta_model(make_table(1000, n_classes=5, n_images=20), protocol=FAST)


@pytest.fixture(scope="module")
def population():
    table = make_table(4500, n_classes=5, n_images=150, seed=3)
    # Images differ, as real ones do: some are much worse than others.
    worse = np.random.default_rng(1).random(150) < 0.2
    number = pd.factorize(table["image"])[0]
    wrong = worse[number] & (np.random.default_rng(2).random(len(table)) < 0.5)
    return table.assign(iou_adj=table["iou_adj"].mask(wrong, 0.0), image="other_" + table["image"])


def threshold_by_hand(value, image, n, alpha, least):
    """The first of all thresholds, tried one by one, whose bound is low enough."""
    for t in sorted({least, *value}):
        shares = [np.mean(value[image == i] > t) if (image == i).any() else 0 for i in range(n)]
        if n / (n + 1) * np.mean(shares) + 1 / (n + 1) <= alpha + 1e-12:
            return t
    return np.inf


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 8)), max_size=40),
    st.sampled_from([0.11, 0.23, 0.37, 0.61]),
)
def test_the_threshold_is_the_first_that_keeps_the_bound(rows, alpha):
    image, value = np.array(rows, int).reshape(-1, 2).T
    value = value / 8
    found = control_risk(value, image, 10, alpha, 0.0)
    assert found == threshold_by_hand(value, image, 10, alpha, 0.0)


@pytest.mark.parametrize("alpha", [0.5, 0.3, 0.1, 0.05, 0.01])
def test_the_number_of_images_that_is_needed_is_the_smallest_that_will_do(alpha):
    n = count_needed(alpha)
    value, image = np.array([0.5]), np.array([0])
    assert np.isfinite(control_risk(value, image, n, alpha, 0.0))
    assert n == 1 or np.isinf(control_risk(value, image, n - 1, alpha, 0.0))


def measure_loss(kept, table):
    """Mean loss of a promise over the images of a table."""
    scored = pd.concat([table, kept.score(table)], axis=1)
    if kept.promise is None:
        low, high = (scored[f"iou_adj_{end}"] for end in ("low", "high"))
        wrong = ~scored["iou_adj"].between(low - 1e-9, high + 1e-9)
    elif kept.promise.kind == "false-positives":
        scored = scored[scored["iou_adj"] == 0]
        wrong = scored["trusted"]
    else:
        scored = scored[scored["iou_adj"] > 0]
        wrong = ~scored["trusted"]
    return wrong.groupby(scored["image"]).mean().sum() / table["image"].nunique()


@pytest.mark.parametrize(
    "asked",
    [{"promise": {"false-positives": 0.2}}, {"promise": {"missed-trust": 0.2}}, {"intervals": 0.8}],
    ids=lambda asked: next(iter(asked)) + str(asked)[-24:-2],
)
def test_promises_are_kept_over_draws_of_images_and_not_idly(model, population, asked):
    rng, names = np.random.default_rng(0), population["image"].unique()
    losses = []
    for _ in range(40):
        aside = population["image"].isin(rng.permutation(names)[:30])
        kept = calibrate(model, population[aside], **asked)
        losses.append(measure_loss(kept, population[~aside]))
    assert np.mean(losses) <= 0.2 + 2 * np.std(losses) / np.sqrt(len(losses))
    # No more careful than the bound asks for: conformal risk control is within 2/(n+1).
    assert np.mean(losses) >= 0.2 - 2 / 31 - 0.01


def test_verdicts_by_hand(model, population):
    kept = calibrate(model, population, promise={"false-positives": 0.1})
    scores = kept.score(population)
    by_hand = scores["false_positive_probability"] < kept.promise.threshold
    assert scores["trusted"].equals(by_hand.rename("trusted"))
    assert 0 < scores["trusted"].mean() < 1
    pd.testing.assert_frame_equal(scores.drop(columns="trusted"), model.score(population))
    assert "trusted" not in model.score(population)
    assert "the 150 images it was set on" in kept.promise.sentence


def test_intervals_are_set_for_each_size(model, population):
    # One image has segments of the largest size, which is not enough to promise anything.
    population = population.assign(S=population["S"].clip(upper=9000))
    population.loc[population.index[-1], "S"] = 20_000
    kept = calibrate(model, population, intervals=0.8)
    assert kept.intervals.images[-1] == 1
    assert kept.intervals.stretch[-1] == WHOLE
    scores = kept.score(population)
    assert scores[["iou_adj_low", "iou_adj_high"]].iloc[-1].tolist() == [0, 1]
    assert len(set(kept.intervals.stretch)) == len(SIZES)
    narrower = calibrate(model, population, intervals=0.5).score(population)
    width = scores["iou_adj_high"] - scores["iou_adj_low"]
    assert (narrower["iou_adj_high"] - narrower["iou_adj_low"])[:-1].mean() < width[:-1].mean()


def test_images_are_set_aside_whole(population):
    kept = fit_meta_model(population, promise={"false-positives": 0.1}, protocol=FAST)
    aside, fitted = {*kept.reference["image"]}, {*kept.provenance["fitted_on"]}
    assert aside | fitted == {*population["image"]}
    assert not aside & fitted
    assert kept.promise.images == len(aside) == 50
    own = calibrate(
        replace(kept, promise=None),
        population[population["image"].isin(aside)],
        promise={"false-positives": 0.1},
    )
    assert own.promise == kept.promise


def test_promises_come_back_from_disk(model, population, tmp_path):
    kept = calibrate(model, population, promise={"missed-trust": 0.15}, intervals=0.85)
    loaded = load_model(save_model(kept, tmp_path / "model.json"))
    assert loaded.promise == kept.promise
    assert loaded.intervals == kept.intervals
    pd.testing.assert_frame_equal(
        loaded.reference, kept.reference, check_exact=True, check_dtype=False
    )
    assert loaded.promise.sentence in (tmp_path / "model.json").read_text()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"threshold": 0', '"threshold": 7'), ('"kind": "missed', '"kind": "x'),
        ('"alpha": 0.15', '"alpha": NaN'), ('"level": 0.85', '"level": "much"'),
        ('"images": 150', '"images": 1.5'), ('"segments": [', '"segments": [1,'),
    ],
)  # fmt: skip
def test_a_file_with_an_impossible_promise_is_refused(model, population, tmp_path, old, new):
    kept = calibrate(model, population, promise={"missed-trust": 0.15}, intervals=0.85)
    text = save_model(kept, tmp_path / "model.json").read_text()
    assert old in text
    (tmp_path / "model.json").write_text(text.replace(old, new, 1))
    with pytest.raises(DataFormatError, match="expected a meta model"):
        load_model(tmp_path / "model.json")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"promise": {"false-positives": 0.1, "missed-trust": 0.1}}, "got 2 together"),
        ({"promise": {}}, "got 0"),
        ({"promise": {"recall": 0.1}}, "one of false-positives, missed-trust"),
        ({"promise": {"false-positives": 1.0}}, "between 0 and 1, got 1.0"),
        ({"intervals": float("nan")}, "between 0 and 1, got nan"),
        (
            {"promise": {"false-positives": 0.001}},
            "at least 2997 .*150.*999.*ask for 0.02",
        ),
        ({"intervals": 0.999}, "at least 2997 images.*ask for 0.98"),
    ],
)
def test_what_cannot_be_promised_is_one_line(population, asked, words):
    with pytest.raises(InputError, match=words):
        fit_meta_model(population, **asked)


@pytest.mark.parametrize(("n", "asked"), [(6, 0.34), (20, 0.15)])
def test_the_share_that_is_advised_can_be_promised(population, n, asked):
    few = population[population["image"].isin(population["image"].unique()[:n])]
    with pytest.raises(InputError, match=f"ask for {asked}"):
        fit_meta_model(few, promise={"missed-trust": 0.01})
    assert fit_meta_model(few, promise={"missed-trust": asked}, protocol=FAST).promise


def test_images_of_the_fit_are_refused(population):
    kept = fit_meta_model(population, promise={"missed-trust": 0.2}, protocol=FAST)
    with pytest.raises(InputError, match="got 100 images of its fit, such as"):
        calibrate(kept, population, promise={"missed-trust": 0.2})
    with pytest.raises(InputError, match="got 0 together"):
        calibrate(kept, population)


def test_trees_keep_promises_too(population):
    asked = {"promise": {"false-positives": 0.2}, "intervals": 0.8}
    kept = fit_meta_model(population, meta="boosting", protocol=FAST, **asked)
    assert kept.provenance["meta"] == "boosting"
    rest = population[population["image"].isin(kept.reference["image"])]
    assert measure_loss(kept, rest) <= 0.2
    assert kept.score(rest)["trusted"].any()
