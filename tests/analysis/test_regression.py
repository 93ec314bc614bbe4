"""Regressions of the protocol: swapped halves, rare classes, and what is refused."""

import numpy as np
import pytest
from protocol_twin import fit_linear_slowly
from sklearn.metrics import r2_score
from statsmodels.regression.linear_model import OLS
from tables import make_table

from metaseg_tf.analysis.design import build_design
from metaseg_tf.analysis.protocol import Protocol
from metaseg_tf.analysis.regression import fit_regressions
from metaseg_tf.errors import InputError


@pytest.fixture(scope="module")
def rare():
    """Two classes hardly seen, if it were not for one image each."""
    table = make_table(900, n_classes=5, n_images=8)
    others = [f"cprob{j}" for j in range(3)]
    for k, image in ((3, "town_000002"), (4, "town_000005")):
        seen = np.flatnonzero((table["image"] == image) & (table["S_in"] > 0))[:1]
        faint = 1e-9 * table[f"cprob{k}"].to_numpy()
        table[f"cprob{k}"] = np.where(table.index.isin(seen), 0.9, faint)
    total = table[others].sum(axis=1)
    table[others] = table[others].mul((1 - table["cprob3"] - table["cprob4"]) / total, axis=0)
    return table


@pytest.mark.parametrize(
    "options", [{}, {"splits": "image"}, {"splits": "image", "fit_on": "train"}]
)
@pytest.mark.parametrize("target", ["iou_adj", "iou"])
def test_a_class_seen_once_does_not_explode(rare, options, target):
    found = fit_regressions(build_design(rare), Protocol(**options))[target]
    wanted = "model == 'all' and score == 'r2' and part == 'validation'"
    scores, clipped = (frame.query(wanted)["value"] for frame in (found.scores, found.clipped))
    assert clipped.mean() > 0.3
    assert scores.mean() == pytest.approx(clipped.mean(), abs=0.1)
    assert not found.extrapolating


def test_the_column_that_extrapolates_is_named(rare):
    """Varies little, but more than by rounding, in all images but one."""
    rng = np.random.default_rng(0)
    small = 1e-4 * rng.random(len(rare))
    far = (rare["image"] == "town_000002") & (rng.random(len(rare)) < 0.5)
    design = build_design(rare.assign(D_bd=np.where(far, 0.9, small)))
    found = fit_regressions(design, Protocol(splits="image"))["iou_adj"]
    assert found.extrapolating == {"all": ("D_bd",)}
    assert found.scores.query("score == 'r2' and model == 'all'")["value"].min() < -1


def test_halves_are_swapped(design):
    protocol = Protocol(n_splits=1)
    scores = fit_regressions(design, protocol)["iou_adj"].scores
    train = protocol.draw_splits(design)[0]
    predict = fit_linear_slowly(design.X[train], design.iou_adj[train])
    for part, half in (("train", train), ("validation", ~train)):
        row = scores.query(f"model == 'all' and score == 'r2' and part == '{part}'")
        expected = r2_score(design.iou_adj[half], predict(design.X[half]))
        assert row["value"].item() == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("noise", ["float64", "float32", "float16"])
def test_figure_3_is_fitted_by_statsmodels_on_the_same_rows(table, noise, monkeypatch):
    fitted = []
    fit = OLS.fit
    monkeypatch.setattr(OLS, "fit", lambda model: fitted.append(model) or fit(model))
    names = [name for name in table if name.startswith("cprob")]
    design = build_design(table.assign(**table[names].astype(noise).astype("float64")))
    found = fit_regressions(design)["iou_adj"]
    predicted = found.predicted
    train = Protocol().draw_splits(design)[0]
    np.testing.assert_array_equal(fitted[0].endog, design.iou_adj[train])
    expected = design.X @ found.coef[0] + found.intercept[0]
    np.testing.assert_allclose(predicted, expected, atol=1e-9)


def test_a_constant_target_is_told(table):
    design = build_design(table.assign(iou=0.5))
    with pytest.raises(InputError, match="target that varies"):
        fit_regressions(design)
