"""Cars, vans, trucks, buses and trams: profiles extruded across and dressed with details."""

from typing import NamedTuple

from metaseg_tf.streetscenes.solid import Frame, disc

__all__ = ["BUS", "CARS", "TRAM", "TRUCK", "VAN", "Shape", "draw_paint", "paint_vehicle"]


class Shape(NamedTuple):
    """A vehicle's side view in metres, rear to front.

    ``profile`` holds (along, up, half_width, material of the panel to the next point);
    ``panes`` the side windows as outlines of (along, up).
    """

    label: str
    profile: tuple
    panes: tuple
    wheels: tuple
    radius: float

    @property
    def half_length(self):
        """Half of the length in metres."""
        return max(point[0] for point in self.profile)

    @property
    def half_width(self):
        """Half of the width in metres."""
        return max(point[2] for point in self.profile)

    @property
    def height(self):
        """Height in metres."""
        return max(point[1] for point in self.profile)


def _car(boot, roof_rear, roof_front, screen, height):
    """A car from where boot, roof and windscreen begin and end along it, in metres."""
    profile = (
        (-2.1, 0.28, 0.84, "paint"),
        (-2.15, 0.72, 0.87, "paint"),
        (-2.05, 0.94, 0.86, "paint"),
        (boot, 0.98, 0.84, "glass"),
        (roof_rear, height - 0.03, 0.62, "paint"),
        (roof_front, height, 0.62, "glass"),
        (screen, 0.96, 0.84, "paint"),
        (1.95, 0.8, 0.82, "paint"),
        (2.15, 0.62, 0.84, "paint"),
        (2.12, 0.28, 0.84, "dark"),
    )
    middle = (roof_rear + roof_front) / 2
    panes = (
        ((boot + 0.2, 0.98), (roof_rear + 0.05, height - 0.1), (middle - 0.05, height - 0.08),
         (middle - 0.05, 0.98)),
        ((middle + 0.05, 0.98), (middle + 0.05, height - 0.08), (roof_front, height - 0.08),
         (screen - 0.2, 0.96)),
    )  # fmt: skip
    return Shape("car", profile, panes, (-1.3, 1.3), 0.31)


def _box(label, length, width, height, floor, panes, wheels, rear="paint", radius=0.46):
    """A box on wheels with a glazed front."""
    back, front, half = -length / 2, length / 2, width / 2
    profile = (
        (back, floor, half, rear),
        (back, height, half, "paint"),
        (front - 0.15, height, half, "glass"),
        (front, height * 0.42, half, "paint"),
        (front, floor, half, "dark"),
    )
    return Shape(label, profile, panes, wheels, radius)


def _row_of_panes(start, end, low, high, count):
    step = (end - start) / count
    return tuple(
        ((a, low), (a, high), (a + step * 0.93, high), (a + step * 0.93, low))
        for a in (start + k * step for k in range(count))
    )


#: Saloon, hatchback, estate, small car, off-roader.
CARS = (
    _car(-1.45, -0.85, 0.35, 1.15, 1.42),
    _car(-1.95, -1.45, 0.3, 1.1, 1.48),
    _car(-2.0, -1.75, 0.35, 1.2, 1.46),
    _car(-1.85, -1.3, 0.45, 1.3, 1.55),
    _car(-2.02, -1.8, 0.5, 1.15, 1.75),
)
VAN = _box(
    "car", 5.0, 1.95, 2.1, 0.3, (((0.9, 1.15), (0.9, 1.85), (1.9, 1.8), (2.2, 1.15)),), (-1.6, 1.6)
)
TRUCK = _box(
    "truck", 8.2, 2.5, 3.5, 0.6, (((3.0, 1.7), (3.0, 2.5), (3.8, 2.5), (3.9, 1.7)),),
    (-2.8, -1.7, 3.0), rear="box",
)  # fmt: skip
BUS = _box(
    "bus", 11.8, 2.55, 3.05, 0.3, _row_of_panes(-5.5, 5.4, 1.25, 2.5, 8), (-3.4, 3.2), rear="bus"
)
TRAM = _box(
    "train", 24.0, 2.4, 3.5, 0.25, _row_of_panes(-11.6, 11.4, 1.4, 2.7, 14), (), rear="glass"
)

_PAINTS = (
    (46, 48, 52), (58, 60, 66), (150, 152, 156), (182, 184, 186), (214, 214, 212), (36, 44, 64),
    (108, 110, 112), (110, 28, 32), (40, 66, 104), (70, 74, 64),
)  # fmt: skip
_FLEET = {
    "truck": ((220, 220, 216), (60, 90, 150), (200, 150, 40), (140, 40, 40), (100, 120, 90)),
    "bus": ((196, 40, 36), (226, 220, 200), (220, 180, 40), (56, 90, 150), (230, 230, 228)),
    "train": ((200, 44, 40), (232, 228, 216), (226, 190, 60), (70, 120, 80), (60, 96, 150)),
}
_MATERIALS = {
    "glass": (44, 52, 60),
    "dark": (30, 30, 32),
    "tyre": (26, 26, 28),
    "hub": (130, 132, 136),
    "red": (170, 26, 24),
    "lamp": (236, 234, 220),
    "plate": (230, 230, 224),
}


def draw_paint(rng, label, oddity):
    """A colour in which this kind of vehicle is usually, or with ``oddity`` never, painted."""
    if rng.uniform() < oddity:
        return tuple(rng.uniform(20, 240, 3).tolist())
    paints = _FLEET.get(label, _PAINTS)
    return tuple(c * rng.uniform(0.9, 1.1) for c in paints[rng.integers(len(paints))])


def paint_vehicle(canvas, shape, frame, paint, *, braking=False):
    """Paint a vehicle: far panels first, then the side, wheels, lamps and plate.

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
    colours = {**_MATERIALS, "paint": paint, "box": [c * 0.92 for c in paint], "bus": paint}
    _paint_tyres(canvas, shape, frame)
    side = 1 if frame.faces(canvas.camera, 1, 0, shape.half_width) else -1
    _paint_panels(canvas, shape, frame, colours)
    if frame.faces(canvas.camera, side, 0, shape.half_width):
        _paint_side(canvas, shape, frame, side, colours)
    if frame.faces(canvas.camera, 0, -1, shape.half_length):
        _paint_rear(canvas, shape, frame, braking)
    if frame.faces(canvas.camera, 0, 1, shape.half_length):
        _paint_front(canvas, shape, frame)


def _paint_tyres(canvas, shape, frame):
    """The lower halves of the tyres as seen from the front or the rear."""
    half, low = shape.half_width, shape.radius
    for along in (-shape.half_length * 0.7, shape.half_length * 0.7):
        for a, b in ((-half, -half + 0.24), (half - 0.24, half)):
            quad = [(a, 0, along), (a, low, along), (b, low, along), (b, 0, along)]
            canvas.polygon(frame.place(quad), _MATERIALS["tyre"], shape.label)


def _paint_panels(canvas, shape, frame, colours):
    """Rear, roof, windows and front, the farthest first."""
    points = shape.profile
    panels = []
    for (l0, u0, h0, material), (l1, u1, h1, _) in zip(points, points[1:], strict=False):
        corners = [(-h0, u0, l0), (-h1, u1, l1), (h1, u1, l1), (h0, u0, l0)]
        panels.append((frame.place(corners), colours[material]))
    panels.sort(key=lambda panel: -sum(p[2] for p in panel[0]))
    for corners, colour in panels:
        canvas.lit(corners, colour, shape.label)


def _paint_side(canvas, shape, frame, side, colours):
    outline = [(side * h, up, along) for along, up, h, _ in shape.profile]
    canvas.lit(frame.place(outline), colours["paint"], shape.label)
    for pane in shape.panes:
        lean = [(side * _half_at(shape, up), up, along) for along, up in pane]
        canvas.lit(frame.place(lean), colours["glass"], shape.label)
    sill = [(side * shape.half_width, up, along) for along, up in (
        (-shape.half_length, 0.28), (-shape.half_length, 0.4),
        (shape.half_length, 0.4), (shape.half_length, 0.28))]  # fmt: skip
    canvas.lit(frame.place(sill), colours["dark"], shape.label)
    for along in shape.wheels:
        for radius, material in ((shape.radius * 1.15, "dark"), (shape.radius, "tyre"),
                                 (shape.radius * 0.62, "hub")):  # fmt: skip
            rim = [(side * shape.half_width, up, a) for a, up in disc(along, shape.radius, radius)]
            canvas.lit(frame.place(rim), colours[material], shape.label)


def _half_at(shape, up):
    """Half width at a height: cars lean in above the shoulder."""
    half = shape.half_width
    return half if shape.label != "car" or up < 1 else half - 0.24 * (up - 0.96) / 0.46


def _paint_rear(canvas, shape, frame, braking):
    half, back = shape.half_width, -shape.half_length - 0.02
    colour = (250, 60, 48) if braking else _MATERIALS["red"]
    for side in (-1, 1):
        _plate(canvas, frame, shape.label, side * half * 0.82, 0.78, 0.15, 0.14, back, colour)
    _plate(canvas, frame, shape.label, 0, 0.62, 0.26, 0.06, back, _MATERIALS["plate"])
    if shape.label == "bus":
        _plate(canvas, frame, "bus", 0, 2.1, half * 0.8, 0.4, back, _MATERIALS["glass"])
    if shape.label == "truck":
        for across in (-0.5, 0.5):
            _plate(canvas, frame, "truck", across * half, 2.1, 0.03, 1.2, back, _MATERIALS["dark"])


def _paint_front(canvas, shape, frame):
    half, front = shape.half_width, shape.half_length + 0.02
    for side in (-1, 1):
        lamp = _MATERIALS["lamp"]
        _plate(canvas, frame, shape.label, side * half * 0.78, 0.7, 0.19, 0.09, front, lamp)
    _plate(canvas, frame, shape.label, 0, 0.62, half * 0.45, 0.1, front, _MATERIALS["dark"])
    _plate(canvas, frame, shape.label, 0, 0.42, 0.26, 0.055, front, _MATERIALS["plate"])


def _plate(canvas, frame, label, across, up, half_width, half_height, along, colour):
    """A small upright rectangle on the front or rear."""
    left, right = across - half_width, across + half_width
    low, high = up - half_height, up + half_height
    corners = [(left, low, along), (left, high, along), (right, high, along), (right, low, along)]
    canvas.polygon(frame.place(corners), colour, label)
