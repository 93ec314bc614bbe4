"""Two small runs with ground truth and maps, as extract makes them."""

import dataclasses

import numpy as np
import pytest
from matplotlib.figure import Figure
from scenes import make_scene

from metaseg_tf.analysis.evaluation import evaluate_run
from metaseg_tf.data.softmax import SoftmaxDump
from metaseg_tf.runs.extraction import MeasureSettings, extract
from metaseg_tf.runs.run import Run, load_run
from metaseg_tf.runs.work import ImageJob

N_IMAGES = 6


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Runs XC and MN over the same images with other predictions; the last has no maps."""
    folder = tmp_path_factory.mktemp("runs")
    return [make_run(folder / name, seed) for name, seed in (("XC", 0), ("MN", 100))]


@pytest.fixture(scope="session")
def run(runs):
    return runs[0]


@pytest.fixture(scope="session")
def table(run):
    return load_run(run.path)


@pytest.fixture(scope="session")
def evaluation(run):
    return evaluate_run(run)


@pytest.fixture
def ax():
    return Figure().subplots()


def make_run(path, seed, **options):
    settings = MeasureSettings()
    made = Run.create(path, dataclasses.asdict(settings))
    list(extract(Scenes(seed, options), made, settings, keep_maps=N_IMAGES - 1))
    return made


class Scenes:
    """Random scenes as a source of images to measure."""

    n_classes = 5

    def __init__(self, seed, options):
        self.seed, self.options = seed, options

    def jobs(self, done, *, apart=False):
        return [scene_job(f"image{i}", self.seed + i, **self.options) for i in range(N_IMAGES)]


def scene_job(name, seed, *, with_gt=True):
    def load():
        probs, gt = make_scene(seed=seed)
        photograph = np.full((*gt.shape, 3), 90, np.uint8)
        return SoftmaxDump(probs, gt if with_gt else None, name, photograph)

    return ImageJob(lambda: name, name, load)
