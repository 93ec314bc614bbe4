from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scenes import make_scene
from scipy.special import expit
from sklearn.linear_model import Ridge
from tables import make_table

from metaseg_tf import judge_image, load_model, segment_metrics
from metaseg_tf.analysis.design import build_design, standardise
from metaseg_tf.analysis.estimators import PENALTIES
from metaseg_tf.analysis.protocol import Protocol, image_folds
from metaseg_tf.analysis.scores import auroc, r2
from metaseg_tf.data.sample import Bands
from metaseg_tf.errors import InputError, SettingsMismatchError
from metaseg_tf.meta import fit_meta_model, save_model
from metaseg_tf.runs.run import Manifest
from metaseg_tf.segments.columns import PAPER_GROUPS, columns, feature_values

FAST = Protocol(n_splits=3, C=(0.01, 0.1, 1.0))


@pytest.fixture(scope="module")
def table():
    return make_table(2000, n_classes=5, n_images=20)


@pytest.fixture(scope="module")
def model(table):
    return fit_meta_model(table, protocol=FAST, name="XC")


@pytest.fixture
def without_truth():
    """Segments of other images from the same source, and their truth."""
    fresh = make_table(3000, n_classes=5, n_images=30, seed=9)
    return fresh.drop(columns=["iou", "iou_adj"]), fresh["iou_adj"].to_numpy()


def test_fresh_images_are_judged_as_well_as_held_out_ones(model, without_truth):
    fresh, iou_adj = without_truth
    scores, held_out = model.score(fresh), model.provenance["held_out"]
    inside = fresh["S_in"].to_numpy() > 0
    area = auroc(-scores["false_positive_probability"][inside], iou_adj[inside] > 0)
    explained = r2(scores["iou_adj_linear"].to_numpy()[inside], iou_adj[inside])
    assert area == pytest.approx(held_out["auroc"]["value"], abs=0.03)
    assert explained == pytest.approx(held_out["r2"]["value"], abs=0.05)
    assert held_out["auroc"]["value"] > 0.75


@pytest.mark.parametrize("n_images", [2, 3, 5])
def test_few_images_are_enough_for_scores_that_mean_something(n_images):
    few = make_table(60 * n_images, n_images=n_images, seed=n_images)
    model = fit_meta_model(few, protocol=FAST)
    assert model.provenance["penalty"] in PENALTIES
    fresh = make_table(2000, n_images=20, seed=99).query("S_in > 0")
    explained = r2(model.score(fresh)["iou_adj_linear"].to_numpy(), fresh["iou_adj"].to_numpy())
    assert explained > 0.2
    assert model.provenance["held_out"]["r2"]["value"] > 0


@pytest.mark.parametrize("amount", [1e-9, 1e-5, 1e-3])
def test_a_class_seen_once_or_never_says_little(amount):
    """A class with faint probabilities, but for one segment: left out, held out and later."""
    table = make_table(600, n_classes=5, n_images=8)
    faint = amount * table["cprob4"]
    seen = table.index == table.index[(table["S_in"] > 0) & (table["image"] == "town_000002")][0]
    held_out = fit_meta_model(table.assign(cprob4=faint.where(~seen, 0.9)), protocol=FAST)
    assert held_out.provenance["held_out"]["r2"]["value"] > 0.3
    never = fit_meta_model(table.assign(cprob4=faint), protocol=FAST)
    one = table[table["S_in"] > 0].iloc[:1]
    before, after = (never.score(one.assign(cprob4=p)).iloc[0] for p in (faint.max(), 0.9))
    assert np.abs(after - before).max() < 0.5


def test_settings_are_those_with_the_least_loss_on_images_held_out_once(model, table):
    design = build_design(table, groups=(*PAPER_GROUPS, "prediction"), least_scale=0.1)
    names = table["image"].to_numpy()
    folds = image_folds(names, 10)[:, design.rows]
    assert (folds.sum(axis=0) == 1).all()
    errors = {penalty: np.empty(len(design)) for penalty in PENALTIES}
    for held_out in folds:
        X, *_ = standardise(design.X, ~held_out, 0.1 / design.scale)
        for penalty, found in errors.items():
            fit = Ridge(alpha=penalty).fit(X[~held_out], design.iou_adj[~held_out])
            found[held_out] = (fit.predict(X[held_out]) - design.iou_adj[held_out]) ** 2
    best = min(errors.values(), key=np.sum)
    enough = []
    for penalty, found in errors.items():
        more = pd.Series(found - best).groupby(design.image).sum()
        if more.sum() <= np.sqrt(len(more)) * more.std(ddof=0) + 1e-9:
            enough.append(penalty)
    chosen = max(enough)
    assert model.provenance["penalty"] == chosen
    explained = 1 - errors[chosen].sum() / np.sum((design.iou_adj - design.iou_adj.mean()) ** 2)
    assert model.provenance["held_out"]["r2"]["value"] == pytest.approx(explained)
    fit = Ridge(alpha=chosen).fit(design.X, design.iou_adj)
    np.testing.assert_allclose(model.interior.regressor.coef_, fit.coef_, atol=1e-8)


def test_scores_by_hand(model, without_truth):
    row = without_truth[0].query("S_in > 0").iloc[7:8]
    fit, class_id = model.interior, row["class_id"].iloc[0]
    measured = row[list(model.columns[:-5])].to_numpy(float)[0]
    x = (np.append(measured, np.arange(5) == class_id) - fit.mean) / fit.scale
    linear = sum(x * fit.regressor.coef_) + fit.regressor.intercept_
    logit = sum(x * fit.classifier.coef_) + fit.classifier.intercept_
    got = model.score(row).iloc[0]
    assert got["iou_adj_linear"] == pytest.approx(linear)
    assert got["iou_adj_predicted"] == pytest.approx(min(max(linear, 0), 1))
    assert got["false_positive_probability"] == pytest.approx(expit(-logit))


def test_segments_without_interior_are_judged_by_a_fit_of_their_own(model, without_truth):
    fresh, iou_adj = without_truth
    outside = fresh["S_in"].to_numpy() == 0
    scores = model.score(fresh[outside])
    assert auroc(-scores["false_positive_probability"], iou_adj[outside] > 0) > 0.65
    assert scores["iou_adj_linear"].std() > 0.05


@pytest.mark.parametrize("kept", [0, 3])
def test_too_few_of_them_get_one_verdict(table, kept):
    outside = table.index[table["S_in"] == 0]
    few = table.drop(index=outside[kept:])
    model = fit_meta_model(few, protocol=FAST)
    small = few[few["S_in"] == 0] if kept else few
    scores = model.score(table.loc[outside])
    assert np.allclose(scores["iou_adj_linear"], small["iou_adj"].mean())
    expected = (np.sum(small["iou_adj"] == 0) + 0.5) / (len(small) + 1)
    assert np.allclose(scores["false_positive_probability"], expected)


def test_intervals_hold_where_predictions_are_good_and_where_they_are_not(model):
    fresh = make_table(20_000, n_classes=5, n_images=150, seed=21)
    scores = model.score(fresh)
    held = fresh["iou_adj"].between(scores["iou_adj_low"] - 1e-12, scores["iou_adj_high"] + 1e-12)
    assert held.mean() == pytest.approx(0.95, abs=0.02)
    fifth = pd.qcut(scores["iou_adj_linear"], 5, labels=False)
    assert held.groupby(fifth).mean().between(0.88, 1).all()
    assert (scores["iou_adj_low"] <= scores["iou_adj_high"]).all()


def test_explanations_add_up_to_the_verdicts(model, without_truth):
    fresh = without_truth[0]
    explained, scores = model.explain(fresh), model.score(fresh)
    sums = {verdict: explained[verdict].sum(axis=1) for verdict in explained.columns.levels[0]}
    linear, log_odds = sums["iou_adj_linear"], sums["false_positive_log_odds"]
    np.testing.assert_allclose(linear, scores["iou_adj_linear"], atol=1e-9)
    np.testing.assert_allclose(expit(log_odds), scores["false_positive_probability"], atol=1e-9)
    assert list(explained.index) == list(fresh.index)
    metrics = [name for name in model.columns if not name.startswith(("cprob", "predicted"))]
    for verdict in sums:
        assert list(explained[verdict]) == ["base", *metrics, "class"]


@pytest.mark.parametrize("kind", ["interior", "no_interior"])
def test_an_explanation_by_hand(model, without_truth, kind):
    fresh, fit = without_truth[0], getattr(model, kind)
    row = fresh[(fresh["S_in"] > 0) == (kind == "interior")].iloc[3:4]
    x = (feature_values(row, model.columns)[0] - fit.mean) / fit.scale
    parts = dict(zip(model.columns, x * fit.regressor.coef_, strict=True))
    got = model.explain(row)["iou_adj_linear"].iloc[0]
    assert got["base"] == fit.regressor.intercept_
    assert got["D_bd"] == pytest.approx(parts["D_bd"])
    assert got["class"] == pytest.approx(
        sum(parts[f"cprob{j}"] + parts[f"predicted{j}"] for j in range(5))
    )
    log_odds = model.explain(row)["false_positive_log_odds"].iloc[0]
    assert log_odds["E"] == pytest.approx(-(x * fit.classifier.coef_)[model.columns.index("E")])


def test_without_a_fit_for_them_segments_without_interior_have_no_verdict(model, without_truth):
    fresh, half = without_truth[0], replace(model, no_interior=None)
    for found, whole in ((half.score(fresh), model.score(fresh)), (half.explain(fresh), None)):
        outside = (fresh["S_in"] == 0).to_numpy()
        assert found[outside].isna().all(axis=None)
        assert found[~outside].notna().all(axis=None)
        assert whole is None or found[~outside].equals(whole[~outside])


def test_explaining_nothing_and_what_cannot_be_judged(model):
    assert model.explain(make_table(0, n_classes=5)).empty
    with pytest.raises(InputError, match="NaN"):
        model.explain(make_table(5, n_classes=5).assign(E=np.nan))


def test_aliased_columns_get_no_say_in_the_regression(model, without_truth):
    fresh = without_truth[0]
    noisy = fresh.assign(S_rel=fresh["S_rel"] * (1 + 1e-5))
    before, after = (model.score(t)["iou_adj_linear"] for t in (fresh, noisy))
    assert np.abs(before - after).max() < 1e-3


def test_the_model_comes_back_from_disk_to_the_last_bit(model, without_truth, tmp_path):
    loaded = load_model(save_model(model, tmp_path / "model.json"))
    pd.testing.assert_frame_equal(
        model.score(without_truth[0]), loaded.score(without_truth[0]), check_exact=True
    )
    assert loaded.provenance == model.provenance


def test_judging_is_measuring_and_scoring(model):
    probs, _ = make_scene(n_classes=5)
    judged = judge_image(model, probs).table
    assert model.metrics == "paper"
    measured = segment_metrics(probs, metrics="paper")
    pd.testing.assert_frame_equal(judged[list(measured)], measured)
    scores = model.score(measured)
    pd.testing.assert_frame_equal(judged[list(scores)], scores)
    assert judged["iou_adj_predicted"].between(0, 1).all()


def test_bands_of_a_network_in_tiles_are_judged_like_the_whole(model):
    probs, _ = make_scene(n_classes=5)
    bands = Bands(probs.shape, iter(np.split(probs, [7, 20])))
    whole = judge_image(model, probs)
    found = judge_image(model, bands)
    pd.testing.assert_frame_equal(found.table, whole.table, rtol=1e-6)
    np.testing.assert_array_equal(found.entropy, whole.entropy)


def test_the_convention_of_the_run_is_that_of_the_judgement(table):
    settings = {"convention": "paper", "connectivity": 4}
    model = fit_meta_model(table, protocol=FAST, manifest=Manifest(settings))
    probs, _ = make_scene(n_classes=5)
    options = {"convention": "paper", "connectivity": 4, "metrics": model.metrics}
    measured = segment_metrics(probs, **options)
    pd.testing.assert_frame_equal(judge_image(model, probs).table[list(measured)], measured)
    model.check_settings(settings | {"source": "other"})
    with pytest.raises(SettingsMismatchError, match="convention 'paper' in the model, 'reference'"):
        model.check_settings({"convention": "reference"})


def test_an_image_without_segments_gives_an_empty_table(model):
    assert list(model.score(make_table(0, n_classes=5))) == [
        "iou_adj_predicted",
        "iou_adj_linear",
        "false_positive_probability",
        "iou_adj_low",
        "iou_adj_high",
    ]


def test_another_number_of_classes_is_refused(model):
    with pytest.raises(SettingsMismatchError, match=r"expected 5 classes.*got 3"):
        judge_image(model, make_scene(n_classes=3)[0])


@pytest.mark.parametrize("spoil", [lambda t: t.drop(columns="D_bd"), lambda t: t.assign(E=np.nan)])
def test_a_table_that_cannot_be_judged(model, table, spoil):
    with pytest.raises(InputError, match="segment table"):
        model.score(spoil(table))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda t: t.drop(columns=["iou", "iou_adj"]), "iou"),
        (lambda t: t.assign(image="one"), "at least 2 images"),
        (lambda t: t.assign(iou=0.0, iou_adj=0.0), "outcome"),
    ],
)
def test_a_table_that_cannot_carry_a_fit(table, spoil, words):
    with pytest.raises(InputError, match=words):
        fit_meta_model(spoil(table), protocol=FAST)


@pytest.fixture(scope="module")
def measured():
    """Segments of eight images by all groups of metrics."""
    tables = [segment_metrics(*make_scene(seed=i), metrics="all") for i in range(8)]
    names = [f"image{i}" for i in range(8)]
    return pd.concat([t.assign(image=n) for t, n in zip(tables, names, strict=True)])


def test_a_model_of_further_metrics_needs_measures_and_explains_them(measured):
    table = measured.reset_index(drop=True)
    model = fit_meta_model(table, meta="unpenalised", protocol=FAST)
    assert model.metrics == "paper,neighbours,geometry,spread"
    assert {"ndist4", "log_S_nb", "at_edge", "E_q90", "predicted4"} <= set(model.columns)
    explained, scores = model.explain(table), model.score(table)
    entries = list(explained["iou_adj_linear"])
    assert {"n_neighbours", "fill", "D_q10"} < set(entries)
    assert entries[-2:] == ["class", "neighbours"]
    sums = explained["iou_adj_linear"].sum(axis=1)
    np.testing.assert_allclose(sums, scores["iou_adj_linear"])
    judged = judge_image(model, make_scene(seed=9)[0]).table
    again = model.score(segment_metrics(make_scene(seed=9)[0], metrics="all"))
    pd.testing.assert_frame_equal(judged[list(again)], again)
    with pytest.raises(InputError, match=r"without geometry and neighbours; extract .*--metrics"):
        model.score(table.drop(columns=["ndist0", "fill"]))


def test_a_model_of_the_papers_metrics_judges_whatever_else_is_there(measured):
    paper = measured[[c.name for c in columns(5, metrics="paper")] + ["image"]]
    model = fit_meta_model(paper.reset_index(drop=True), protocol=FAST)
    assert model.metrics == "paper"
    pd.testing.assert_frame_equal(model.score(measured), model.score(paper))


def test_a_linear_model_has_further_metrics_if_they_prove_themselves():
    table = make_table(1500, n_classes=3, n_images=20)
    noise = {c.name: 0.5 for c in columns(3, metrics="geometry")[-6:]}
    useless = table.assign(**noise | {"at_edge": np.int8(0)})
    telling = useless.assign(fill=table["iou_adj"])
    plain, useful = (fit_meta_model(each, protocol=FAST) for each in (useless, telling))
    assert plain.metrics == "paper"
    assert not plain.provenance["further_metrics"]["kept"]
    assert useful.metrics == "paper,geometry"
    assert useful.provenance["further_metrics"]["r2"]["low"] > 0
    assert "further_metrics" not in fit_meta_model(table, protocol=FAST).provenance
