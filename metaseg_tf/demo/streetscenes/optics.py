"""From the canvas to the picture: windscreen, lens, sensor and compression."""

import io

import numpy as np
from PIL import Image, ImageFilter
from scipy.ndimage import uniform_filter1d

__all__ = ["reduce", "take_photograph"]


def reduce(image, factor):
    """Mean over blocks of ``factor`` x ``factor`` pixels, float32 [H, W, 3] in 0..255."""
    parts = (image[i::factor, j::factor] for i in range(factor) for j in range(factor))
    total = np.add.reduce([part.astype(np.uint16) for part in parts])
    return total.astype(np.float32) / np.float32(factor * factor)


def take_photograph(image, rng, conditions):
    """What a camera makes of a scene.

    Parameters
    ----------
    image : float32 [H, W, 3]
        Light that reaches the lens, in 0..255.
    rng : numpy Generator
    conditions : Conditions

    Returns
    -------
    uint8 [H, W, 3]
    """
    image = _blur(image, rng, conditions)
    image = _develop(image, rng, conditions)
    image = image + _noise(image, rng, conditions)
    return _compress(np.clip(image, 0, 255).astype(np.uint8), rng, conditions)


def _blur(image, rng, conditions):
    unit = image.shape[0] / 1000
    radius = rng.uniform(*conditions.defocus) * unit
    length = max(1, round(rng.uniform(*conditions.motion) * unit))
    picture = Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))
    image = np.asarray(picture.filter(ImageFilter.GaussianBlur(radius)), np.float32)
    return uniform_filter1d(image, length, axis=1) if length > 1 else image


def _develop(image, rng, conditions):
    """Exposure, contrast, saturation, colour cast and the lens's darker corners."""
    cast = 1 + rng.uniform(-conditions.cast, conditions.cast, 3)
    gain = (rng.uniform(*conditions.exposure) * cast).astype(np.float32)
    contrast, saturation = (
        np.float32(rng.uniform(*bounds)) for bounds in (conditions.contrast, conditions.saturation)
    )
    grey = image.mean(-1, keepdims=True)
    image = (grey + (image - grey) * saturation) * gain
    return ((image - 110) * contrast + 110) * _vignette(image.shape, rng.uniform(0.0, 0.25))


def _vignette(shape, strength):
    y, x = (np.linspace(-1, 1, side, dtype=np.float32) for side in shape[:2])
    return 1 - np.float32(strength) * (y[:, None] ** 2 + x[None, :] ** 2)[..., None] / 2


def _noise(image, rng, conditions):
    """Noise of the sensor, stronger where it is bright."""
    sigma = np.float32(rng.uniform(*conditions.noise))
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    return noise * sigma * (0.6 + np.clip(image, 0, 255) / 400)


def _compress(image, rng, conditions):
    quality = int(rng.integers(conditions.jpeg[0], conditions.jpeg[1] + 1))
    packed = io.BytesIO()
    Image.fromarray(image).save(packed, "JPEG", quality=quality)
    return np.array(Image.open(packed).convert("RGB"))
