"""Conditions that make scenes easy or hard to read: light, air, lens and how full streets are."""

from dataclasses import dataclass

import numpy as np

__all__ = ["TRAINING", "VALIDATION", "Conditions", "Light"]


@dataclass(frozen=True)
class Conditions:
    """How hard scenes are to read: ranges (low, high) that they draw from, and probabilities.

    ``visibility`` is the distance in metres at which haze has taken 63 % of an object's colour.
    ``exposure``, ``contrast`` and ``saturation`` are factors on the brightness, on the distance of
    grey values to middle grey and on colourfulness; ``cast`` is the largest relative deviation of a
    colour channel. ``defocus`` is the radius of the lens blur and ``motion`` the length of the
    motion blur, in 1/1000 of the image's height; ``noise`` the sensor's standard deviation in grey
    values; ``jpeg`` the quality of the compression.

    ``dusk`` and ``sunny`` are probabilities of dusk and of direct sun; the remainder is overcast.
    ``crowd``, ``clutter`` and ``traffic`` are factors on the numbers of people, of street furniture
    and of vehicles; ``oddity`` is the probability that an object has a colour rare for its kind.
    """

    visibility: tuple[float, float] = (250.0, 1500.0)
    exposure: tuple[float, float] = (0.7, 1.15)
    contrast: tuple[float, float] = (0.85, 1.1)
    defocus: tuple[float, float] = (0.0, 1.5)
    motion: tuple[float, float] = (0.0, 3.0)
    noise: tuple[float, float] = (1.0, 4.0)
    jpeg: tuple[int, int] = (75, 95)
    cast: float = 0.05
    saturation: tuple[float, float] = (0.75, 1.1)
    dusk: float = 0.08
    sunny: float = 0.45
    crowd: float = 1.0
    clutter: float = 1.0
    traffic: float = 1.0
    oddity: float = 0.03


#: Conditions of the scenes that the demo's networks are trained on.
TRAINING = Conditions()

#: Harder: thicker air, darker, less sharp, noisier, fuller streets, unusual colours.
VALIDATION = Conditions(
    visibility=(120.0, 800.0),
    exposure=(0.5, 1.1),
    contrast=(0.65, 1.0),
    defocus=(0.3, 3.0),
    motion=(0.0, 6.0),
    noise=(2.0, 7.0),
    jpeg=(50, 88),
    cast=0.1,
    saturation=(0.5, 1.05),
    dusk=0.15,
    sunny=0.45,
    crowd=1.6,
    clutter=1.4,
    traffic=1.2,
    oddity=0.1,
)


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
        """Share in (0, 1] of a thing's own colour that is left at distances ``z``, float32.

        Taken in double precision: single-precision exp differs between NumPy versions.
        """
        return np.exp(-np.asarray(z, float) / self.visibility).astype(np.float32)
