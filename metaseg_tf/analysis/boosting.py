"""Gradient boosting: scikit-learn fits the trees; arrays keep, evaluate and explain them.

A tree's nodes are in breadth-first order: the children of its j-th inner node are its nodes 2j + 1
and 2j + 2, and nothing else says so. Decision record 0060 says why the model is what it is.
"""

import base64
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from metaseg_tf.analysis.base import Classifier, Estimator, Regressor, read_numbers
from metaseg_tf.analysis.protocol import Protocol
from metaseg_tf.errors import InputError

__all__ = ["BoostedClassifier", "BoostedRegressor", "Trees"]

#: Metrics of which more means less trust, whatever the others are.
_FALLING = ("D", "D_bd", "D_in")
#: Bounds of files: an explanation tabulates 2^depth cases for each leaf.
_MAX_DEPTH, _MAX_NODES = 6, 1 << 16
#: How the arrays of a file are stored.
_STORED = {"sizes": "<u4", "features": "<i2", "numbers": "<f8", "covers": "<u4"}
#: Elements that are computed at a time, which fit into the processor's cache.
_BLOCK = 1 << 17


@dataclass(frozen=True, eq=False)
class Trees:
    """A sum of trees; their nodes are in four arrays, one tree after the other."""

    base: float  #: Added to the leaves that a row comes to, one of each tree.
    sizes: np.ndarray  #: Nodes of each tree, int [trees].
    features: np.ndarray  #: Feature that an inner node asks for, -1 in a leaf, int [nodes].
    #: Threshold of an inner node, up to which rows go to the first child, or the value of a leaf.
    numbers: np.ndarray
    covers: np.ndarray  #: How many rows of the fit came to each node, int [nodes].

    def head(self, trees: int) -> "Trees":
        """The first trees alone."""
        arrays = (x[: self.sizes[:trees].sum()] for x in (self.features, self.numbers, self.covers))
        return Trees(self.base, self.sizes[:trees], *arrays)

    def sum(self, X: np.ndarray) -> np.ndarray:
        """Float64 [n] for features [n, p]."""
        X = np.ascontiguousarray(X, np.float64)
        first, child = self._links
        # A leaf leads to itself, since nothing is above its threshold.
        feature, threshold = self.features.clip(0), np.where(child == 0, np.inf, self.numbers)
        child = np.where(child == 0, np.arange(len(child)), child)
        total = np.empty(len(X))
        for rows in _blocks(len(X), len(first)):
            values, start = X[rows].ravel(), np.arange(len(X[rows]))[:, None] * X.shape[1]
            place = np.broadcast_to(first, (len(start), len(first)))
            for _ in range(self._height):
                above = values.take(feature.take(place) + start) > threshold.take(place)
                place = child.take(place) + above
            total[rows] = self.numbers.take(place).sum(axis=1) + self.base
        return total

    def explain(self, X: np.ndarray) -> tuple[float, np.ndarray]:
        """The mean over the rows of the fit, and the Shapley value of each feature [n, p].

        As in path-dependent TreeSHAP (Lundberg et al., 2020), a node that asks for an unknown
        feature sends a row to both children, by their shares of the fit's rows.
        """
        X = np.asarray(X, np.float64)
        (feature, low, high, added, base), (n, p) = self._leaves, X.shape
        belongs, found = feature.ravel(), np.empty((n, p))
        for rows in _blocks(n, feature.size):
            values = X[rows][:, feature]
            holds = (values > low) & (values <= high)
            case = np.packbits(holds, axis=2, bitorder="little")[:, :, 0]
            adds = added[np.arange(case.shape[1]), case].reshape(len(case), -1)
            found[rows] = [np.bincount(belongs, row, p) for row in adds]
        return self.base + base, found

    @cached_property
    def _links(self) -> tuple[np.ndarray, np.ndarray]:
        """The first node of each tree, and of each node the first child, or 0 in a leaf."""
        first = np.cumsum(self.sizes) - self.sizes
        inner, start = self.features >= 0, np.repeat(first, self.sizes)
        # Inner nodes before a node, of all trees and of its own.
        before = np.cumsum(inner) - inner
        before -= before[start]
        return first, np.where(inner, start + 2 * before + 1, 0)

    @cached_property
    def _parents(self) -> np.ndarray:
        """The parent of each node, or -1 of a tree's first."""
        _, child = self._links
        parent, inner = np.full(len(child), -1), np.flatnonzero(child)
        parent[child[inner]] = parent[child[inner] + 1] = inner
        return parent

    @cached_property
    def _height(self) -> int:
        """Most conditions on the way to a leaf; if beyond the bound, any number beyond it."""
        at, height = np.arange(len(self._parents)), -1
        while len(at) and height <= _MAX_DEPTH:
            at, height = self._parents[at], height + 1
            at = at[at >= 0]
        return height

    @cached_property
    def _leaves(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
        """The way to each of l leaves, ``low < x[feature] <= high`` for up to d features [l, d].

        With what each of these adds for each set of conditions that hold, [l, 2^d, d], and the mean
        over the rows of the fit. Feature 0 without bounds fills up the ways.
        """
        _, child = self._links
        leaves = np.flatnonzero(child == 0)
        shape = len(leaves), max(self._height, 1)
        feature, share = np.full(shape, -1), np.ones(shape)
        low, high = np.full(shape, -np.inf), np.full(shape, np.inf)
        # Upwards from all leaves at once: a condition on a feature that has one joins it.
        way, at = np.arange(len(leaves)), leaves
        for step in range(self._height):
            above = self._parents[at]
            way, at, above = way[above >= 0], at[above >= 0], above[above >= 0]
            asked, threshold = self.features[above], self.numbers[above]
            known = feature[way] == asked[:, None]
            slot = np.where(known.any(axis=1), known.argmax(axis=1), step)
            feature[way, slot] = asked
            share[way, slot] *= self.covers[at] / self.covers[above]
            upper = at != child[above]
            low[way, slot] = np.maximum(low[way, slot], np.where(upper, threshold, -np.inf))
            high[way, slot] = np.minimum(high[way, slot], np.where(upper, np.inf, threshold))
            at = above
        # The Shapley value of a condition is the integral over t from 0 to 1 of its own change
        # times what the others are worth at t, a polynomial: Gauss's sum over few t is exact.
        d = shape[1]
        cases = np.unpackbits(np.arange(1 << d, dtype=np.uint8)[:, None], axis=1, bitorder="little")
        change = cases[:, :d] - share[:, None]
        added = np.zeros(change.shape)
        for t, weight in zip(*np.polynomial.legendre.leggauss((d + 1) // 2), strict=True):
            at_t = share[:, None] + (t + 1) / 2 * change
            added += weight / 2 * at_t.prod(axis=2, keepdims=True) / at_t
        values = self.numbers[leaves]
        added *= change * values[:, None, None]
        return feature.clip(0), low, high, added, float(values @ share.prod(axis=1))

    def to_json(self) -> dict[str, Any]:
        """The base, and each array as base64 of its bytes."""
        stored = {name: getattr(self, name).astype(kind) for name, kind in _STORED.items()}
        packed = {name: base64.b64encode(x.tobytes()).decode() for name, x in stored.items()}
        return {"base": self.base} | packed

    @classmethod
    def from_json(cls, content: dict[str, Any], n_features: int) -> "Trees":
        """What `to_json` gave; errors as `Estimator.from_json`."""
        arrays = {}
        for name, kind in _STORED.items():
            if len(content[name]) > 12 * _MAX_NODES:
                raise ValueError(f"more than {_MAX_NODES} nodes of trees")
            array = np.frombuffer(base64.b64decode(content[name], validate=True), kind)
            arrays[name] = array.astype(np.result_type(kind, np.int64))
        (base,) = read_numbers([content["base"]], 1).tolist()
        read = cls(base, **arrays)
        sizes, features, covers, n = read.sizes, read.features, read.covers, len(read.features)
        read_numbers(read.numbers.tolist(), n)
        if not 0 < n <= _MAX_NODES or len(covers) != n or sizes.sum() != n or sizes.min() < 1:
            raise ValueError(f"expected 1 to {_MAX_NODES} nodes, in trees of one and more")
        if features.min() < -1 or features.max() >= n_features:
            raise ValueError(f"expected features from 0 to {n_features - 1}, and -1 in leaves")
        first, child = read._links
        inner = np.flatnonzero(features >= 0)
        # Each tree is as large as its inner nodes say, and children come after their parents.
        whole = 2 * np.add.reduceat(features >= 0, first, dtype=int) + 1 == sizes
        if not whole.all() or (child[inner] <= inner).any() or read._height > _MAX_DEPTH:
            raise ValueError(f"expected trees of at most {_MAX_DEPTH} levels below the first node")
        below = covers[child[inner]] + covers[child[inner] + 1]
        if covers.min() < 1 or (covers[inner] != below).any():
            raise ValueError("expected rows in each leaf, and those of its children in each node")
        return read


class _Boosted(Estimator):
    """Boosted trees ``trees_``: their number, and most conditions on the way to a leaf, 1 to 6.

    Larger values of the features ``falling`` may only lower a prediction.
    """

    #: Options of scikit-learn's fit that are not chosen from.
    fixed: ClassVar[dict[str, Any]] = {
        "learning_rate": 0.06, "max_leaf_nodes": 16, "max_features": 0.3, "max_bins": 63,
        "l2_regularization": 1.0, "early_stopping": False, "random_state": 0,
    }  # fmt: skip

    def __init__(self, trees: int = 200, depth: int = 4, falling: Sequence[int] = ()):
        self.trees, self.depth, self.falling = trees, depth, falling

    @classmethod
    def settings(cls, protocol: Protocol, columns: Sequence[str]) -> Sequence[dict[str, Any]]:
        falling = [j for j, name in enumerate(columns) if name in _FALLING]
        sizes = itertools.product((3, 5), (50, 100, 200, 300))
        return [{"trees": trees, "depth": depth, "falling": falling} for depth, trees in sizes]

    @classmethod
    def fit_each(
        cls, settings: Sequence[dict[str, Any]], X: np.ndarray, y: np.ndarray
    ) -> Sequence["_Boosted"]:
        models, longest = [cls(**setting) for setting in settings], {}
        for model in sorted(models, key=lambda model: -model.trees):
            shape = model.depth, tuple(model.falling)
            source = longest.get(shape) or longest.setdefault(shape, model.fit(X, y))
            # The first trees of a longer fit are those of a shorter one.
            head = source.trees_.head(model.trees)
            vars(model).update({**vars(source), "trees": model.trees, "trees_": head})
        return models

    def fit(self, X: np.ndarray, y: np.ndarray) -> "_Boosted":
        X = np.asarray(X, np.float64)
        constraints = np.zeros(X.shape[1], int)
        constraints[list(self.falling)] = -1
        options = {"max_iter": self.trees, "max_depth": self.depth, "monotonic_cst": constraints}
        # On these sizes more threads wait for each other more than they gain.
        with threadpool_limits(1, "openmp"):
            fitted = self._booster(**options, **self.fixed).fit(X, self._target(y))
        trees = [_in_breadth(tree.nodes) for (tree,) in fitted._predictors]
        nodes = np.concatenate(trees)
        leaf = nodes["is_leaf"] > 0
        self.trees_ = Trees(
            float(fitted._baseline_prediction.item()),
            np.array([len(tree) for tree in trees]),
            np.where(leaf, -1, nodes["feature_idx"].astype(int)),
            np.where(leaf, nodes["value"], nodes["num_threshold"]),
            nodes["count"].astype(int),
        )
        return self

    def _target(self, y):
        return y

    def _evaluate(self, X: np.ndarray) -> np.ndarray:
        """Float64 [n] for features [n, p]."""
        return self.trees_.sum(X)

    def explain(self, X: np.ndarray) -> tuple[float, np.ndarray]:
        """See `Trees.explain`."""
        return self.trees_.explain(X)

    def to_json(self) -> dict[str, Any]:
        return self.trees_.to_json()

    @classmethod
    def from_json(cls, content: dict[str, Any], n_features: int) -> "_Boosted":
        fitted = cls()
        fitted.trees_ = Trees.from_json(content, n_features)
        return fitted


class BoostedRegressor(Regressor, _Boosted):
    """Boosted trees for squared errors."""

    _booster = HistGradientBoostingRegressor
    predict = _Boosted._evaluate


class BoostedClassifier(Classifier, _Boosted):
    """Boosted trees for the log loss."""

    _booster = HistGradientBoostingClassifier
    decision_function = _Boosted._evaluate

    def _target(self, y):
        y = self.outcome(y)
        if y.all() or not y.any():
            raise InputError(
                "boosting: expected both outcomes (IoU_adj = 0 and > 0), got one; extract more "
                "images"
            )
        return y


def _in_breadth(nodes: np.ndarray) -> np.ndarray:
    """The nodes of a tree of scikit-learn's in breadth-first order."""
    order, level = [], np.zeros(1, int)
    while len(level):
        order.append(level)
        inner = nodes[level][nodes["is_leaf"][level] == 0]
        level = np.stack([inner["left"], inner["right"]], axis=1).ravel().astype(int)
    return nodes[np.concatenate(order)]


def _blocks(n: int, width: int) -> Iterator[slice]:
    """Slices of ``n`` rows, of about `_BLOCK` elements of ``width`` for each row."""
    step = max(_BLOCK // width, 1)
    return (slice(start, start + step) for start in range(0, n, step))
