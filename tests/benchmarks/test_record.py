"""`make bench`: a loop that records waits for the slower of its network and measuring, and no more.

A network that leaves the processor alone, as one on a GPU does, is set against the slower of the
two. Measuring takes all cores; a network that takes some, too, is set against what the work of both
takes on all of them, if that is more.
"""

import time
from functools import partial

import numpy as np
import pytest
import tensorflow as tf
from test_extraction import seconds_of
from test_segment_metrics import make_street

import metaseg_tf
from metaseg_tf.runs.work import keep_freed_memory
from metaseg_tf.segments.dispersion import count_threads
from metaseg_tf.segments.table import measure_image

#: In each round the loop is timed over so many images, once as many as can wait are waiting.
ROUNDS, N_IMAGES, FIRST = 5, 10, 4
PROBS, GT = make_street()


@pytest.fixture(scope="module", autouse=True)
def as_the_command_line():
    keep_freed_memory()


def idle(seconds):
    time.sleep(seconds)


def compute_on_one_core(seconds):
    """Work of numpy that takes so long where nothing else runs."""
    block = np.linspace(0, 1, 1 << 16, dtype=np.float32)
    for _ in range(round(seconds / compute_on_one_core.step)):
        np.exp(np.sin(block))


def compute_on_all_cores(seconds):
    for _ in range(round(seconds / compute_on_all_cores.step)):
        compute_on_all_cores.op()


@pytest.fixture(scope="module")
def measuring():
    """Seconds that measuring takes alone, with all threads."""
    measure = partial(measure_image, PROBS, GT)
    measure()
    kernel, image = tf.ones((3, 3, 32, 32)), tf.ones((1, 256, 512, 32))
    compute_on_all_cores.op = lambda: tf.nn.conv2d(image, kernel, 1, "SAME").numpy()
    for network in (compute_on_one_core, compute_on_all_cores):
        network.step = 1.0
        network(20)
        network.step = seconds_of(partial(network, 100)) / 100
    return np.median([seconds_of(measure) for _ in range(ROUNDS)])


def seconds_of_loop(network, seconds, path):
    with metaseg_tf.record(path, keep_maps=0) as run:
        for i in range(FIRST + N_IMAGES):
            if i == FIRST:
                start = time.perf_counter()
            network(seconds)
            run.add(f"{i}", PROBS, GT)
        return time.perf_counter() - start


#: The network, its time as a multiple of that of measuring, and the share of the cores it takes.
ONE = 1 / count_threads()
CASES = {
    "a network that idles half as long as measuring takes": (idle, 0.5, 0),
    "a network that idles as long": (idle, 1, 0),
    "a network that idles twice as long": (idle, 2, 0),
    "a network on one core, as long": (compute_on_one_core, 1, ONE),
    "a network on one core, three times as long": (compute_on_one_core, 3, ONE),
    "a network on all cores, twice as long": (compute_on_all_cores, 2, 1),
}


@pytest.mark.parametrize(("network", "times", "share"), CASES.values(), ids=CASES)
def test_recording_costs_a_loop_next_to_nothing(
    note, request, tmp_path, measuring, network, times, share
):
    ratios = []
    for i in range(ROUNDS):
        alone = seconds_of(*[partial(network, times * measuring)] * N_IMAGES)
        measured = seconds_of(*[partial(measure_image, PROBS, GT)] * N_IMAGES)
        whole = seconds_of_loop(network, times * measuring, tmp_path / str(i))
        ratios.append(whole / max(alone, measured, share * alone + measured))
    case = request.node.callspec.id
    note(f"a loop that records, with {case} / what both take", np.median(ratios))
    # Where both compute at once, they share caches and memory, too.
    assert np.median(ratios) <= (1.25 if share else 1.1)
