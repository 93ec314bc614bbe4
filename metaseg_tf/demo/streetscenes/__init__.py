"""Street scenes drawn from a seed, in the Cityscapes layout: data that every machine has."""

from metaseg_tf.demo.streetscenes.camera import TRAINING, VALIDATION, Conditions
from metaseg_tf.demo.streetscenes.scene import MIN_SIZE, Scene, draw_scene, write_dataset

__all__ = [
    "MIN_SIZE", "TRAINING", "VALIDATION", "Conditions", "Scene", "draw_scene", "write_dataset",
]  # fmt: skip
