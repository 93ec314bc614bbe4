"""`make bench`: what measuring costs against the size of the problem, one axis at a time."""

import time

import numpy as np
import pytest
from scenes import make_blobs

from metaseg_tf import segment_metrics
from metaseg_tf.data.softmax import SoftmaxDump, open_dumps, save_dump
from metaseg_tf.runs.extraction import MeasureSettings, extract
from metaseg_tf.runs.run import Run

SIZES = ((256, 512), (512, 1024), (1024, 2048), (2048, 4096))
CLASSES = (2, 5, 19, 50, 150)
#: Sides of the patches that an image of 1024x2048 is made of: from few segments to very many.
PATCHES = (512, 160, 50, 16, 5)
IMAGES = (4, 16, 64)


def make_patches(height, width, n_classes, cell):
    """Probabilities of a class map of patches, and a ground truth that differs here and there."""
    pred = make_blobs(height, width, n_classes, 0, cell=cell)
    gt = np.where(make_blobs(height, width, 10, 1, cell=cell) == 0, (pred + 1) % n_classes, pred)
    rest = np.float32(0.2 / (n_classes - 1))
    probs = np.full((height, width, n_classes), rest, np.float32)
    np.put_along_axis(probs, pred[..., None].astype(int), np.float32(0.8), -1)
    return probs, gt.astype(np.uint8)


def record(benchmark, axis, value, function, rounds=5):
    """Time a function and note the point (value, least seconds) of an axis."""
    result = benchmark.pedantic(function, rounds=rounds, warmup_rounds=1)
    benchmark.extra_info |= {"axis": axis, "value": int(value)}
    print(f"\n{axis} {value}: {benchmark.stats.stats.min:.4f} s")
    return result


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
def test_image_size(benchmark, size):
    probs, gt = make_patches(*size, 19, 128)
    record(benchmark, "pixels", np.prod(size), lambda: segment_metrics(probs, gt))


@pytest.mark.parametrize("n_classes", CLASSES)
def test_number_of_classes(benchmark, n_classes):
    probs, gt = make_patches(512, 1024, n_classes, 64)
    record(benchmark, "classes", n_classes, lambda: segment_metrics(probs, gt))


@pytest.mark.parametrize("cell", PATCHES)
def test_number_of_segments(benchmark, cell):
    probs, gt = make_patches(1024, 2048, 19, cell)
    n_segments = len(segment_metrics(probs, gt))
    record(benchmark, "segments", n_segments, lambda: segment_metrics(probs, gt))


@pytest.mark.parametrize("n_images", IMAGES)
def test_number_of_images(benchmark, n_images, tmp_path):
    probs, gt = make_patches(256, 512, 19, 32)
    dumps = tmp_path / "dumps"
    dumps.mkdir()
    for i in range(n_images):
        save_dump(dumps / f"{i:03}.npz", SoftmaxDump(probs, gt, f"{i:03}"))

    def run():
        settings = MeasureSettings()
        folder = tmp_path / f"run{time.perf_counter_ns()}"
        list(extract(open_dumps(dumps), Run.create(folder, {}), settings))

    record(benchmark, "images", n_images, run, rounds=2)
