"""A small canvas for the tests of single painters, empty and without haze."""

import numpy as np
import pytest

from metaseg_tf.demo.streetscenes.camera import Camera, Light
from metaseg_tf.demo.streetscenes.canvas import LABEL_IDS, Canvas


class Easel:
    """Calls ``painter(canvas, rng, *args)`` on an empty canvas, whose pixels stay 0 elsewhere."""

    camera = Camera(200, 150, focal=200.0, centre=100.0, horizon=75.0, eye=1.3, bend=0.0)
    light = Light((0.0, 1.0, 0.0), 0.1, 0.9, (200.0, 200.0, 200.0), 1e9, dusk=False)

    def paint(self, painter, *args, seed=0, **settings):
        """Image and labels, uint8 [H, W, 3] and [H, W], after painting."""
        canvas = Canvas(self.camera, self.light)
        painter(canvas, np.random.default_rng(seed), *args, **settings)
        return canvas.arrays()

    def names(self, labels):
        """Names of the labels that were painted."""
        by_id = {number: name for name, number in LABEL_IDS.items()}
        return {by_id[number] for number in np.unique(labels)} - {"unlabeled"}


@pytest.fixture
def easel():
    return Easel()
