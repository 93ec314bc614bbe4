"""Cars, vans, trucks, buses and trams: how they are painted, by their measures in vehicles.json.

These are metres along the vehicle from its centre to the front, up from the ground, and across.
"""

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from metaseg_tf.demo.streetscenes.canvas import disc, draw_any, draw_from, rectangle, scaled

__all__ = ["BUS", "CARS", "TRAM", "TRUCKS", "VAN", "Shape", "draw_paint", "paint_vehicle"]


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


@dataclass
class Shape:
    """A vehicle: side view from rear to front, side windows, wheels, and marks on its ends."""

    label: str
    profile: list[Point]
    panes: list  #: Outlines (along, up) or, of a row of equal ones, its ends and their number.
    wheels: list[float]  #: Positions along it, as are seams and mirrors.
    radius: float
    rear: list[Mark]
    front: list[Mark]
    paints: str  #: The palette of its usual colours.
    stripe: tuple[float, float]  #: Lower and upper edge of a dark band along the side.
    seams: list[float]  #: Where doors meet.
    mirrors: float | None

    def __post_init__(self):
        for part, kind in (("profile", Point), ("rear", Mark), ("front", Mark)):
            setattr(self, part, [kind(*row) for row in getattr(self, part)])
        self.half_length = max(point.along for point in self.profile)
        self.height = max(point.up for point in self.profile)
        self.half_width = max(point.half_width for point in self.profile)
        if not isinstance(self.panes[0], list):
            start, end, low, high, count = self.panes
            step = (end - start) / count
            spans = ((start + k * step, start + k * step + step * 0.93) for k in range(count))
            self.panes = [rectangle(left, low, right, high) for left, right in spans]


_FILE = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
_MATERIALS = _FILE["materials"]
_SHAPES = {name: Shape(**measures) for name, measures in _FILE["shapes"].items()}
CARS = [_SHAPES[name] for name in ("saloon", "hatchback", "estate", "small car", "off-roader")]
TRUCKS = [_SHAPES[name] for name in ("lorry", "small lorry", "delivery truck")]
VAN, BUS, TRAM = _SHAPES["van"], _SHAPES["bus"], _SHAPES["tram"]


def draw_paint(rng, shape, oddity):
    """A colour in which this kind of vehicle usually, or with ``oddity`` never, is painted."""
    return draw_any(rng) if rng.uniform() < oddity else draw_from(rng, shape.paints, 0.1)


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
    # The tyres as seen below the front and the rear, in the shade of the body.
    inside, width = half - 0.04, 0.22
    for along in (-end * 0.72, end * 0.72):
        for a, b in ((-inside, width - inside), (inside - width, inside)):
            tyre = frame.place([(x, y, along) for x, y in rectangle(a, 0, b, shape.radius)])
            canvas.polygon(tyre, _MATERIALS["tyre"], shape.label)
    shade = rectangle(-inside, 0.1, inside, shape.profile[0].up + 0.1)
    canvas.polygon(frame.place([(x, y, 0) for x, y in shade]), (14, 14, 15), shape.label)
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
    yield _span(a, inner_a, b, inner_b)
    if a.bevel or b.bevel:
        for side in (-1, 1):
            yield [(side * inner_a, a.up, a.along), (side * inner_b, b.up, b.along),
                   (side * b.half_width, b.up, _set_back(b)),
                   (side * a.half_width, a.up, _set_back(a))]  # fmt: skip


def _span(a, half_a, b, half_b):
    """What spans the vehicle between two corners of the profile."""
    return [(-half_a, a.up, a.along), (-half_b, b.up, b.along),
            (half_b, b.up, b.along), (half_a, a.up, a.along)]  # fmt: skip


def _set_back(point):
    """Where the side begins behind a bevelled corner."""
    return point.along - point.bevel if point.along > 0 else point.along + point.bevel


def _inset(a, b):
    """The pane within a glazed panel, with a frame of paint around it."""
    a, b = (
        Point(*(p[i] + 0.1 * (q[i] - p[i]) for i in range(3)), "glass") for p, q in ((a, b), (b, a))
    )
    return _span(a, 0.88 * a.half_width, b, 0.88 * b.half_width)


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
