"""Runs of small scenes with maps, with ground truth and judged, for tests of the report."""

from dataclasses import dataclass

import numpy as np
from scenes import make_scene
from tables import make_table

from metaseg_tf.analysis.protocol import Protocol
from metaseg_tf.data.classes import ClassTable
from metaseg_tf.data.sample import Sample, Source
from metaseg_tf.meta import fit_meta_model
from metaseg_tf.meta.predict import PredictSettings, open_prediction, predict, write_judged
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
        measured = measure_image(probs, gt, truth=True)
        run.write_segments(f"scene {i} {name}", measured.table, None, measured.truth)
        if i < keep:
            image = np.random.default_rng(i).integers(0, 255, (60, 90, 3), np.uint8)
            maps = ImageMaps(
                **measured.heat._asdict(),
                segments=measured.segments,
                gt=gt,
                image=image if photographs else None,
                mutual_information=measured.heat.entropy / 5,
            )
            run.write_maps(f"scene {i} {name}", maps)
    return run


@dataclass
class _Drawn:
    """A small scene without ground truth."""

    seed: int
    n_classes: int
    origin = "test"

    @property
    def name(self):
        return f"street {self.seed}"

    def read(self):
        probs, _ = make_scene(60, 90, self.n_classes, self.seed, cell=14)
        image = np.random.default_rng(self.seed).integers(0, 255, (60, 90, 3), np.uint8)
        return Sample(self.name, image, probs)


def make_judged(path, seeds, *, n_classes=5, keep=100):
    """A folder of small scenes that a meta model has judged, the first ``keep`` with maps."""
    table = make_table(1500, n_classes=n_classes, n_images=12)
    # Drawn segments are larger and surer than those of the scenes, which are thus all trusted.
    table[["iou", "iou_adj"]] *= table[["S"]].to_numpy() > table["S"].median()
    fast = Protocol(C=(0.1, 1.0))
    model = fit_meta_model(table, protocol=fast, name="XC")
    classes = ClassTable(tuple(f"kind {i} of things" for i in range(n_classes)))
    source = Source([_Drawn(seed, n_classes) for seed in seeds], {}, n_classes, classes=classes)
    settings = PredictSettings()
    run = open_prediction(path, source, model, settings)
    list(predict(source, model, run, settings, keep_maps=keep))
    write_judged(run, model)
    return run
