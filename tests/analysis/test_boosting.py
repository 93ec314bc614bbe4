import base64
import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.model_selection import cross_val_score
from tables import make_table
from threadpoolctl import threadpool_info

from metaseg_tf.analysis.base import Classifier
from metaseg_tf.analysis.boosting import BoostedClassifier, BoostedRegressor
from metaseg_tf.analysis.design import build_design
from metaseg_tf.analysis.protocol import PAPER_PROTOCOL, map_splits
from metaseg_tf.errors import InputError

PAIRS = [
    (BoostedClassifier, HistGradientBoostingClassifier),
    (BoostedRegressor, HistGradientBoostingRegressor),
]


@pytest.fixture(scope="module")
def design():
    return build_design(make_table(700, n_classes=3))


def target(design, kind):
    return design.y if issubclass(kind, Classifier) else design.iou_adj


def verdicts(estimator, X):
    return getattr(estimator, "decision_function", estimator.predict)(X)


def nodes(estimator):
    """Each tree as a list of (feature, number, first child, cover); a leaf's feature is -1."""
    fitted, trees, start = estimator.trees_, [], 0
    for size in fitted.sizes:
        rows, inner, tree = range(start, start + size), 0, []
        for i in rows:
            feature = fitted.features[i]
            tree.append((feature, fitted.numbers[i], 2 * inner + 1, fitted.covers[i]))
            inner += feature >= 0
        trees.append(tree)
        start += size
    return trees


def expected_value(tree, x, known, at=0):
    """Of a tree's value, where only the features ``known`` of x are."""
    feature, number, child, cover = tree[at]
    if feature < 0:
        return number
    if feature in known:
        return expected_value(tree, x, known, child + (x[feature] > number))
    return sum(expected_value(tree, x, known, i) * tree[i][3] / cover for i in (child, child + 1))


def shapley_values(trees, x):
    """From all subsets of features."""
    p, found = len(x), np.zeros(len(x))
    for tree, j in itertools.product(trees, range(p)):
        others = [i for i in range(p) if i != j]
        for k in range(p):
            weight = math.factorial(k) * math.factorial(p - k - 1) / math.factorial(p)
            for known in itertools.combinations(others, k):
                gain = expected_value(tree, x, {*known, j}) - expected_value(tree, x, {*known})
                found[j] += weight * gain
    return found


@pytest.mark.parametrize(("kind", "original"), PAIRS)
@pytest.mark.parametrize("depth", [1, 4, 6])
def test_verdicts_are_those_of_scikit_learn(design, kind, original, depth):
    X, y, settings = (
        design.X,
        target(design, kind),
        kind.settings(PAPER_PROTOCOL, design.columns)[0],
    )
    falling = settings["falling"]
    assert [design.columns[j] for j in falling] == ["D", "D_bd", "D_in"]
    ours = kind(trees=30, depth=depth, falling=falling).fit(design.X, y)
    constraints = -np.isin(np.arange(design.X.shape[1]), falling).astype(int)
    options = {"max_iter": 30, "max_depth": depth, "monotonic_cst": constraints, **ours.fixed}
    theirs = original(**options).fit(design.X, y)
    at_a_threshold = np.full((1, X.shape[1]), ours.trees_.numbers[0])
    X = np.concatenate([X, 3 * X, at_a_threshold])
    np.testing.assert_allclose(verdicts(ours, X), verdicts(theirs, X), rtol=0, atol=1e-12)
    again = kind.from_json(json.loads(json.dumps(ours.to_json())), X.shape[1])
    assert (verdicts(again, X) == verdicts(ours, X)).all()
    assert (again.explain(X)[1] == ours.explain(X)[1]).all()


@pytest.mark.parametrize("kind", [BoostedClassifier, BoostedRegressor])
def test_more_dispersion_never_means_more_trust(design, kind):
    falling = [design.columns.index(name) for name in ("D", "D_in", "D_bd")]
    free, bound = (
        kind(40, falling=chosen).fit(design.X, target(design, kind)) for chosen in ((), falling)
    )
    more = design.X.copy()
    more[:, falling] += np.random.default_rng(0).exponential(size=(len(more), 3))
    assert (verdicts(bound, more) <= verdicts(bound, design.X)).all()
    assert (verdicts(free, more) > verdicts(free, design.X)).any()


@pytest.mark.parametrize("kind", [BoostedClassifier, BoostedRegressor])
def test_shorter_fits_are_the_beginnings_of_longer_ones(design, kind):
    y = target(design, kind)
    chosen = [{"trees": trees, "depth": depth} for depth in (2, 3) for trees in (5, 20)]
    for setting, model in zip(chosen, kind.fit_each(chosen, design.X, y), strict=True):
        assert model.get_params() == {**setting, "falling": ()}
        alone = kind(**setting).fit(design.X, y)
        assert (verdicts(model, design.X) == verdicts(alone, design.X)).all()
        assert json.dumps(model.to_json()) == json.dumps(alone.to_json())


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), depth=st.integers(1, 6), p=st.integers(1, 5))
def test_explanations_are_shapley_values(seed, depth, p):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(90, p)).round(1)
    y = np.sin(3 * X).sum(axis=1) + X[:, 0] * X[:, -1] + rng.normal(size=90) / 10
    fitted = BoostedRegressor(trees=3, depth=depth).fit(X, y)
    base, added = fitted.explain(X)
    assert base == pytest.approx(fitted.predict(X).mean(), abs=1e-12)
    np.testing.assert_allclose(base + added.sum(axis=1), fitted.predict(X), rtol=0, atol=1e-12)
    for i in rng.choice(90, 2):
        np.testing.assert_allclose(added[i], shapley_values(nodes(fitted), X[i]), atol=1e-12)


def test_many_rows_are_judged_and_explained_as_few_are(design):
    fitted = BoostedRegressor(30).fit(design.X, design.iou_adj)
    many = np.tile(design.X, (7, 1))
    n = len(design)
    assert (fitted.predict(many) == np.tile(fitted.predict(design.X), 7)).all()
    added = fitted.explain(many)[1]
    assert (added[-n:] == added[:n]).all()
    assert fitted.predict(design.X[:0]).shape == (0,)
    assert fitted.explain(design.X[:0])[1].shape == (0, design.X.shape[1])


def test_rows_too_few_for_a_condition_give_their_mean(design):
    fitted = BoostedRegressor(10).fit(design.X[:10], design.iou_adj[:10])
    base, added = fitted.explain(design.X)
    assert base == pytest.approx(design.iou_adj[:10].mean())
    assert (added == 0).all()


def test_it_works_in_cross_validation(design):
    assert cross_val_score(BoostedClassifier(10), design.X, design.y, scoring="roc_auc").min() > 0.7


def test_one_outcome_is_refused(design):
    with pytest.raises(InputError, match="got one; extract more images"):
        BoostedClassifier().fit(design.X, np.ones(len(design), bool))


def test_folds_in_parallel_take_a_thread_each():
    def threads(_):
        return [x["num_threads"] for x in threadpool_info() if x["user_api"] == "openmp"]

    for found in map_splits(threads, range(4)):
        assert found
        assert set(found) == {1}


def encode(values, kind):
    return base64.b64encode(np.asarray(values, kind).tobytes()).decode()


def stored(sizes=(5,), features=(0, -1, 1, -1, -1), numbers=None, covers=(9, 4, 5, 3, 2), base=0.0):
    """What a file holds: by default one tree, whose second leaf is an inner node's."""
    return {
        "base": base,
        "sizes": encode(sizes, "<u4"),
        "features": encode(features, "<i2"),
        "numbers": encode(np.arange(len(features)) if numbers is None else numbers, "<f8"),
        "covers": encode(covers, "<u4"),
    }


def test_a_tree_by_hand():
    fitted = BoostedRegressor.from_json(stored(), 2)
    X = np.array([[0.0, 9.0], [0.1, 2.0], [0.1, 2.1]])
    assert fitted.predict(X).tolist() == [1, 3, 4]
    base, added = fitted.explain(X)
    assert base == pytest.approx((4 * 1 + 3 * 3 + 2 * 4) / 9)
    np.testing.assert_allclose(added[0], shapley_values(nodes(fitted), X[0]))


HOSTILE = {
    "a cycle": {"features": (-1, 0, 1, -1, -1)},
    "a tree that is not whole": {"sizes": (3, 2)},
    "a child beyond its tree": {"features": (0, 0, 0, -1, -1)},
    "a node without a parent": {"features": (0, -1, -1, -1, -1)},
    "no tree": {"sizes": (), "features": (), "covers": ()},
    "an empty tree": {"sizes": (5, 0)},
    "sizes that overflow": {"sizes": (5, 2**32 - 1)},
    "a feature out of bounds": {"features": (0, -1, 2, -1, -1)},
    "a feature below them": {"features": (0, -1, -2, -1, -1)},
    "NaN": {"numbers": (math.nan, 0, 0, 0, 0)},
    "infinity": {"numbers": (0, 0, 0, 0, math.inf)},
    "a huge value": {"numbers": (0, 0, 0, 0, 1e101)},
    "an infinite base": {"base": math.inf},
    "too few numbers": {"numbers": (0, 0, 0)},
    "too few covers": {"covers": (9, 4, 5)},
    "an empty leaf": {"covers": (9, 9, 0, 0, 0)},
    "covers that do not add up": {"covers": (9, 5, 5, 3, 2)},
    "a deep tree": {
        "sizes": (15,),
        "features": (*(0, -1) * 7, -1),
        "covers": (8, 1, 7, 1, 6, 1, 5, 1, 4, 1, 3, 1, 2, 1, 1),
    },
    "a million trees": {
        "sizes": np.ones(10**6),
        "features": -np.ones(10**6),
        "covers": np.ones(10**6),
    },
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_hostile_trees_are_refused(change):
    with pytest.raises((ValueError, TypeError)):
        BoostedRegressor.from_json(stored(**change), 2)


@pytest.mark.parametrize("value", [None, 3, [1, 2], "???", "AAA", "é", {}])
@pytest.mark.parametrize("name", ["base", "sizes", "features", "numbers", "covers"])
def test_other_json_is_refused(name, value):
    if (name, value) == ("base", 3):
        return
    with pytest.raises((ValueError, TypeError)):
        BoostedRegressor.from_json({**stored(), name: value}, 2)
