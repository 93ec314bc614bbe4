"""Cars, vans, trucks, buses and trams: their shapes in metres and how they are painted."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from metaseg_tf.demo.streetscenes.tools import disc, draw_any, draw_near, pick, rectangle, scaled

__all__ = [
    "BUS", "CARS", "TRAM", "TRUCKS", "VAN", "Mark", "Point", "Shape", "draw_paint", "paint_vehicle",
]  # fmt: skip

_DARK_PAINTS = ((40, 42, 46), (56, 58, 64), (30, 38, 58), (96, 26, 30), (36, 58, 94), (58, 64, 56))
_LIGHT_PAINTS = ((150, 152, 156), (186, 188, 190), (216, 216, 214), (110, 112, 114))
_VAN_PAINTS = ((222, 222, 220), (190, 192, 194), (226, 186, 40), (60, 80, 130), (90, 92, 96))
_TRUCK_PAINTS = ((222, 222, 218), (60, 90, 150), (200, 150, 40), (150, 48, 44), (110, 128, 96))
_BUS_PAINTS = ((196, 40, 36), (226, 220, 200), (220, 180, 40), (56, 90, 150), (230, 230, 228))
_TRAM_PAINTS = ((200, 44, 40), (232, 228, 216), (226, 190, 60), (70, 120, 80), (60, 96, 150))


class Point(NamedTuple):
    """A corner of the side view; ``material`` is that of the panel to the next corner."""

    along: float
    up: float
    half_width: float
    material: str
    bevel: float = 0.0


class Mark(NamedTuple):
    """An upright rectangle on the front or rear, across its centre or once on either side."""

    across: float
    up: float
    half_width: float
    half_height: float
    material: str


@dataclass(frozen=True)
class Shape:
    """A vehicle: side view from rear to front, side windows, wheels and what front and rear bear.

    ``panes`` are outlines (along, up); ``wheels``, ``seams`` (where doors meet) and ``mirrors``
    are positions along it; ``stripe`` is the lower and upper edge of a dark band along the side.
    """

    label: str
    profile: tuple[Point, ...]
    panes: tuple
    wheels: tuple[float, ...]
    radius: float
    rear: tuple[Mark, ...]
    front: tuple[Mark, ...]
    paints: tuple
    stripe: tuple[float, float]
    seams: tuple[float, ...] = ()
    mirrors: float | None = None

    @cached_property
    def half_length(self):
        return max(point.along for point in self.profile)

    @cached_property
    def half_width(self):
        return max(point.half_width for point in self.profile)

    @cached_property
    def height(self):
        return max(point.up for point in self.profile)


_PLATE = Mark(0, 0.6, 0.26, 0.06, "plate")


def _car(boot, roof_rear, roof_front, screen, height, shoulder=0.94):
    """A car from where boot, roof and windscreen begin and end along it."""
    roof = 0.6 + 0.04 * (height > 1.6)
    profile = (
        Point(-2.0, 0.2, 0.8, "dark", 0.2),
        Point(-2.12, 0.4, 0.86, "paint", 0.26),
        Point(-2.1, 0.66, 0.88, "paint", 0.26),
        Point(min(boot, -1.95), shoulder, 0.86, "paint", 0.18),
        Point(boot, shoulder + 0.04, 0.8, "glass", 0.06),
        Point(roof_rear, height - 0.05, roof, "paint"),
        Point((roof_rear + roof_front) / 2, height, roof, "paint"),
        Point(roof_front, height - 0.03, roof, "glass"),
        Point(screen, shoulder + 0.02, 0.8, "paint", 0.1),
        Point(1.85, shoulder - 0.14, 0.82, "paint", 0.2),
        Point(2.08, 0.62, 0.86, "paint", 0.34),
        Point(2.14, 0.42, 0.86, "dark", 0.36),
        Point(2.05, 0.2, 0.8, "dark", 0.3),
    )
    rear = (Mark(0.6, 0.82, 0.1, 0.09, "red"), Mark(0.0, 0.3, 0.7, 0.05, "dark"), _PLATE)
    front = (
        Mark(0.62, 0.66, 0.16, 0.07, "lamp"),
        Mark(0.0, 0.56, 0.34, 0.08, "dark"),
        Mark(0.0, 0.4, 0.26, 0.055, "plate"),
    )
    # Rear and front side window, with the pillar between them.
    pillar, top = (roof_rear + roof_front) / 2 + 0.1, height - 0.12
    behind, before = pillar - 0.05, pillar + 0.05
    panes = (
        ((boot + 0.3, shoulder), (roof_rear + 0.12, top), (behind, top + 0.03), (behind, shoulder)),
        ((before, shoulder), (before, top + 0.03), (roof_front - 0.05, top),
         (screen - 0.2, shoulder)),
    )  # fmt: skip
    return Shape(
        "car", profile, panes, (-1.3, 1.32), 0.32, rear, front, _DARK_PAINTS + _LIGHT_PAINTS * 2,
        (0.2, 0.3), seams=(pillar, screen - 0.15), mirrors=screen - 0.3,
    )  # fmt: skip


def _box(label, size, floor, panes, wheels, rear, front, paints, *, bevel=0.1, stripe=(0.3, 0.5)):
    """A box of (length, width, height) on wheels with a glazed front."""
    length, width, height = size
    back, nose, half = -length / 2, length / 2, width / 2
    profile = (
        Point(back, floor, half, "paint", bevel),
        Point(back, height - 0.1, half, "paint", bevel),
        Point(back + 0.15, height, half - 0.1, "paint"),
        Point(nose - 0.35, height, half - 0.1, "paint"),
        Point(nose - 0.2, height - 0.25, half, "glass", bevel),
        Point(nose - 0.02, height * 0.4, half, "paint", bevel),
        Point(nose, floor, half, "dark", bevel),
    )
    radius = 0.34 if length < 6 else 0.48
    return Shape(label, profile, panes, wheels, radius, rear, front, paints, stripe)


def _row_of_panes(start, end, low, high, count):
    step = (end - start) / count
    edges = (start + k * step for k in range(count))
    return tuple(
        ((a, low), (a, high), (a + step * 0.93, high), (a + step * 0.93, low)) for a in edges
    )


_BOX_FRONT = (Mark(0.74, 0.75, 0.2, 0.1, "lamp"), Mark(0, 0.5, 0.26, 0.06, "plate"))
_BOX_REAR = (Mark(0.95, 0.95, 0.09, 0.2, "red"), _PLATE)

#: Saloon, hatchback, estate, small car, off-roader.
CARS = (
    _car(-1.5, -0.8, 0.3, 1.2, 1.43),
    _car(-2.0, -1.4, 0.3, 1.15, 1.48),
    _car(-2.02, -1.7, 0.35, 1.2, 1.47),
    _car(-1.9, -1.3, 0.45, 1.35, 1.56),
    _car(-2.04, -1.75, 0.45, 1.2, 1.74, shoulder=1.08),
)
VAN = _box(
    "car", (5.0, 1.95, 2.05), 0.25, _row_of_panes(0.9, 2.2, 1.15, 1.8, 1), (-1.6, 1.6),
    (Mark(0.45, 1.5, 0.36, 0.28, "glass"), Mark(0.86, 1.0, 0.09, 0.25, "red"),
     Mark(0.0, 1.1, 0.015, 0.75, "dark"), _PLATE),
    _BOX_FRONT, _VAN_PAINTS, bevel=0.12,
)  # fmt: skip


def _doors(width, height):
    """Two leaves with their bolts on a box's rear, above a bumper."""
    middle, half = (height + 0.8) / 2, (height - 1.1) / 2
    return (
        Mark(0.0, middle, 0.02, half, "dark"),
        Mark(0.5, middle, 0.03, half, "steel"),
        Mark(0.0, 0.72, width / 2 - 0.05, 0.1, "dark"),
        *_BOX_REAR,
    )


def _lorry(length, width, height, cab):
    """A box body behind a lower cab."""
    half, end, nose = width / 2, length / 2 - 2.3, length / 2
    profile = (
        Point(-length / 2, 0.6, half, "paint"),
        Point(-length / 2, height, half, "paint"),
        Point(end, height, half, "paint"),
        Point(end + 0.05, cab, half - 0.1, "cab"),
        Point(nose - 0.4, cab, half - 0.1, "glass"),
        Point(nose - 0.1, cab * 0.55, half - 0.05, "cab", 0.1),
        Point(nose, 0.5, half - 0.05, "dark", 0.1),
    )
    panes = _row_of_panes(end + 0.8, nose - 0.5, cab * 0.58, cab * 0.9, 1)
    wheels = (-length * 0.34, -length * 0.2, length * 0.37)
    return Shape(
        "truck", profile, panes, wheels, 0.48, _doors(width, height), _BOX_FRONT, _TRUCK_PAINTS,
        (0.6, 0.75), mirrors=nose - 0.3,
    )  # fmt: skip


#: A lorry, a smaller one and a delivery truck.
TRUCKS = (
    _lorry(8.6, 2.5, 3.6, 2.7),
    _lorry(7.0, 2.3, 3.1, 2.3),
    _box("truck", (6.4, 2.2, 2.9), 0.5, _row_of_panes(2.0, 2.9, 1.4, 2.1, 1), (-1.9, 2.1),
         _doors(2.2, 2.9), _BOX_FRONT, _TRUCK_PAINTS, bevel=0.04, stripe=(0.5, 0.7)),
)  # fmt: skip
BUS = _box(
    "bus", (11.8, 2.55, 3.05), 0.3, _row_of_panes(-5.5, 5.4, 1.25, 2.5, 8), (-3.4, 3.2),
    (Mark(0.0, 2.1, 0.95, 0.42, "glass"), Mark(0.0, 2.75, 0.5, 0.14, "board"), *_BOX_REAR),
    (Mark(0.0, 2.72, 0.85, 0.16, "board"), *_BOX_FRONT), _BUS_PAINTS, bevel=0.2,
)  # fmt: skip
TRAM = _box(
    "train", (24.0, 2.4, 3.5), 0.2, _row_of_panes(-11.6, 11.4, 1.4, 2.7, 14), (),
    (Mark(0.0, 2.0, 0.95, 0.75, "glass"), Mark(0.0, 3.0, 0.6, 0.14, "board"),
     Mark(0.8, 0.8, 0.1, 0.1, "red")),
    (Mark(0.0, 3.0, 0.6, 0.16, "board"), *_BOX_FRONT[:1]), _TRAM_PAINTS, bevel=0.5,
)  # fmt: skip


_MATERIALS = {
    "dark": (30, 30, 32), "tyre": (24, 24, 26), "hub": (128, 130, 134), "steel": (120, 122, 126),
    "red": (150, 22, 22), "lamp": (232, 230, 220), "plate": (226, 226, 220),
    "board": (24, 22, 18), "cab": (206, 206, 204),
}  # fmt: skip


def draw_paint(rng, shape, oddity):
    """A colour in which this kind of vehicle usually, or with ``oddity`` never, is painted."""
    if rng.uniform() < oddity:
        return draw_any(rng)
    return draw_near(rng, pick(rng, shape.paints), 0.1)


def paint_vehicle(canvas, _rng, shape, frame, paint, *, braking=False):
    """Paint a vehicle in its Frame: tyres, panels from far to near, the side, marks on its ends.

    ``paint`` is the body's colour in 0..255; the tail lamps shine if it is ``braking``.
    """
    # Windows are dark inside, with some of the sky upon them.
    glass = tuple(24 + 0.16 * c for c in canvas.light.haze)
    colours = {**_MATERIALS, "paint": paint, "glass": glass}
    if braking:
        colours["red"] = (252, 62, 48)
    elif canvas.light.dusk:
        colours["red"], colours["lamp"] = (216, 40, 34), (255, 250, 226)
    camera, half, end = canvas.camera, shape.half_width, shape.half_length
    _paint_tyres(canvas, shape, frame)
    if shape.mirrors is not None:
        up = shape.height * 0.69
        for side in (-1, 1):
            inner, outer = side * half * 0.98, side * (half + 0.2)
            mirror = (inner, up - 0.08), (inner, up + 0.06), (outer, up + 0.08), (outer, up - 0.06)
            quad = frame.place([(across, y, shape.mirrors) for across, y in mirror])
            canvas.polygon(quad, scaled(paint, 0.7), shape.label)
    _paint_panels(canvas, shape, frame, colours)
    for side in (-1, 1):
        if frame.faces(camera, side, 0, half):
            _paint_side(canvas, shape, frame, side, colours)
    for direction, marks in ((-1, shape.rear), (1, shape.front)):
        if not frame.faces(camera, 0, direction, end):
            continue
        for mark in marks:
            low, high = mark.up - mark.half_height, mark.up + mark.half_height
            for centre in {mark.across, -mark.across}:
                corners = rectangle(centre - mark.half_width, low, centre + mark.half_width, high)
                outline = frame.place([(a, up, direction * (end + 0.01)) for a, up in corners])
                canvas.polygon(outline, colours[mark.material], shape.label)


def _paint_tyres(canvas, shape, frame):
    """The tyres as seen below the front and the rear, in the shade of the body."""
    half, width = shape.half_width - 0.04, 0.22
    for along in (-shape.half_length * 0.72, shape.half_length * 0.72):
        for a, b in ((-half, width - half), (half - width, half)):
            tyre = frame.place([(x, y, along) for x, y in rectangle(a, 0, b, shape.radius)])
            canvas.polygon(tyre, _MATERIALS["tyre"], shape.label)
    floor = shape.profile[0].up
    shade = [(x, y, 0) for x, y in rectangle(-half, 0.1, half, floor + 0.1)]
    canvas.polygon(frame.place(shade), (14, 14, 15), shape.label)


def _paint_panels(canvas, shape, frame, colours):
    """Rear, boot, roof, screens and front, the farthest first, each with bevelled corners."""
    faces = []
    for a, b in pairwise(shape.profile):
        glazed = a.material == "glass"
        colour = colours["paint" if glazed else a.material]
        faces += [(frame.place(outline), colour) for outline in _panel(a, b)]
        if glazed:
            faces.append((frame.place(_inset(a, b)), colours["glass"]))
    faces.sort(key=lambda face: -max(point[2] for point in face[0]))
    for outline, colour in faces:
        canvas.lit(outline, colour, shape.label)


def _panel(a, b):
    """The panel between two corners of the profile: a middle and, if bevelled, two corners."""
    inner_a, inner_b = (p.half_width - (0.2 if p.bevel else 0.0) for p in (a, b))
    yield [(-inner_a, a.up, a.along), (-inner_b, b.up, b.along),
           (inner_b, b.up, b.along), (inner_a, a.up, a.along)]  # fmt: skip
    if a.bevel or b.bevel:
        for side in (-1, 1):
            yield [(side * inner_a, a.up, a.along), (side * inner_b, b.up, b.along),
                   (side * b.half_width, b.up, _set_back(b)),
                   (side * a.half_width, a.up, _set_back(a))]  # fmt: skip


def _set_back(point):
    """Where the side begins behind a bevelled corner."""
    return point.along - point.bevel if point.along > 0 else point.along + point.bevel


def _inset(a, b):
    """The pane within a glazed panel, with a frame of paint around it."""
    corners = []
    for p, q in ((a, b), (b, a)):
        share = 0.1
        along, up = p.along + share * (q.along - p.along), p.up + share * (q.up - p.up)
        half = 0.88 * (p.half_width + share * (q.half_width - p.half_width))
        corners.append((half, up, along))
    (ha, ua, la), (hb, ub, lb) = corners
    return [(-ha, ua, la), (-hb, ub, lb), (hb, ub, lb), (ha, ua, la)]


def _paint_side(canvas, shape, frame, side, colours):
    """The side's body and windows, the sill's shadow, doors and wheels."""
    outline = [(side * p.half_width, p.up, _set_back(p)) for p in shape.profile]
    canvas.lit(frame.place(outline), colours["paint"], shape.label)
    for pane in shape.panes:
        lean = [(side * _half_at(shape, up), up, along) for along, up in pane]
        canvas.lit(frame.place(lean), colours["glass"], shape.label)
    low, high = shape.stripe
    end = shape.half_length - 0.4
    sill = rectangle(-end, low, end, high)
    canvas.lit(_on_side(shape, frame, side, sill), colours["dark"], shape.label)
    for along in shape.seams:
        seam = rectangle(along - 0.012, 0.35, along + 0.012, 0.94)
        canvas.lit(_on_side(shape, frame, side, seam), scaled(colours["paint"], 0.6), shape.label)
    for along in shape.wheels:
        for share, material in ((1.18, "dark"), (1.0, "tyre"), (0.64, "hub"), (0.2, "dark")):
            rim = disc(along, shape.radius, shape.radius * share, corners=14)
            canvas.lit(_on_side(shape, frame, side, rim), colours[material], shape.label)


def _on_side(shape, frame, side, points):
    return frame.place([(side * shape.half_width, max(up, 0.0), along) for along, up in points])


def _half_at(shape, up):
    """Half width at a height, interpolated along the profile; the sides of cars lean in."""
    for a, b in pairwise(shape.profile):
        if a.up <= up <= b.up and b.up > a.up:
            return a.half_width + (b.half_width - a.half_width) * (up - a.up) / (b.up - a.up)
    return shape.half_width
