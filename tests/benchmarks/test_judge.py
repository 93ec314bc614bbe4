"""`make bench`: what judging costs beyond measuring, as a ratio within one run."""

import time
from functools import partial

import numpy as np
from scenes import make_blobs, make_probs
from tables import make_table

from metaseg_tf import fit_meta_model, judge_image, segment_metrics
from metaseg_tf.analysis.protocol import Protocol

FAST = Protocol(n_splits=2, C=(0.1, 1.0))
ROUNDS = 15


def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def test_judging_against_measuring(benchmark):
    model = fit_meta_model(make_table(2000), protocol=FAST)
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
    print(f"\njudge costs {ratio:.2f} times segment_metrics without ground truth")
    assert ratio < 1.15
