"""`make bench`: measuring costs a run next to nothing beside its network, and memory stays flat."""

import resource
import time
from functools import partial

import numpy as np
import pytest
from deeplab_samples import random_weights
from PIL import Image
from test_segment_metrics import make_street

from metaseg_tf.data.cityscapes import PairSource, find_pairs
from metaseg_tf.networks.deeplab.backbones import MOBILENETV2
from metaseg_tf.networks.deeplab.model import RebuiltNetwork
from metaseg_tf.networks.image_network import Network
from metaseg_tf.networks.options import NetworkOptions
from metaseg_tf.runs.extraction import MeasureSettings, extract
from metaseg_tf.runs.run import Run
from metaseg_tf.runs.sources import NetworkSource
from metaseg_tf.runs.work import keep_freed_memory
from metaseg_tf.segments.table import measure_image

#: So many rounds, in each of which network, measuring and run do so many images.
ROUNDS, N_IMAGES = 5, 12


@pytest.fixture(scope="module", autouse=True)
def as_the_command_line():
    keep_freed_memory()


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Fifty pairs of one image in a Cityscapes tree, by links."""
    root = tmp_path_factory.mktemp("cityscapes")
    rng = np.random.default_rng(0)
    _, gt = make_street()
    image = rng.integers(0, 256, (64, 128, 3)).repeat(16, 0).repeat(16, 1).astype(np.uint8)
    labels = np.where(gt == 255, 0, gt + 7).astype(np.uint8)
    for part, suffix, content in (
        ("leftImg8bit", "leftImg8bit", image),
        ("gtFine", "gtFine_labelTrainIds", np.where(labels == 0, 255, gt)),
    ):
        folder = root / part / "val" / "ulm"
        folder.mkdir(parents=True)
        first = folder / f"ulm_00_{suffix}.png"
        Image.fromarray(content.astype(np.uint8)).save(first)
        for i in range(1, 50):
            (folder / f"ulm_{i:02}_{suffix}.png").symlink_to(first)
    return find_pairs(root)


class IdleNetwork:
    """Leaves the processor alone for a while, as a network on a GPU does."""

    classes = 19

    def __init__(self, seconds):
        self.seconds = seconds
        self.probs, _ = make_street()

    passes, see = 1, Network.see

    def probabilities(self, image):
        time.sleep(self.seconds)
        return self.probs


@pytest.fixture(scope="module")
def mobilenet():
    settings = NetworkOptions(output_stride=16, crop=(1025, 2049))
    return RebuiltNetwork(random_weights(MOBILENETV2, seed=0), settings)


def seconds_of(*functions):
    start = time.perf_counter()
    for function in functions:
        function()
    return time.perf_counter() - start


def run_over(network, pairs, folder, **options):
    run = Run.create(folder, {})
    source = NetworkSource(network, PairSource(pairs), {})
    yield from extract(source, run, MeasureSettings(), **options)


def test_a_run_costs_no_more_than_its_parts(note, pairs, mobilenet, tmp_path):
    """Of a split, few images keep their maps for pictures: here none does."""
    sample = pairs[0].read()
    probs = mobilenet.probabilities(sample.image)
    parts = (
        partial(mobilenet.probabilities, sample.image),
        partial(measure_image, probs, sample.gt),
    )

    def run(name, n=N_IMAGES):
        list(run_over(mobilenet, pairs[:n], tmp_path / name, keep_maps=0))

    run("warm", 2)
    # In turns, since a machine's speed drifts.
    seconds = np.array(
        [
            [seconds_of(*[part] * N_IMAGES) for part in parts] + [seconds_of(partial(run, str(i)))]
            for i in range(ROUNDS)
        ]
    )
    network, measuring, whole = np.median(seconds, axis=0) / N_IMAGES
    ratio = np.median(seconds[:, 2] / seconds[:, :2].sum(1))
    note("MobileNetV2 OS 16 at 1024x2048, seconds per image", network)
    note("measuring at 1024x2048x19, seconds per image", measuring)
    note("a run with MobileNetV2, seconds per image", whole)
    note("a run with MobileNetV2 / (network + measuring)", ratio)
    assert ratio <= 1.05


def test_memory_stays_flat(note, pairs, mobilenet, tmp_path):
    peaks = [
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        for _ in run_over(mobilenet, pairs, tmp_path / "run")
    ]
    note("peak memory after 5 images, GB", peaks[4])
    note("peak memory after 50 images, GB", peaks[-1])
    assert peaks[-1] <= 1.05 * peaks[4]
    assert peaks[-1] < 4


def test_measuring_hides_behind_an_idle_processor(note, pairs, tmp_path):
    list(run_over(IdleNetwork(0.0), pairs[:1], tmp_path / "warm"))
    run = run_over(IdleNetwork(2.0), pairs[:8], tmp_path / "run")
    whole = seconds_of(partial(list, run))
    ratio = whole / (8 * 2.0)
    note("a run with a network that idles for 2 s / network alone", ratio)
    assert ratio <= 1.10
