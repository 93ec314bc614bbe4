"""The sky: a gradient with clouds, brighter towards the horizon."""

import numpy as np
from PIL import Image

from metaseg_tf.demo.streetscenes.labels import LABEL_IDS
from metaseg_tf.demo.streetscenes.noise import sample_noise

__all__ = ["paint_sky"]

#: The sky is soft: it is computed at this fraction of the canvas and enlarged.
_COARSENESS = 4


def paint_sky(canvas, rng):
    """Fill the whole canvas with sky, clear or clouded as the light is."""
    camera, light = canvas.camera, canvas.light
    sunny = light.sun > 0.2
    cover = rng.uniform(-1.2, 0.3) if sunny else rng.uniform(0.3, 2.0)
    high, low = _gradient(rng, light, sunny)
    rows, columns = (max(2, side // _COARSENESS) for side in (camera.height, camera.width))
    up = np.linspace(camera.horizon / camera.height, -0.3, rows, dtype=np.float32)[:, None]
    share = (np.clip(up / 0.45, 0, 1).astype(float) ** 0.7).astype(np.float32)
    sky = high * share[..., None] + low * (1 - share[..., None])
    cloud = _clouds(rng, up, columns, cover)[..., None]
    white = np.array(light.haze, np.float32) * rng.uniform(1.0, 1.2)
    sky = np.clip(sky * (1 - cloud) + white * cloud, 0, 255).astype(np.uint8)
    sky = np.broadcast_to(sky, (rows, columns, 3))
    size = (camera.width, camera.height)
    canvas.image.paste(Image.fromarray(sky).resize(size, Image.Resampling.BICUBIC))
    canvas.labels.paste(LABEL_IDS["sky"], (0, 0, *size))


def _gradient(rng, light, sunny):
    """Colours, float32 [3], overhead and at the horizon."""
    low = np.array(light.haze, np.float32)
    if light.dusk:
        low = low * np.array([1.15, 0.95, 0.85], np.float32)
        return np.array([70, 82, 112], np.float32), low
    if sunny:
        return np.array([88, 138, 205], np.float32) * np.float32(rng.uniform(0.85, 1.1)), low
    return low * np.float32(rng.uniform(0.8, 1.0)), low * np.float32(1.1)


def _clouds(rng, up, columns, cover):
    """Opacity in [0, 1] of clouds on a plane overhead, flattened towards the horizon."""
    distance = 1 / np.clip(up + 0.06, 0.05, 1)
    sideways = np.linspace(-1, 1, columns, dtype=np.float32)[None, :]
    start = rng.uniform(0, 512, 2).tolist()
    noise = sample_noise(1.6, distance * 18 + start[0], sideways * distance * 22 + start[1])
    return np.clip((noise + np.float32(cover)) * 0.6, 0, 1)
