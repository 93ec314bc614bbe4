"""One street scene from a seed."""

from typing import NamedTuple

import numpy as np

from metaseg_tf.demo.streetscenes.camera import Camera
from metaseg_tf.demo.streetscenes.canvas import SUPERSAMPLING, Canvas
from metaseg_tf.demo.streetscenes.cockpit import paint_own_car
from metaseg_tf.demo.streetscenes.conditions import TRAINING, Light
from metaseg_tf.demo.streetscenes.ground import finish_ground, paint_ground
from metaseg_tf.demo.streetscenes.layout import draw_plan
from metaseg_tf.demo.streetscenes.optics import reduce, take_photograph
from metaseg_tf.demo.streetscenes.populate import populate
from metaseg_tf.demo.streetscenes.sky import paint_sky
from metaseg_tf.errors import InputError

__all__ = ["MIN_SIZE", "Scene", "draw_scene", "draw_scenes"]

#: Smallest height and width of a scene in pixels.
MIN_SIZE = (32, 32)


class Scene(NamedTuple):
    """``image`` uint8 [H, W, 3] RGB and ``labels`` uint8 [H, W], Cityscapes label ids 0..33."""

    image: np.ndarray
    labels: np.ndarray


def draw_scene(seed, *, size=(256, 512), conditions=TRAINING):
    """Draw the street scene that belongs to a seed.

    Parameters
    ----------
    seed : int
        Non-negative; the same seed gives the same street at any size.
    size : (int, int)
        Height and width in pixels, at least 32 each.
    conditions : Conditions
        How hard the scene is to read.

    Returns
    -------
    Scene

    Raises
    ------
    InputError
        If the seed is negative or the size too small.
    """
    height, width = _check(seed, size)
    rng = np.random.default_rng(seed)
    camera = Camera.draw(rng, width * SUPERSAMPLING, height * SUPERSAMPLING)
    canvas = Canvas(camera, Light.draw(rng, conditions))
    _paint(canvas, rng, conditions)
    image, labels = canvas.arrays()
    photograph = take_photograph(reduce(image, SUPERSAMPLING), rng, conditions)
    return Scene(photograph, np.ascontiguousarray(labels[::SUPERSAMPLING, ::SUPERSAMPLING]))


def draw_scenes(seeds, *, size=(256, 512), conditions=TRAINING):
    """Yield the scene of each seed; see ``draw_scene``."""
    for seed in seeds:
        yield draw_scene(seed, size=size, conditions=conditions)


def _check(seed, size):
    if seed < 0:
        raise InputError(f"seed: expected a non-negative integer, got {seed}; choose another")
    height, width = size
    if height < MIN_SIZE[0] or width < MIN_SIZE[1]:
        raise InputError(
            f"size: expected (height, width) of at least {MIN_SIZE}, got {(height, width)}; "
            "draw larger and crop"
        )
    return height, width


def _paint(canvas, rng, conditions):
    """Sky, ground with shadows, all items from far to near, and the car the camera is in."""
    plan = draw_plan(rng)
    items = sorted(populate(plan, rng, conditions), key=lambda entry: -entry.depth)
    paint_sky(canvas, rng)
    paint_ground(canvas, rng, plan)
    finish_ground(canvas, rng, [entry.shadow for entry in items if entry.shadow is not None])
    for entry in items:
        entry.paint(canvas, rng)
    paint_own_car(canvas, rng)
