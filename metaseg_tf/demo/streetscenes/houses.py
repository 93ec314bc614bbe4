"""Buildings as rows of plots along the street, and what closes the view at its end."""

from dataclasses import replace
from typing import NamedTuple

from metaseg_tf.demo.streetscenes.colours import draw_any, draw_near, pick, scaled
from metaseg_tf.demo.streetscenes.facades import Facade, masonry
from metaseg_tf.demo.streetscenes.items import item, positions
from metaseg_tf.demo.streetscenes.solid import rectangle, upright

__all__ = ["House", "house_row", "paint_bridge", "paint_house", "paint_view_end"]

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


class House(NamedTuple):
    """A house on the side ``sign`` of the street, from ``near`` to ``far`` along it, in metres."""

    sign: int
    x: float
    near: float
    far: float
    height: float
    ground: str
    odd: bool


def house_row(rng, side, start, end, oddity):
    """Items of the houses on one side between two distances; only suburbs have gaps."""
    (low, high), shops = _HABITS[side.character]
    z = start
    while z < end:
        stop = min(z + rng.uniform(8, 20), end)
        ground = "shop" if rng.uniform() < shops else "doors"
        x = side.at(side.facade + rng.uniform(0, 1.0) * (rng.uniform() < 0.3))
        odd = bool(rng.uniform() < oddity)
        house = House(side.sign, x, z, stop, rng.uniform(low, high), ground, odd)
        yield item(stop - 0.1, paint_house, house)
        detached = side.character in ("suburb", "works") and rng.uniform() < 0.7
        z = stop + (rng.uniform(4, 12) if detached else 0.0)


def paint_house(canvas, rng, house):
    """One house: roof, gable, facade and what hangs on it."""
    normal = (-float(house.sign), 0.0, 0.0)
    facade = Facade.draw(
        rng, house.height, canvas.light, normal, ground=house.ground, odd=house.odd
    )
    light = canvas.light.on((0.0, 0.0, -1.0))
    gable = replace(facade, ground="plain", brightness=light, bay=facade.bay * 1.7)
    depth = house.sign * rng.uniform(8, 12)
    if rng.uniform() < 0.75:
        _paint_roof(canvas, rng, house, depth, facade.palette)
    corner = (house.x, house.near)
    canvas.wall(corner, (house.x + depth, house.near), 0, house.height, gable, "building")
    canvas.wall(corner, (house.x, house.far), 0, house.height, facade, "building")
    if house.ground == "shop" and rng.uniform() < 0.4:
        _paint_awnings(canvas, rng, house)


def _paint_roof(canvas, rng, house, depth, palette):
    """A pitched roof over a house ``depth`` metres deep, with chimneys and dormers."""
    _, x, near, far, eaves = house[:5]
    ridge, top, colour = (
        x + depth / 2,
        eaves + rng.uniform(2.5, 5.0),
        draw_near(rng, pick(rng, _ROOFS)),
    )
    end = [(x, eaves, near), (ridge, top, near), (x + depth, eaves, near)]
    canvas.lit(end, palette[0], "building")
    edge = x - house.sign * 0.3
    slope = [(edge, eaves, near), (edge, eaves, far), (ridge, top, far), (ridge, top, near)]
    canvas.lit(slope, colour, "building")
    for _ in range(rng.integers(0, 3)):
        chimney = rectangle(-0.4, top - 0.5, 0.4, top + 1)
        canvas.lit(upright(ridge, rng.uniform(near, far), chimney), colour, "building")
    if rng.uniform() < 0.5:
        at = x + 0.35 * (ridge - x)
        low, high = eaves + 0.3 * (top - eaves), eaves + 0.8 * (top - eaves)
        for z in positions(rng, near + rng.uniform(1, 2.5), far - 2, (3.5, 3.7)):
            _paint_dormer(canvas, at, low, high, z, palette)


def _paint_dormer(canvas, x, low, high, z, palette):
    """A window that stands on the slope, in its frame."""
    for margin, colour in ((0.0, palette[1]), (0.25, palette[3])):
        outline = rectangle(z + margin, low + margin, z + 1.5 - margin, high - margin)
        canvas.lit([(x, up, along) for along, up in outline], colour, "building")


def _paint_awnings(canvas, rng, house):
    """Sunblinds over the shop windows, each a slope and a valance."""
    colour, x = draw_any(rng, 60, 220), house.x
    out = x - house.sign * rng.uniform(0.8, 1.5)
    for z in positions(rng, house.near + 0.5, house.far - 3, (3.4, 3.5)):
        far = z + 3
        slope = [(x, 2.9, z), (x, 2.9, far), (out, 2.35, far), (out, 2.35, z)]
        canvas.lit(slope, colour, "building")
        valance = [(out, 2.35, z), (out, 2.35, far), (out, 2.15, far), (out, 2.15, z)]
        canvas.lit(valance, scaled(colour, 0.85), "building")


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
