"""`make bench`: what passes over an image cost, as ratios within one run."""

import resource
import time
from dataclasses import replace

import numpy as np
import pytest
from deeplab_samples import random_weights

from metaseg_tf.networks.deeplab.backbones import MOBILENETV2
from metaseg_tf.networks.deeplab.model import RebuiltNetwork
from metaseg_tf.networks.options import NetworkOptions

OPTIONS = NetworkOptions(output_stride=16, crop=(1025, 2049))
ROUNDS = 5


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
