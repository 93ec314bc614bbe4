"""Painting vehicles: panels with bevelled corners, windows that mirror the sky, wheels, lamps."""

from itertools import pairwise

from metaseg_tf.demo.streetscenes.colours import draw_any, draw_near, pick, scaled
from metaseg_tf.demo.streetscenes.solid import disc, rectangle

__all__ = ["draw_paint", "paint_vehicle"]

_MATERIALS = {
    "dark": (30, 30, 32),
    "tyre": (24, 24, 26),
    "hub": (128, 130, 134),
    "steel": (120, 122, 126),
    "red": (150, 22, 22),
    "lamp": (232, 230, 220),
    "plate": (226, 226, 220),
    "board": (24, 22, 18),
    "cab": (206, 206, 204),
}


def draw_paint(rng, shape, oddity):
    """A colour in which this kind of vehicle usually, or with ``oddity`` never, is painted."""
    if rng.uniform() < oddity:
        return draw_any(rng)
    return draw_near(rng, pick(rng, shape.paints), 0.1)


def paint_vehicle(canvas, shape, frame, paint, *, braking=False):
    """Paint a vehicle: tyres, panels from far to near, the side, then what is on its ends.

    Parameters
    ----------
    canvas : Canvas
    shape : Shape
    frame : Frame
        Its place and heading.
    paint : (r, g, b)
        Body colour in 0..255.
    braking : bool
        Whether the tail lamps shine.
    """
    colours = {**_MATERIALS, "paint": paint, "glass": _glass(canvas.light)}
    if braking:
        colours["red"] = (252, 62, 48)
    elif canvas.light.dusk:
        colours["red"], colours["lamp"] = (216, 40, 34), (255, 250, 226)
    camera, half, end = canvas.camera, shape.half_width, shape.half_length
    _paint_tyres(canvas, shape, frame)
    _paint_mirrors(canvas, shape, frame, paint)
    _paint_panels(canvas, shape, frame, colours)
    for side in (-1, 1):
        if frame.faces(camera, side, 0, half):
            _paint_side(canvas, shape, frame, side, colours)
    for direction, marks in ((-1, shape.rear), (1, shape.front)):
        if frame.faces(camera, 0, direction, end):
            for mark in marks:
                _paint_mark(canvas, shape, frame, mark, direction, colours[mark.material])


def _glass(light):
    """Colour of a window: dark inside with some of the sky upon it."""
    return tuple(24 + 0.16 * c for c in light.haze)


def _paint_tyres(canvas, shape, frame):
    """The tyres as seen below the front and the rear, in the shade of the body."""
    half, width = shape.half_width - 0.04, 0.22
    for along in (-shape.half_length * 0.72, shape.half_length * 0.72):
        for a, b in ((-half, width - half), (half - width, half)):
            quad = [
                (a, 0, along),
                (a, shape.radius, along),
                (b, shape.radius, along),
                (b, 0, along),
            ]
            canvas.polygon(frame.place(quad), _MATERIALS["tyre"], shape.label)
    floor = shape.profile[0].up
    shade = [(-half, 0.1, 0), (-half, floor + 0.1, 0), (half, floor + 0.1, 0), (half, 0.1, 0)]
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
    """The side's body and windows, the sill's shadow and the wheels."""
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
    _paint_wheels(canvas, shape, frame, side, colours)


def _paint_wheels(canvas, shape, frame, side, colours):
    """Wheel arches, tyres, rims and hubs on one side."""
    for along in shape.wheels:
        for share, material in ((1.18, "dark"), (1.0, "tyre"), (0.64, "hub"), (0.2, "dark")):
            rim = disc(along, shape.radius, shape.radius * share, corners=14)
            canvas.lit(_on_side(shape, frame, side, rim), colours[material], shape.label)


def _paint_mirrors(canvas, shape, frame, paint):
    if shape.mirrors is None:
        return
    up = shape.height * 0.69
    for side in (-1, 1):
        inner, outer = side * shape.half_width * 0.98, side * (shape.half_width + 0.2)
        corners = [(inner, up - 0.08), (inner, up + 0.06), (outer, up + 0.08), (outer, up - 0.06)]
        quad = frame.place([(across, y, shape.mirrors) for across, y in corners])
        canvas.polygon(quad, scaled(paint, 0.7), shape.label)


def _on_side(shape, frame, side, points):
    return frame.place([(side * shape.half_width, max(up, 0.0), along) for along, up in points])


def _half_at(shape, up):
    """Half width at a height, interpolated along the profile; the sides of cars lean in."""
    for a, b in pairwise(shape.profile):
        if a.up <= up <= b.up and b.up > a.up:
            return a.half_width + (b.half_width - a.half_width) * (up - a.up) / (b.up - a.up)
    return shape.half_width


def _paint_mark(canvas, shape, frame, mark, direction, colour):
    """A lamp, plate or board on the end that looks in ``direction``."""
    along = direction * (shape.half_length + 0.01)
    low, high = mark.up - mark.half_height, mark.up + mark.half_height
    for centre in {mark.across, -mark.across}:
        corners = rectangle(centre - mark.half_width, low, centre + mark.half_width, high)
        canvas.polygon(frame.place([(a, up, along) for a, up in corners]), colour, shape.label)
