"""Runs of small scenes with maps, for tests of the report."""

import numpy as np
from scenes import make_scene

from metaseg_tf.runs.image_maps import ImageMaps
from metaseg_tf.runs.run import Run
from metaseg_tf.segments.table import measure_image


def make_run(path, seeds, *, photographs=True, keep=100, name="#<b>"):
    """A run of small scenes ``scene 0 NAME``, ..., of which the first ``keep`` have maps."""
    settings = {"source": "test", "convention": "reference", "connectivity": 8}
    run = Run.create(path, settings)
    run.manifest.n_classes = 5
    run.manifest.results = {"miou": 0.5}
    run.write_manifest()
    for i, seed in enumerate(seeds):
        probs, gt = make_scene(60, 90, seed=seed, cell=14)
        measured = measure_image(probs, gt)
        run.write_segments(f"scene {i} {name}", measured.table)
        if i < keep:
            image = np.random.default_rng(i).integers(0, 255, (60, 90, 3), np.uint8)
            pred, entropy, difference = measured.heat[:3]
            maps = ImageMaps(
                pred, measured.segments, entropy, difference, gt, image if photographs else None
            )
            run.write_maps(f"scene {i} {name}", maps)
    return run
