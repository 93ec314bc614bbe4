"""Two small runs with ground truth and maps, as extract makes them."""

import dataclasses

import numpy as np
import pytest
from matplotlib.figure import Figure
from scenes import make_scene

from metaseg_tf.analysis.evaluation import evaluate_run
from metaseg_tf.data.sample import Sample, Source
from metaseg_tf.runs.extraction import MeasureSettings, extract
from metaseg_tf.runs.run import Run, load_run

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
    scenes = [Scene(f"image{i}", seed + i, **options) for i in range(N_IMAGES)]
    list(extract(Source(scenes, {}, 5), made, settings, keep_maps=N_IMAGES - 1))
    return made


@dataclasses.dataclass(frozen=True)
class Scene:
    """A random scene as an image to measure."""

    name: str
    seed: int
    with_gt: bool = True
    origin = "scenes"

    def read(self):
        probs, gt = make_scene(seed=self.seed)
        photograph = np.full((*gt.shape, 3), 90, np.uint8)
        return Sample(self.name, photograph, probs, gt if self.with_gt else None)
