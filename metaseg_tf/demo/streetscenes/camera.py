"""The pinhole camera behind the windscreen, on a flat ground that may bend sideways.

World coordinates are metres: x to the right of the camera along the street's cross-section, y up
from the ground, z forward. A street that bends shifts everything at distance z by ``bend * z**2``.
"""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter
from scipy.ndimage import uniform_filter1d

__all__ = ["NEAR", "Camera", "reduce", "take_photograph"]

#: Nothing is projected from nearer than this, in metres; it is out of view there anyway.
NEAR = 1.0


@dataclass(frozen=True)
class Camera:
    """Pinhole camera; lengths in pixels of the canvas, ``eye`` in metres, ``bend`` in 1/m."""

    width: int
    height: int
    focal: float
    centre: float
    horizon: float
    eye: float
    bend: float

    @classmethod
    def draw(cls, rng, width, height):
        """A camera as in Cityscapes: focal length 1.1 widths, 1.2 m up, the horizon at 0.42."""
        return cls(
            width=width,
            height=height,
            focal=rng.uniform(1.0, 1.15) * min(width, 2 * height),
            centre=rng.uniform(0.44, 0.56) * width,
            horizon=rng.uniform(0.38, 0.46) * height,
            eye=rng.uniform(1.15, 1.45),
            bend=rng.uniform(-9e-4, 9e-4) * float(rng.uniform() < 0.55),
        )

    def bent(self, x, z):
        """Sideways position in metres of what lies at ``x`` across the street at distance ``z``."""
        return x + self.bend * z * z

    def project(self, points):
        """Pixel positions (column, row) of world points (x, y, z)."""
        focal, centre, horizon = self.focal, self.centre, self.horizon
        eye, bend = self.eye, self.bend
        pixels = []
        for x, y, z in points:
            if z < NEAR:
                z = NEAR
            scale = focal / z
            pixels.append((centre + scale * (x + bend * z * z), horizon + scale * (eye - y)))
        return pixels

    def pixels_per_metre(self, z):
        """Size on the canvas of one metre at distance ``z``."""
        return self.focal / max(z, NEAR)

    def ground_rows(self):
        """First row below the horizon and the distance z in metres seen by each from there on."""
        first = int(np.ceil(self.horizon + 1))
        rows = np.arange(first, self.height, dtype=np.float32)
        return first, self.focal * self.eye / (rows - np.float32(self.horizon) + 0.5)

    def ground_x(self, z):
        """Position across the street, float32 [len(z), width], of the ground's pixels."""
        columns = np.arange(self.width, dtype=np.float32) - np.float32(self.centre)
        z = z[:, None]
        return columns * (z / np.float32(self.focal)) - np.float32(self.bend) * z * z

    def wall_columns(self, start, end, columns):
        """Where the rays through pixel ``columns`` meet the wall over two ground points (x, z).

        Gives metres along the wall from ``start`` and the distance, both float32 as ``columns``
        and clipped to the wall.
        """
        (xa, za), (xb, zb) = ((self.bent(x, z), z) for x, z in (start, end))
        ray = (columns - self.centre) / self.focal
        denominator = (xb - xa) - ray * (zb - za)
        denominator = np.where(np.abs(denominator) < 1e-6, 1e-6, denominator)
        share = np.clip((ray * za - xa) / denominator, 0, 1).astype(np.float32)
        length = float(np.hypot(xb - xa, zb - za))
        return share * np.float32(length), np.float32(za) + share * np.float32(zb - za)


def reduce(image, factor):
    """Mean over blocks of ``factor`` x ``factor`` pixels, float32 [H, W, 3] in 0..255."""
    parts = (image[i::factor, j::factor] for i in range(factor) for j in range(factor))
    total = np.add.reduce([part.astype(np.uint16) for part in parts])
    return total.astype(np.float32) / np.float32(factor * factor)


def take_photograph(image, rng, conditions):
    """The photograph, uint8 [H, W, 3], of the light that reaches the lens, float32 in 0..255."""

    def factor(bounds):
        return np.float32(rng.uniform(*bounds))

    # Windscreen and lens.
    unit = image.shape[0] / 1000
    radius = rng.uniform(*conditions.defocus) * unit
    length = max(1, round(rng.uniform(*conditions.motion) * unit))
    picture = Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))
    image = np.asarray(picture.filter(ImageFilter.GaussianBlur(radius)), np.float32)
    if length > 1:
        image = uniform_filter1d(image, length, axis=1)
    # Colour cast, exposure, saturation, contrast and the lens's darker corners.
    cast = 1 + rng.uniform(-conditions.cast, conditions.cast, 3)
    gain = (rng.uniform(*conditions.exposure) * cast).astype(np.float32)
    contrast, saturation = factor(conditions.contrast), factor(conditions.saturation)
    grey = image.mean(-1, keepdims=True)
    image = (grey + (image - grey) * saturation) * gain
    y, x = (np.linspace(-1, 1, side, dtype=np.float32) for side in image.shape[:2])
    corners = factor((0.0, 0.25)) * (y[:, None] ** 2 + x[None, :] ** 2)[..., None] / 2
    image = ((image - 110) * contrast + 110) * (1 - corners)
    # The sensor's noise, stronger where it is bright.
    sigma = factor(conditions.noise)
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    image = image + noise * sigma * (0.6 + np.clip(image, 0, 255) / 400)
    quality = int(rng.integers(conditions.jpeg[0], conditions.jpeg[1] + 1))
    packed = io.BytesIO()
    Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(packed, "JPEG", quality=quality)
    return np.array(Image.open(packed).convert("RGB"))
