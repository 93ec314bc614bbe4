"""`make bench`: what judging costs beyond measuring, as a ratio within one run."""

import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scenes import make_blobs, make_probs
from tables import make_table

import metaseg_tf
from metaseg_tf import fit_meta_model, judge_image
from metaseg_tf.analysis.boosting import BoostedClassifier, BoostedRegressor
from metaseg_tf.analysis.design import build_design
from metaseg_tf.analysis.protocol import Protocol
from metaseg_tf.segments.columns import PAPER_GROUPS

FAST = Protocol(n_splits=2, C=(0.1, 1.0))
ROUNDS = 15


def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def with_trees(model, table):
    """The model with as many trees as are ever chosen, as deep as they are."""
    design = build_design(table, groups=(*PAPER_GROUPS, "prediction"), least_scale=0.1)
    assert design.columns == model.columns
    classifier = BoostedClassifier(300, 5).fit(design.X, design.y)
    regressor = BoostedRegressor(300, 5).fit(design.X, design.iou_adj)
    fit = replace(model.interior, classifier=classifier, regressor=regressor)
    return replace(model, interior=fit, no_interior=fit)


@pytest.mark.parametrize(("meta", "most"), [("linear", 1.15), ("boosting", 1.2)])
def test_judging_against_measuring(benchmark, meta, most):
    table = make_table(2000)
    model = fit_meta_model(table, protocol=FAST)
    if meta == "boosting":
        model = with_trees(model, table)
    segment_metrics = partial(metaseg_tf.segment_metrics, metrics=model.metrics)
    pred = make_blobs(1024, 2048, 19, 0, cell=64)
    probs = make_probs(pred, 19, np.random.default_rng(0))
    for function in (segment_metrics, partial(judge_image, model)):
        function(probs)
    # In turns, so that whatever else the machine does hits both alike.
    pairs = [
        (seconds(lambda: judge_image(model, probs)), seconds(lambda: segment_metrics(probs)))
        for _ in range(ROUNDS)
    ]
    benchmark.pedantic(judge_image, (model, probs), rounds=1)
    ratio = np.median([judging / measuring for judging, measuring in pairs])
    print(f"\njudge ({meta}) costs {ratio:.2f} times segment_metrics without ground truth")
    assert ratio < most
