"""The view of a scene: conditions, light, and the pinhole camera behind the windscreen.

World coordinates are metres: x to the right of the camera along the street's cross-section, y up
from the ground, z forward. The ground is flat and may bend sideways: a street that bends shifts
everything at distance z by ``bend * z**2``.
"""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter
from scipy.ndimage import uniform_filter1d

__all__ = [
    "NEAR", "TRAINING", "VALIDATION", "Camera", "Conditions", "Light", "reduce", "take_photograph",
]  # fmt: skip


@dataclass(frozen=True)
class Conditions:
    """Difficulty of scenes: ranges (low, high) that they draw from, and probabilities."""

    visibility: tuple[float, float] = (250.0, 1500.0)  #: Metres to where haze takes 63 % of colour.
    exposure: tuple[float, float] = (0.7, 1.15)  #: Factor on the brightness.
    contrast: tuple[float, float] = (0.85, 1.1)  #: Factor on the distance to middle grey.
    defocus: tuple[float, float] = (0.0, 1.5)  #: Radius of the lens blur in 1/1000 of the height.
    motion: tuple[float, float] = (0.0, 3.0)  #: Length of the motion blur, in the same unit.
    noise: tuple[float, float] = (1.0, 4.0)  #: The sensor's standard deviation in grey values.
    jpeg: tuple[int, int] = (75, 95)  #: Quality of the compression.
    cast: float = 0.05  #: Largest relative deviation of a colour channel.
    saturation: tuple[float, float] = (0.75, 1.1)  #: Factor on the colourfulness.
    dusk: float = 0.08  #: Probability of dusk.
    sunny: float = 0.45  #: Probability of direct sun; the remainder is overcast.
    crowd: float = 1.0  #: Factor on the number of people.
    clutter: float = 1.0  #: Factor on the number of pieces of street furniture.
    traffic: float = 1.0  #: Factor on the number of vehicles.
    oddity: float = 0.03  #: Probability that an object has a colour rare for its kind.


#: Conditions of the scenes that the demo's networks are trained on.
TRAINING = Conditions()
#: Harder: thicker air, darker, less sharp, noisier, fuller streets, unusual colours.
VALIDATION = Conditions(
    visibility=(120.0, 800.0), exposure=(0.5, 1.1), contrast=(0.65, 1.0), saturation=(0.5, 1.05),
    cast=0.1, defocus=(0.3, 3.0), motion=(0.0, 6.0), noise=(2.0, 7.0), jpeg=(50, 88),
    dusk=0.15, sunny=0.45, crowd=1.6, clutter=1.4, traffic=1.2, oddity=0.1,
)  # fmt: skip


@dataclass(frozen=True)
class Light:
    """The light of one scene: ``towards`` is the unit vector to the sun (x, y, z)."""

    towards: tuple[float, float, float]
    sun: float
    ambient: float
    haze: tuple[float, float, float]
    visibility: float
    dusk: bool

    @classmethod
    def draw(cls, rng, conditions):
        """Dusk, sun or clouds, by the probabilities of ``conditions``."""
        kind = rng.uniform()
        dusk, sunny = kind < conditions.dusk, kind > 1 - conditions.sunny
        azimuth, elevation = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 1.0)
        flat, rise = np.cos(elevation), np.sin(elevation)
        towards = (flat * np.sin(azimuth), rise, flat * np.cos(azimuth))
        grey = rng.uniform(185, 225) * (0.55 if dusk else 1.0)
        return cls(
            towards=tuple(map(float, towards)),
            sun=float(rng.uniform(0.4, 0.7)) if sunny else 0.08,
            ambient=0.6 if sunny else 0.45 if dusk else 0.8,
            haze=(grey * 0.97, grey, grey * 1.03),
            visibility=float(np.exp(rng.uniform(*np.log(conditions.visibility)))),
            dusk=dusk,
        )

    def on(self, normal):
        """Brightness in about [0.4, 1.3] of a surface with this unit normal."""
        lit = sum(a * b for a, b in zip(self.towards, normal, strict=True))
        return self.ambient + self.sun * max(0.0, lit) + 0.08 * normal[1]

    def clearness(self, z):
        """Share in (0, 1] of a thing's own colour that is left at distances ``z``, float32."""
        # In double precision: single-precision exp differs between NumPy versions.
        return np.exp(-np.asarray(z, float) / self.visibility).astype(np.float32)


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
        focal = rng.uniform(1.0, 1.15) * min(width, 2 * height)
        centre, horizon = rng.uniform(0.44, 0.56) * width, rng.uniform(0.38, 0.46) * height
        eye, bend = rng.uniform(1.15, 1.45), rng.uniform(-9e-4, 9e-4) * (rng.uniform() < 0.55)
        return cls(width, height, focal, centre, horizon, eye, bend)

    def bent(self, x, z):
        """Sideways position in metres of what lies at ``x`` across the street at distance ``z``."""
        return x + self.bend * z * z

    def project(self, points):
        """Pixel positions (column, row) of world points (x, y, z)."""
        centre, horizon, eye, bend = self.centre, self.horizon, self.eye, self.bend
        pixels = []
        for x, y, z in points:
            if z < NEAR:
                z = NEAR
            scale = self.focal / z
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
        columns, z = np.arange(self.width, dtype=np.float32) - np.float32(self.centre), z[:, None]
        return columns * (z / np.float32(self.focal)) - np.float32(self.bend) * z * z

    def wall_columns(self, start, end, columns):
        """Metres along a wall over two points (x, z), and distance, where rays hit it; float32."""
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
