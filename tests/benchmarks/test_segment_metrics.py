"""`make bench`: what segment_metrics costs, as a ratio to a floor measured in the same run.

The floor is what nobody can do without: the logarithm of every probability into a ready buffer,
and numbering the components of the predicted and the true labels.
"""

import time
import tracemalloc
from functools import cache, partial
from importlib.util import find_spec

import numpy as np
import pytest
from scenes import make_blobs
from scipy.ndimage import gaussian_filter
from skimage.measure import label, regionprops_table

from metaseg_tf import segment_metrics
from metaseg_tf.segments.columns import DEFAULT_METRICS
from metaseg_tf.segments.components import find_interior, label_components
from metaseg_tf.segments.dispersion import compute_heat_maps, count_threads
from metaseg_tf.segments.iou import compute_iou
from metaseg_tf.segments.table import _ClassSums, _measure, _SpanSums, measure_image

ROUNDS = 9


@pytest.fixture(scope="module")
def scene():
    return make_street()


@cache
def make_street():
    """A softmax float32 [1024, 2048, 19] with ground truth; like a street, it has some 200 segments
    with interior, of which a third are false positives."""
    rng = np.random.default_rng(0)
    gt = make_blobs(1024, 2048, 19, 0, cell=128)
    scores = np.stack([gaussian_filter((gt == j) * 9.0, 6) for j in range(19)], -1)
    noise = rng.normal(size=(64, 128, 19)).repeat(16, 0).repeat(16, 1)
    scores = (scores + gaussian_filter(noise, (12, 12, 0)) * 4).astype(np.float32)
    probs = np.exp(scores - scores.max(-1, keepdims=True))
    probs /= probs.sum(-1, keepdims=True)
    gt[make_blobs(1024, 2048, 12, 1, cell=64) == 0] = 255
    return probs, gt


def best(function):
    """Least seconds of several calls, after one to warm up."""
    function()
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def in_turns(functions, rounds=2 * ROUNDS):
    """Seconds [rounds] of each function, so that whatever else the machine does hits all alike."""
    seconds = {name: [] for name in functions}
    for function in functions.values():
        function()
    for _ in range(rounds):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - start)
    return {name: np.array(times) for name, times in seconds.items()}


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_segment_metrics_against_its_floor(scene, benchmark, note):
    probs, gt = scene
    buffer = np.empty_like(probs)
    pred = probs.argmax(-1).astype(np.uint8)
    table = benchmark(lambda: segment_metrics(probs, gt))
    seconds = in_turns(
        {
            "segment_metrics": lambda: segment_metrics(probs, gt),
            "floor: log": lambda: np.log(probs, out=buffer),
            "floor: labels": lambda: [label(m, background=255, connectivity=2) for m in (pred, gt)],
        }
    )
    floor = seconds["floor: log"] + seconds["floor: labels"]
    ratio = np.median(seconds["segment_metrics"] / floor)

    heat = compute_heat_maps(probs)
    heat = heat._replace(pred=np.where(gt == 255, gt, heat.pred))
    segments = label_components(heat.pred)
    maps, classes = {"E": heat.entropy, "D": heat.difference}, _ClassSums(probs.shape, gt, None)

    def measure():
        compute_heat_maps(probs, each=classes.add)
        return _measure(heat.pred, segments, _SpanSums(maps, heat.pred, "reference", classes))

    stages = {
        "heat maps": lambda: compute_heat_maps(probs),
        "heat maps and class sums": lambda: compute_heat_maps(probs, each=classes.add),
        "components": lambda: label_components(heat.pred, threads=count_threads()),
        "interior": lambda: find_interior(heat.pred),
        "span sums": lambda: _SpanSums(maps, heat.pred, "reference", classes),
        "heat maps to metrics": measure,
        "iou": lambda: compute_iou(heat.pred, segments, gt),
    }
    print(f"\nsegment_metrics, 1024x2048x19, {len(table)} segments", end="")
    for name, stage in stages.items():
        note(f"{name}, seconds", best(stage))
    for name, times in seconds.items():
        note(f"{name}, seconds", times.min())
    note("segment_metrics / floor", ratio)
    assert ratio <= 1.1


def test_segment_metrics_against_what_others_take(scene, note):
    """For part of the numbers: means over each segment; one score of an image's labels."""
    probs, gt = scene
    heat = compute_heat_maps(probs)
    segments = label_components(heat.pred)
    others = {
        "scikit-image's regionprops_table": lambda: regionprops_table(
            segments, probs, ("label", "area", "bbox", "intensity_mean")
        )
    }
    if find_spec("cleanlab"):
        from cleanlab.segmentation.rank import get_label_quality_scores

        given, planes = np.where(gt == 255, 0, gt)[None], np.moveaxis(probs, -1, 0)[None]
        others["cleanlab's scores"] = lambda: get_label_quality_scores(
            given, planes, verbose=False, method="softmin"
        )
    for name, function in others.items():
        seconds = in_turns({"ours": lambda: segment_metrics(probs, gt), "theirs": function}, 3)
        note(f"segment_metrics / {name}", np.median(seconds["ours"] / seconds["theirs"]))


def test_memory_beside_the_softmax(scene, note):
    probs, gt = scene
    segment_metrics(probs, gt)
    tracemalloc.start()
    segment_metrics(probs, gt)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    note("peak memory beside the softmax / its size", peak / probs.nbytes)
    assert peak <= 0.5 * probs.nbytes


def test_further_metrics_against_the_papers(scene, note):
    probs, _ = scene
    choices = "paper", DEFAULT_METRICS, "all"
    seconds = in_turns({m: partial(segment_metrics, probs, metrics=m) for m in choices})
    ratios = {m: np.median(seconds[m] / seconds["paper"]) for m in choices}
    note("default metrics / the paper's", ratios[DEFAULT_METRICS])
    note("all metrics / the paper's", ratios["all"])
    peaks = []
    for metrics in ("paper", "all"):
        tracemalloc.start()
        segment_metrics(probs, metrics=metrics)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    note("peak memory of all metrics / of the paper's", peaks[1] / peaks[0])
    assert ratios["all"] <= 1.25
    assert peaks[1] <= 1.25 * peaks[0]


def test_the_truth_s_components_against_segment_metrics(scene, note):
    """Processor time, in pairs: whatever else the machine does hits both alike."""
    probs, gt = scene
    measure_image(probs, gt, truth=True)
    ratios = []
    for i in range(3 * ROUNDS):
        seconds = {}
        # Neither is always the first.
        for truth in (i % 2 == 0, i % 2 == 1):
            start = time.process_time()
            measure_image(probs, gt, truth=truth)
            seconds[truth] = time.process_time() - start
        ratios.append(seconds[True] / seconds[False])
    note("segment_metrics with the truth's components / without", np.median(ratios))
    assert np.median(ratios) <= 1.1
