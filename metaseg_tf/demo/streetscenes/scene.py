"""One street scene from a seed, and data sets of them in the folder layout of Cityscapes."""

from typing import NamedTuple

import numpy as np

from metaseg_tf.demo.streetscenes.backdrop import (
    finish_ground,
    paint_ground,
    paint_own_car,
    paint_sky,
)
from metaseg_tf.demo.streetscenes.camera import TRAINING, Camera, Light, reduce, take_photograph
from metaseg_tf.demo.streetscenes.canvas import SUPERSAMPLING, Canvas
from metaseg_tf.demo.streetscenes.street import draw_plan, populate
from metaseg_tf.errors import InputError
from metaseg_tf.pictures import to_png
from metaseg_tf.runs.storage import LocalFolder

__all__ = ["MIN_SIZE", "Scene", "draw_scene", "write_dataset"]

#: Smallest height and width of a scene in pixels.
MIN_SIZE = (32, 32)


class Scene(NamedTuple):
    """``image`` uint8 [H, W, 3] RGB and ``labels`` uint8 [H, W], Cityscapes label ids 0..33."""

    image: np.ndarray
    labels: np.ndarray


def draw_scene(seed, *, size=(256, 512), conditions=TRAINING):
    """Draw the street `Scene` that belongs to a seed: the same street at any size.

    ``size`` is height and width in pixels, at least 32 each; ``conditions`` make the scene easy or
    hard to read. Raises InputError if the seed is negative or the size too small.
    """
    if seed < 0:
        raise InputError(f"seed: expected a non-negative integer, got {seed}; choose another")
    height, width = size
    if height < MIN_SIZE[0] or width < MIN_SIZE[1]:
        raise InputError(
            f"size: expected (height, width) of at least {MIN_SIZE}, got {(height, width)}; "
            "draw larger and crop"
        )
    rng = np.random.default_rng(seed)
    camera = Camera.draw(rng, width * SUPERSAMPLING, height * SUPERSAMPLING)
    canvas = Canvas(camera, Light.draw(rng, conditions))
    plan = draw_plan(rng)
    items = sorted(populate(plan, rng, conditions), key=lambda entry: -entry.depth)
    paint_sky(canvas, rng)
    paint_ground(canvas, rng, plan)
    finish_ground(canvas, rng, [entry.shadow for entry in items if entry.shadow is not None])
    # From far to near.
    for entry in items:
        entry.paint(canvas, rng)
    paint_own_car(canvas, rng)
    image, labels = canvas.arrays()
    photograph = take_photograph(reduce(image, SUPERSAMPLING), rng, conditions)
    return Scene(photograph, np.ascontiguousarray(labels[::SUPERSAMPLING, ::SUPERSAMPLING]))


def write_dataset(
    root, *, split, n_images, seed, size=(256, 512), conditions=TRAINING, city="synthville"
):
    """Draw scenes into ``root/{leftImg8bit,gtFine}/split/city``, yielding each image's path.

    Image i is the scene of ``seed + i`` as `draw_scene` draws it, and its name begins with the
    city. Files that exist are kept, so an interrupted call can be repeated; each file appears under
    its name only when it is complete. Raises InputError if the number of images is not 1 to
    1,000,000, and RunError if a file cannot be written.
    """
    if not 0 < n_images <= 1_000_000:
        raise InputError(f"n_images: expected 1 to 1,000,000, got {n_images}; split the set")
    folder = LocalFolder(root)
    for index in range(n_images):
        name = f"{city}_{index:06d}_000019"
        image = f"leftImg8bit/{split}/{city}/{name}_leftImg8bit.png"
        labels = f"gtFine/{split}/{city}/{name}_gtFine_labelIds.png"
        if not (folder.exists(image) and folder.exists(labels)):
            scene = draw_scene(seed + index, size=size, conditions=conditions)
            folder.write(labels, to_png(scene.labels))
            folder.write(image, to_png(scene.image))
        yield folder.where(image)
