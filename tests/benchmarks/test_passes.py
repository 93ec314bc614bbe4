"""`make bench`: what passes over an image cost, as ratios within one run."""

import contextlib
import resource
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from deeplab_samples import random_weights

from metaseg_tf.networks.deeplab import layers
from metaseg_tf.networks.deeplab.backbones import MOBILENETV2, XCEPTION65
from metaseg_tf.networks.deeplab.model import RebuiltNetwork
from metaseg_tf.networks.options import NetworkOptions

OPTIONS = NetworkOptions(output_stride=16, crop=(1025, 2049))
ROUNDS = 5
#: The largest of the paper's passes in a process of its own, which prints its peak in kB.
LARGEST_PASS = """
import re
import numpy as np
from metaseg_tf.networks.deeplab.backbones import XCEPTION65
from metaseg_tf.networks.deeplab.model import RebuiltNetwork, variable_shapes
from metaseg_tf.networks.options import NetworkOptions

shapes = variable_shapes(XCEPTION65)
weights = {name: np.full(shape, 1e-3, np.float32) for name, shape in shapes.items()}
network = RebuiltNetwork(weights, NetworkOptions(8, (1.25,), False, (1025, 2049)))
network.see(np.zeros((1024, 2048, 3), np.uint8))
print(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1])
"""


@pytest.fixture(scope="module")
def weights():
    return random_weights(MOBILENETV2, seed=0)


@pytest.fixture(scope="module")
def image():
    pixels = np.random.default_rng(0).integers(0, 256, (64, 128, 3)).repeat(16, 0).repeat(16, 1)
    return pixels.astype(np.uint8)


def in_turns(*functions):
    """Seconds [rounds, functions], after a round that is not counted."""
    found = np.empty((ROUNDS + 1, len(functions)))
    for index in np.ndindex(*found.shape):
        start = time.perf_counter()
        functions[index[1]]()
        found[index] = time.perf_counter() - start
    return found[1:]


def test_eight_samples_of_dropout_cost_half_a_pass_at_most(note, weights, image):
    single = RebuiltNetwork(weights, OPTIONS)
    sampled = RebuiltNetwork(weights, replace(OPTIONS, dropout=8))
    seconds = in_turns(lambda: single.see(image), lambda: sampled.see(image))
    ratio = np.median(seconds[:, 1] / seconds[:, 0])
    note("MobileNetV2 OS 16 at 1024x2048, one pass, seconds", np.median(seconds[:, 0]))
    note("8 samples of dropout / one pass", ratio)
    assert ratio <= 1.5


def test_comparing_passes_takes_little_time_and_memory(note, weights, image):
    network = RebuiltNetwork(weights, replace(OPTIONS, flip=True))
    peaks = []
    for run in (network.probabilities, network.see):
        for _ in range(3):
            run(image)
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    seconds = in_turns(lambda: network.probabilities(image), lambda: network.see(image))
    ratio = np.median(seconds[:, 1] / seconds[:, 0])
    note("mirroring with its disagreement / without, seconds", ratio)
    note("mirroring with its disagreement / without, peak memory", peaks[1] / peaks[0])
    assert ratio <= 1.6
    assert peaks[1] <= 1.1 * peaks[0]


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_xception65_takes_at_most_3_2_gb(note):
    call = [sys.executable, "-c", LARGEST_PASS]
    done = subprocess.run(call, stdout=subprocess.PIPE, text=True, check=True)
    gigabytes = int(done.stdout) / 1e6
    note("Xception65 OS 8 at 1024x2048, scale 1.25, peak memory, GB", gigabytes)
    assert gigabytes <= 3.2


def test_branches_one_after_the_other_cost_no_time(note, image, monkeypatch):
    weights = random_weights(XCEPTION65, seed=0)
    options, small = NetworkOptions(8, (1.0,), False, (257, 513)), image[:256, :512]
    in_line, side_by_side = (RebuiltNetwork(weights, options) for _ in range(2))
    with monkeypatch.context() as patch:
        patch.setattr(layers, "_WIDE_RATE", 100)
        patch.setattr(tf, "control_dependencies", lambda _: contextlib.nullcontext())
        expected = side_by_side.see(small)[0]
    np.testing.assert_array_equal(in_line.see(small)[0], expected)
    seconds = in_turns(lambda: side_by_side.see(small), lambda: in_line.see(small))
    ratio = np.median(seconds[:, 1] / seconds[:, 0])
    note("Xception65's branches one after the other / side by side, seconds", ratio)
    assert ratio <= 1.05
