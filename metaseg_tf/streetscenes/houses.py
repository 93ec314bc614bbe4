"""Buildings as rows of plots along the street, and what closes the view at its end."""

from dataclasses import replace

from metaseg_tf.streetscenes.colours import draw_any, draw_near, pick, scaled
from metaseg_tf.streetscenes.facades import Facade, masonry
from metaseg_tf.streetscenes.items import item

__all__ = ["house_row", "paint_bridge", "paint_house", "paint_view_end"]

_ROOFS = ((122, 66, 52), (84, 80, 82), (104, 60, 48), (70, 68, 72), (140, 84, 62))

_STONE = ((128, 118, 104), (132, 84, 66), (140, 140, 136))

#: Lowest and highest eaves in metres and share of shops by a side's character.
_HABITS = {
    "town": ((9, 19), 0.5),
    "boulevard": ((12, 24), 0.45),
    "suburb": ((4.5, 9), 0.03),
    "park": ((5, 12), 0.05),
    "works": ((5, 11), 0.1),
    "square": ((11, 22), 0.6),
}


def house_row(rng, side, start, end, oddity):
    """Items of the houses on one side between two distances, without gaps."""
    (low, high), shops = _HABITS[side.character]
    z = start
    while z < end:
        length = rng.uniform(8, 20)
        height = rng.uniform(low, high)
        ground = "shop" if rng.uniform() < shops else "doors"
        stop = min(z + length, end)
        setback = side.facade + (rng.uniform(0, 1.0) if rng.uniform() < 0.3 else 0.0)
        corner = (side.at(setback), z, stop)
        odd = bool(rng.uniform() < oddity)
        yield item(stop - 0.1, paint_house, side.sign, corner, height, ground, odd=odd)
        detached = side.character in ("suburb", "works") and rng.uniform() < 0.7
        z = stop + (rng.uniform(4, 12) if detached else 0.0)


def paint_house(canvas, rng, sign, corner, height, ground, *, odd=False):
    """One house: gable, facade and roof; ``corner`` is (x, near z, far z)."""
    x, near, far = corner
    facade_normal = (-float(sign), 0.0, 0.0)
    facade = Facade.draw(rng, height, canvas.light, facade_normal, ground=ground, odd=odd)
    roof = draw_near(rng, pick(rng, _ROOFS))
    flat = rng.uniform() < 0.25
    depth, rise = rng.uniform(8, 12), 0.0 if flat else rng.uniform(2.5, 5.0)
    outer, ridge = x + sign * depth, x + sign * depth / 2
    gable_light = canvas.light.on((0.0, 0.0, -1.0))
    gable = replace(facade, ground="plain", brightness=gable_light, bay=facade.bay * 1.7)
    if rise:
        canvas.lit(
            [(x, height, near), (ridge, height + rise, near), (outer, height, near)],
            facade.palette[0], "building",
        )  # fmt: skip
        slope = [(x - sign * 0.3, height, near), (x - sign * 0.3, height, far),
                 (ridge, height + rise, far), (ridge, height + rise, near)]  # fmt: skip
        canvas.lit(slope, roof, "building")
        _paint_chimneys(canvas, rng, ridge, near, far, height + rise, roof)
        if rng.uniform() < 0.5:
            _paint_dormers(canvas, rng, (x, ridge), near, far, (height, rise), facade.palette)
    canvas.wall((x, near), (outer, near), 0, height, gable, "building")
    canvas.wall((x, near), (x, far), 0, height, facade, "building")
    if ground == "shop" and rng.uniform() < 0.4:
        _paint_awnings(canvas, rng, sign, x, near, far)


def _paint_dormers(canvas, rng, across, near, far, eaves, palette):
    """Gabled windows on the slope that faces the street."""
    (x, ridge), (height, rise) = across, eaves
    at = x + 0.35 * (ridge - x)
    low, high = height + 0.3 * rise, height + 0.8 * rise
    z = near + rng.uniform(1, 2.5)
    while z < far - 2:
        for margin, colour in ((0.0, palette[1]), (0.25, palette[3])):
            canvas.lit(
                [(at, low + margin, z + margin), (at, low + margin, z + 1.5 - margin),
                 (at, high - margin, z + 1.5 - margin), (at, high - margin, z + margin)],
                colour, "building",
            )  # fmt: skip
        z += 3.6


def _paint_awnings(canvas, rng, sign, x, near, far):
    """Sunblinds over the shop windows."""
    colour = draw_any(rng, 60, 220)
    z, out = near + 0.5, x - sign * rng.uniform(0.8, 1.5)
    while z < far - 3:
        canvas.lit(
            [(x, 2.9, z), (x, 2.9, z + 3), (out, 2.35, z + 3), (out, 2.35, z)], colour, "building"
        )
        canvas.lit(
            [(out, 2.35, z), (out, 2.35, z + 3), (out, 2.15, z + 3), (out, 2.15, z)],
            scaled(colour, 0.85), "building",
        )  # fmt: skip
        z += 3.4


def _paint_chimneys(canvas, rng, x, near, far, top, colour):
    for _ in range(rng.integers(0, 3)):
        z = rng.uniform(near, far)
        canvas.lit(
            [(x - 0.4, top - 0.5, z), (x - 0.4, top + 1, z), (x + 0.4, top + 1, z),
             (x + 0.4, top - 0.5, z)],
            colour, "building",
        )  # fmt: skip


def paint_view_end(canvas, rng, left, right, z):
    """Houses across the end of the street, facing the camera."""
    at = left
    while at < right:
        width, height = rng.uniform(8, 18), rng.uniform(8, 20)
        facade = Facade.draw(rng, height, canvas.light, (0.0, 0.0, -1.0), ground="doors")
        roof = draw_near(rng, pick(rng, _ROOFS))
        rise = rng.uniform(0, 5)
        brightness = canvas.light.on((0.0, 0.6, -0.8))
        slope = [(at, height, z), (at + 1, height + rise, z), (at + width - 1, height + rise, z),
                 (at + width, height, z)]  # fmt: skip
        canvas.polygon(slope, scaled(roof, brightness), "building")
        canvas.wall((at, z), (at + width, z), 0, height, facade, "building")
        at += width


def paint_bridge(canvas, rng, span, z, *, train):
    """A railway bridge across the street whose opening spans (left, right), with a train or not."""
    light = canvas.light.on((0.0, 0.0, -1.0))
    stone = masonry(draw_near(rng, pick(rng, _STONE)), light)
    if train:
        wagons = Facade.draw(rng, 9.9, canvas.light, (0.0, 0.0, -1.0), ground="plain", odd=True)
        wagons = replace(wagons, floor=3.2, bay=2.4, window_width=0.8, balconies=False, brick=False)
        canvas.wall((-70, z + 2), (70, z + 2), 6.0, 9.4, wagons, "train")
    for pier in ((-80, span[0]), (span[1], 80)):
        canvas.wall((pier[0], z), (pier[1], z), 0, 4.8, stone, "bridge")
    canvas.wall((-80, z), (80, z), 4.6, 6.4, stone, "bridge")
