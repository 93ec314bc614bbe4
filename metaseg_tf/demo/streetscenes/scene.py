"""One street scene from a seed, and data sets of them in the folder layout of Cityscapes.

Sky and ground are painted before all items, and the own car after them.
"""

from math import cos, pi
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from metaseg_tf.demo.streetscenes.camera import TRAINING, Camera, Light, reduce, take_photograph
from metaseg_tf.demo.streetscenes.canvas import (
    GROUNDS,
    LABEL_IDS,
    SUPERSAMPLING,
    Canvas,
    disc,
    rectangle,
    sample_noise,
)
from metaseg_tf.demo.streetscenes.street import Plan, draw_marks, populate
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
        said = f"size: expected (height, width) of at least {MIN_SIZE}, got {(height, width)}"
        raise InputError(f"{said}; draw larger and crop")
    rng = np.random.default_rng(seed)
    camera = Camera.draw(rng, width * SUPERSAMPLING, height * SUPERSAMPLING)
    canvas = Canvas(camera, Light.draw(rng, conditions))
    plan = Plan(rng, conditions)
    items = sorted(populate(plan, rng), key=lambda entry: -entry.depth)
    _paint_sky(canvas, rng)
    _paint_ground(canvas, rng, plan)
    _finish_ground(canvas, rng, [entry.shadow for entry in items if entry.shadow is not None])
    # From far to near.
    for entry in items:
        entry.paint(canvas, rng)
    _paint_own_car(canvas, rng)
    image, labels = canvas.arrays()
    photograph = take_photograph(reduce(image, SUPERSAMPLING), rng, conditions)
    return Scene(photograph, np.ascontiguousarray(labels[::SUPERSAMPLING, ::SUPERSAMPLING]))


#: The sky is soft: it is computed at this fraction of the canvas and enlarged.
_COARSENESS = 4


def _paint_sky(canvas, rng):
    """Fill the whole canvas with sky, clear or clouded as the light is."""
    camera, light, sunny = canvas.camera, canvas.light, canvas.light.sun > 0.2
    cover = rng.uniform(-1.2, 0.3) if sunny else rng.uniform(0.3, 2.0)
    white = low = np.array(light.haze, np.float32)
    if light.dusk:
        high = np.array([70, 82, 112], np.float32)
        low = low * np.array([1.15, 0.95, 0.85], np.float32)
    elif sunny:
        high = np.array([88, 138, 205], np.float32) * np.float32(rng.uniform(0.85, 1.1))
    else:
        high, low = low * np.float32(rng.uniform(0.8, 1.0)), low * np.float32(1.1)
    rows, columns = (max(2, side // _COARSENESS) for side in (camera.height, camera.width))
    up = np.linspace(camera.horizon / camera.height, -0.3, rows, dtype=np.float32)[:, None]
    share = (np.clip(up / 0.45, 0, 1).astype(float) ** 0.7).astype(np.float32)
    sky = high * share[..., None] + low * (1 - share[..., None])
    # Clouds lie on a plane overhead, which the perspective flattens towards the horizon.
    distance = 1 / np.clip(up + 0.06, 0.05, 1)
    sideways = np.linspace(-1, 1, columns, dtype=np.float32)[None, :]
    start = rng.uniform(0, 512, 2).tolist()
    noise = sample_noise(1.6, distance * 18 + start[0], sideways * distance * 22 + start[1])
    cloud = np.clip((noise + np.float32(cover)) * 0.6, 0, 1)[..., None]
    white = white * rng.uniform(1.0, 1.2)
    sky = np.clip(sky * (1 - cloud) + white * cloud, 0, 255).astype(np.uint8)
    size = (camera.width, camera.height)
    canvas.image.paste(Image.fromarray(sky).resize(size, Image.Resampling.BICUBIC))
    canvas.labels.paste(LABEL_IDS["sky"], (0, 0, *size))


#: Distances z in metres at which strips have corners: closer together near the camera.
_STATIONS = (1.0, 1.5, 2, 3, 4, 6, 8, 11, 15, 20, 27, 36, 48, 64, 85, 110, 150, 200, 280)

#: Strength of the grain by label, relative to the brightness.
_GRAIN = np.full(256, 0.03, np.float32)
_GRAIN[[LABEL_IDS["road"], LABEL_IDS["parking"]]] = 0.05
_GRAIN[[LABEL_IDS["terrain"], LABEL_IDS["rail track"]]] = 0.13


def _paint_ground(canvas, rng, plan):
    """Lay the strips of ``plan`` from the horizon to the bumper, then side streets and marks."""
    tone = rng.uniform(0.85, 1.2)
    # Where the ground is one row below the horizon.
    far = min(_STATIONS[-1], canvas.camera.focal * canvas.camera.eye)
    stations = [z for z in _STATIONS if z < far] + [far]
    for left, right, kind in plan.strips:
        outline = [(left, z) for z in stations] + [(right, z) for z in reversed(stations)]
        _lay(canvas, outline, kind, tone)
    for street in plan.side_streets:
        left, right = sorted((street.kerb, street.end))
        _lay(canvas, rectangle(left, street.near - 2, right, street.far + 2), "slabs", 1.0)
        _lay(canvas, rectangle(left, street.near, right, street.far), "asphalt", tone)
    _paint_wear(canvas, rng, plan, tone)
    for mark in draw_marks(rng, plan):
        grey = min(255, round(215 * rng.uniform(0.75, 1.0) * tone))
        canvas.flat(canvas.camera.project([(x, 0, z) for x, z in mark]), (grey,) * 3, "road")


def _lay(canvas, outline, kind, tone):
    """Lay ground of a kind, brighter or darker by ``tone``, within an outline of (x, z)."""
    colour, label = GROUNDS[kind]
    pixels = canvas.camera.project([(x, 0, z) for x, z in outline])
    canvas.flat(pixels, tuple(min(255, round(c * tone)) for c in colour), label)


def _finish_ground(canvas, rng, shadows):
    """Give the ground its grain, ``shadows``, light and haze, before items are painted."""
    image, labels = canvas.arrays()
    first, distances = canvas.camera.ground_rows()
    x, z = canvas.camera.ground_x(distances), distances[:, None]
    row, column = rng.uniform(0, 512, 2).tolist()
    # Coarse blotches and fine grit; the grit fades where a pixel holds much of it.
    coarse = sample_noise(1.0, z * 9 + row, x * 9 + column)
    fine = sample_noise(0.3, z * 60 + column, x * 60 + row, seed=1)
    grain = coarse + fine * np.clip(12 / z, 0, 1.2).astype(np.float32)
    grain *= _GRAIN[labels[first:]]
    # Darker joints between the slabs of a pavement, as far as they are wide enough to be seen.
    joints = ((x * 2) % 1 < 0.08) | ((z * 2) % 1 < 0.1)
    joints = joints * (-0.12 * np.clip(14 / z - 0.6, 0, 1).astype(np.float32))
    grain += joints * (labels[first:] == LABEL_IDS["sidewalk"])
    light = np.float32(canvas.light.on((0.0, 1.0, 0.0)))
    bright = (1 + grain) * light * _shadow_map(canvas, shadows)[first:]
    clear = canvas.light.clearness(z)
    haze = np.array(canvas.light.haze, np.float32)
    ground = image[first:] * (bright * clear)[..., None] + haze * (1 - clear)[..., None]
    image[first:] = np.clip(ground, 0, 255)
    canvas.image.paste(Image.fromarray(image))


def _paint_wear(canvas, rng, plan, tone):
    """Mended places, manhole covers and fallen leaves on the road."""
    for _ in range(rng.integers(0, 5)):
        x, z = rng.uniform(-plan.lane / 2, plan.right_kerb - 2), rng.uniform(5, 30)
        patch = rectangle(x, z, x + rng.uniform(0.5, 2.0), z + rng.uniform(1, 6))
        _lay(canvas, patch, "asphalt", tone * rng.uniform(0.8, 1.0))
    for _ in range(rng.integers(0, 4)):
        x, z = rng.uniform(plan.left_kerb + 1, plan.right_kerb - 1), rng.uniform(4, 30)
        _lay(canvas, disc(x, z, 0.35), "cover", tone)
    for _ in range(rng.integers(0, 120) * (rng.uniform() < 0.3)):
        kerb = plan.left_kerb if rng.uniform() < 0.5 else plan.right_kerb
        x, z = kerb - np.sign(kerb) * rng.exponential(0.5), 3 + rng.exponential(8)
        _lay(canvas, rectangle(x, z, x + 0.1, z + 0.12), "leaf", rng.uniform(0.7, 1.3))


def _shadow_map(canvas, shadows):
    """Brightness factors, float32 [H, W], on the ground: 1 in the open."""
    camera, (right, rise, ahead) = canvas.camera, canvas.light.towards
    mask = Image.new("L", (camera.width, camera.height), 255)
    pen, rise, dark = ImageDraw.Draw(mask), max(rise, 0.3), 255 - round(150 * canvas.light.sun)
    for shadow in shadows:
        start, stop = (
            [(x - right * up / rise, max(1.0, z - ahead * up / rise)) for x, z in _outline(shadow)]
            for up in (shadow.lift, shadow.height)
        )
        # The ground that the outline covers on its way from one shift to the other.
        sides = ([start[i - 1], start[i], stop[i], stop[i - 1]] for i in range(len(start)))
        for quad in (start, stop, *sides):
            pen.polygon(camera.project([(x, 0, z) for x, z in quad]), fill=dark)
    for shadow in shadows:
        if shadow.lift == 0:
            pen.polygon(camera.project([(x, 0, z) for x, z in _outline(shadow)]), fill=110)
    mask = mask.filter(ImageFilter.GaussianBlur(camera.height / 300))
    return np.asarray(mask, np.float32) / 255


def _outline(shadow):
    """Outline (x, z) of the caster, as seen from above."""
    x, z, half_width, half_length = shadow[:4]
    if shadow.lift:
        return disc(x, z, half_width, height=half_length)
    return rectangle(x - half_width, z - half_length, x + half_width, z + half_length)


def _paint_own_car(canvas, rng):
    """Paint the bonnet over the lower edge and the border that rectification leaves void."""
    width, height = canvas.camera.width, canvas.camera.height
    share, tone = rng.uniform(0.05, 0.09), rng.uniform(20, 70)
    # A dark arc that mirrors the sky along its upper edge.
    reflection = tone + 0.3 * canvas.light.haze[0] * canvas.light.ambient
    for k in range(6):
        rise = share * (1 - 0.14 * k)
        value = round(reflection + (tone - reflection) * k / 5)
        outline = [
            (width * i / 24, height * (1 - rise * (0.72 + 0.28 * cos(pi * (i / 24 - 0.5)))))
            for i in range(25)
        ]
        outline += [(width, height), (0, height)]
        canvas.flat(outline, (value, value, round(value * 1.05)), "ego vehicle")
    border = {"outline": LABEL_IDS["out of roi"], "width": max(2, round(height / 200))}
    ImageDraw.Draw(canvas.labels).rectangle((0, 0, width - 1, height - 1), **border)


def write_dataset(
    root, *, split, n_images, seed, size=(256, 512), conditions=TRAINING, city="synthville", step=1
):
    """Draw scenes into ``root/{leftImg8bit,gtFine}/split/city``, yielding each image's path.

    Image i is the scene of ``seed + i`` as `draw_scene` draws it, and its name begins with the
    city. Files that exist are kept, so an interrupted call can be repeated, and a second process
    can begin at the end (``step`` -1); each file appears under its name only when it is complete.
    Raises InputError if the number of images is not 1 to 1,000,000, and RunError if a file cannot
    be written.
    """
    if not 0 < n_images <= 1_000_000:
        raise InputError(f"n_images: expected 1 to 1,000,000, got {n_images}; split the set")
    folder = LocalFolder(root)
    for index in range(n_images)[::step]:
        name = f"{city}_{index:06d}_000019"
        image = f"leftImg8bit/{split}/{city}/{name}_leftImg8bit.png"
        labels = f"gtFine/{split}/{city}/{name}_gtFine_labelIds.png"
        if not (folder.exists(image) and folder.exists(labels)):
            scene = draw_scene(seed + index, size=size, conditions=conditions)
            folder.write(labels, to_png(scene.labels))
            folder.write(image, to_png(scene.image, level=3))
        yield folder.where(image)
