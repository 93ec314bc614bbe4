"""People, two-wheelers, street furniture, trees and bushes: flat cut-outs that face the camera.

Their pieces are painted from the back to the front. Of two-wheelers ``turn`` in (0, 1] is the share
of their length that is seen: 1 from the side.
"""

import json
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from scipy import ndimage

from metaseg_tf.demo.streetscenes.canvas import (
    KINDS,
    PALETTES,
    SIDE,
    disc,
    draw_any,
    draw_from,
    draw_near,
    make_stamp,
    noise_tile,
    pick,
    rectangle,
    scaled,
)

__all__ = [
    "draw_foliage_colour", "paint_bicycle", "paint_bollard", "paint_bush", "paint_clutter",
    "paint_lamp", "paint_motorcycle", "paint_person", "paint_rider", "paint_sign",
    "paint_traffic_light", "paint_tree",
]  # fmt: skip

_FILE = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
_SIGN_COLOURS = _FILE["sign colours"]
_SHOES, _TYRE, _SPOKES, _CHROME = (30, 28, 28), (30, 30, 32), (118, 118, 116), (140, 142, 146)
_TALL = 1.75


def _tube(start, end, thick):
    """A bar from start to end as a thin quadrilateral."""
    (xa, ya), (xb, yb) = start, end
    length = max(1e-6, ((xb - xa) ** 2 + (yb - ya) ** 2) ** 0.5)
    nx, ny = -(yb - ya) / length * thick / 2, (xb - xa) / length * thick / 2
    return [(xa + nx, ya + ny), (xb + nx, yb + ny), (xb - nx, yb - ny), (xa - nx, ya - ny)]


def paint_person(canvas, rng, x, z, height):
    """Someone who stands or walks, ``height`` metres tall."""
    scale = height / _TALL

    def paint(outline, colour):
        points = [(across * scale, up * scale) for across, up in outline]
        canvas.cutout(x, z, points, colour, "person")

    # Legs, trunk with its side in the shade, arms, hands, at times a bag, and the head.
    stride, breadth = rng.uniform(0.02, 0.22), rng.uniform(0.19, 0.26)
    jacket, trousers = draw_from(rng, "clothes"), draw_from(rng, "clothes")
    for side in (-1, 1):
        foot = side * stride
        hips = sorted([(side * -0.01, 0.9), (side * 0.17, 0.9)])
        paint([hips[0], (foot - 0.07, 0.04), (foot + 0.07, 0.04), hips[1]], trousers)
        paint(rectangle(foot - 0.08, 0, foot + 0.1, 0.07), _SHOES)
    if rng.uniform() < 0.15:
        paint([(-0.16, 0.95), (-0.24, 0.5), (0.24, 0.5), (0.16, 0.95)], jacket)
    shoulders = (-breadth, 1.4), (-0.1, 1.5), (0.1, 1.5), (breadth, 1.4)
    paint([(-0.17, 0.82), *shoulders, (0.17, 0.82)], jacket)
    paint([(0.17, 0.82), (breadth, 1.4), (0.1, 1.5), (0.06, 0.82)], scaled(jacket, 0.8))
    skin = draw_from(rng, "skin")
    for side in (-1, 1):
        hand = (side * (breadth + stride * 0.5), 0.82)
        paint(_tube((side * breadth * 0.9, 1.38), hand, 0.12), scaled(jacket, 0.85))
        paint(disc(*hand, 0.05, corners=6), skin)
    if rng.uniform() < 0.3:
        paint(rectangle(breadth, 0.7, breadth + 0.2, 1.05), draw_from(rng, "clothes"))
    skin = draw_from(rng, "skin")
    paint(rectangle(-0.05, 1.45, 0.05, 1.55), skin)
    paint(disc(0, 1.63, 0.1, height=0.13, corners=10), skin)
    hair = [(-0.11, 1.62), (-0.1, 1.73), (0, 1.78), (0.1, 1.73), (0.11, 1.62), (0, 1.7)]
    paint(hair, draw_from(rng, "hair"))


def paint_bicycle(canvas, rng, x, z, *, turn=1.0):
    """A bicycle on its own."""
    paint, lacquer = partial(canvas.cutout, x, z, label="bicycle"), draw_from(rng, "clothes")
    rear, front = (-0.52 * turn, 0.34), (0.52 * turn, 0.34)
    wide = max(0.34 * turn, 0.035)
    for wheel in (rear, front):
        paint(disc(*wheel, wide, height=0.34), _TYRE)
        if turn > 0.3:
            paint(disc(*wheel, wide * 0.85, height=0.29), _SPOKES)
    crank, saddle, head = (-0.05 * turn, 0.32), (-0.2 * turn, 0.86), (0.36 * turn, 0.84)
    bars = (rear, crank), (crank, saddle), (crank, head), (saddle, head), (rear, saddle)
    for start, end in (*bars, (front, (0.33 * turn, 1.0))):
        paint(_tube(start, end, 0.05), lacquer)
    paint(rectangle(saddle[0] - 0.12, 0.88, saddle[0] + 0.1, 0.94), _SHOES)
    grip = 0.2 * (1.2 - turn)
    paint(rectangle(0.33 * turn - grip, 0.98, 0.33 * turn + grip, 1.03), (40, 40, 42))


_TANK = ((-0.7, 0.55), (-0.4, 0.85), (0.1, 0.8), (0.5, 0.9), (0.55, 0.5), (0.1, 0.25), (-0.4, 0.3))
_SEAT = ((-0.75, 0.8), (-0.7, 0.92), (0.05, 0.86), (0.05, 0.78))
_FORK = ((0.4, 0.75), (0.45, 1.15), (0.6, 1.1), (0.66, 0.6))


def paint_motorcycle(canvas, rng, x, z, *, turn=1.0):
    """A motorcycle on its own."""
    paint, lacquer = partial(canvas.cutout, x, z, label="motorcycle"), draw_from(rng, "clothes")
    wide = max(turn, 0.3)
    for across in (-0.62 * turn, 0.66 * turn):
        paint(disc(across, 0.31, 0.31 * wide, height=0.31), _TYRE)
        paint(disc(across, 0.31, 0.16 * wide, height=0.16), _CHROME)
    for outline, colour in ((_TANK, lacquer), (_SEAT, _SHOES), (_FORK, scaled(lacquer, 0.8))):
        paint([(across * turn, up) for across, up in outline], colour)
    paint(disc(0.62 * turn, 0.86, 0.1 * wide, height=0.1, corners=8), (232, 230, 214))
    if turn < 0.5:
        paint(rectangle(-0.38, 0.98, 0.38, 1.04), (40, 40, 42))


def paint_rider(canvas, rng, x, z, *, turn=1.0, motor=False):
    """Someone riding a bicycle or, with ``motor``, a motorcycle."""
    (paint_motorcycle if motor else paint_bicycle)(canvas, rng, x, z, turn=turn)
    paint = partial(canvas.cutout, x, z, label="rider")
    helmet = draw_from(rng, "clothes" if motor else "hair")
    # Legs, trunk, arms, head and helmet above a saddle at the height ``low``.
    low, lean = (0.82, 0.2 * turn) if motor else (0.92, 0.28 * turn)
    jacket, trousers = draw_from(rng, "clothes"), draw_from(rng, "clothes")
    seat, spread = -0.2 * turn, 1.15 - turn
    neck, broad = (seat + lean, low + 0.55), 0.15 + 0.1 * (1 - turn)
    for side in (-1, 1):
        knee = (0.16 * turn + side * 0.13 * spread, low - 0.25)
        paint(_tube((seat + side * 0.1 * spread, low), knee, 0.16), trousers)
        paint(_tube(knee, (knee[0] - 0.1 * turn, 0.22 + 0.12 * (side > 0)), 0.12), trousers)
    left, right = neck[0] - broad, neck[0] + broad
    shoulders = (left, neck[1] - 0.1), (left + 0.1, neck[1]), (right - 0.1, neck[1])
    hips = (seat - broad * 0.8, low - 0.08), (seat + broad * 0.8, low - 0.08)
    paint([hips[0], *shoulders, (right, neck[1] - 0.1), hips[1]], jacket)
    for side in (-1, 1):
        shoulder = (neck[0] + side * broad * 0.8 * spread, neck[1] - 0.06)
        hand = (0.33 * turn + side * 0.28 * spread, low + 0.12)
        paint(_tube(shoulder, hand, 0.1), scaled(jacket, 0.85))
    head = (neck[0] + 0.05 * turn, neck[1] + 0.17)
    paint(disc(*head, 0.11, height=0.14, corners=10), draw_from(rng, "skin"))
    paint(disc(head[0], head[1] + 0.05, 0.13, height=0.1, corners=10), helmet)


_STEEL = (112, 114, 112)


def _paint_post(canvas, x, z, height, thick, colour=_STEEL):
    """An upright post with a brighter and a darker half, as round ones have."""
    canvas.cutout(x, z, rectangle(-thick / 2, 0, thick / 2, height), colour, "pole")
    canvas.cutout(x, z, rectangle(0, 0, thick / 2, height), scaled(colour, 0.75), "pole")


def paint_lamp(canvas, rng, x, z, towards):
    """A street lamp whose arm reaches to the side given by the sign of ``towards``."""
    height, reach = rng.uniform(5.5, 9.5), towards * rng.uniform(0.0, 2.2)
    colour = draw_near(rng, _STEEL, 0.4)
    _paint_post(canvas, x, z, height, 0.15, colour)
    arm = [(0, height - 0.1), (0, height), (reach, height + 0.35), (reach, height + 0.25)]
    canvas.cutout(x, z, arm, colour, "pole")
    shine = (250, 232, 180) if canvas.light.dusk else (168, 170, 168)
    head = rectangle(reach - 0.35, height + 0.15, reach + 0.35, height + 0.42)
    canvas.cutout(x, z, head, shine, "static")


def paint_bollard(canvas, rng, x, z):
    """A low post with a white band."""
    height = rng.uniform(0.7, 1.1)
    _paint_post(canvas, x, z, height, 0.12, (86, 60, 54) if rng.uniform() < 0.3 else (74, 76, 80))
    band = rectangle(-0.06, height * 0.75, 0.06, height * 0.88)
    canvas.cutout(x, z, band, _SIGN_COLOURS["white"], "pole")


def _outline(numbers, corners=12):
    """The outline that stored numbers give: of a disc, of a rectangle, or of x and y by corner."""
    if len(numbers) == 3:
        return disc(*numbers, corners=corners)
    if len(numbers) == 4:
        return rectangle(*numbers)
    return list(zip(numbers[::2], numbers[1::2], strict=True))


#: Kinds of signs; the last, for directions, is half as frequent as each other.
_SIGNS = [*[*_FILE["signs"]][:-1], *_FILE["signs"]]


def paint_sign(canvas, rng, x, z):
    """One or two signs on a post, seen from the front or, more rarely, from behind."""
    height = rng.uniform(2.1, 2.9)
    _paint_post(canvas, x, z, height + 0.35, 0.07)
    behind = rng.uniform() < 0.2
    for _ in range(1 + (rng.uniform() < 0.3)):
        kind, radius = pick(rng, _SIGNS), rng.uniform(0.28, 0.4)
        # The file has the numbers in shares of the radius and, to be added, in metres.
        for colour, shares, *metres in _FILE["signs"][kind]:
            numbers = [share * radius for share in shares]
            if metres:
                numbers = [sum(pair) for pair in zip(numbers, metres[0], strict=True)]
            outline = [(across, height + above) for across, above in _outline(numbers)]
            seen = (128, 130, 130) if behind else _SIGN_COLOURS[colour]
            canvas.cutout(x, z, outline, seen, "traffic sign")
        height -= 0.8


def paint_traffic_light(canvas, rng, x, z, towards):
    """A signal on a post; at times another over the road, on an arm with the sign ``towards``."""
    arm, phase = rng.uniform() < 0.35, rng.integers(3)
    reach, low = towards * rng.uniform(2.5, 4.5), rng.uniform(2.6, 3.2)
    _paint_post(canvas, x, z, 5.6 if arm else low, 0.14)
    _paint_signal(canvas, x + 0.2, z, 2.7, phase)
    if arm:
        beam = [(0, 5.4), (0, 5.55), (reach, 5.65), (reach, 5.55)]
        canvas.cutout(x, z, beam, _STEEL, "pole")
        _paint_signal(canvas, x + reach, z, 5.3, phase)


def _paint_signal(canvas, x, z, up, phase):
    box = rectangle(-0.17, up - 0.48, 0.17, up + 0.48)
    canvas.cutout(x, z, box, _SIGN_COLOURS["black"], "traffic light")
    for k, colour in enumerate(PALETTES["signals"]):
        shine = colour if k == phase else scaled(colour, 0.25)
        spot = disc(0, up + 0.3 - 0.3 * k, 0.11, corners=8)
        canvas.cutout(x, z, spot, shine, "traffic light")


_DRAW_OWN = {
    "any": draw_any,
    "near": draw_near,
    "pick": lambda rng, palette: pick(rng, PALETTES[palette]),
}
_CLUTTER = ("bin", "bin", "bench", "cabinet", "column", "shelter", "parasol", "pushchair")


def paint_clutter(canvas, rng, x, z):
    """A bin, bench, switch box, advertising column, bus shelter, parasol with table or pram."""
    paint = partial(canvas.cutout, x, z)
    match pick(rng, _CLUTTER):
        case "cabinet":
            colour = draw_near(rng, (146, 146, 138))
            wide, high = rng.uniform(0.4, 0.8), rng.uniform(0.9, 1.4)
            paint(rectangle(-wide, 0, wide, high), colour, "static")
            paint(rectangle(-0.02, 0.1, 0.02, high), scaled(colour, 0.6), "static")
        case "column":
            paint(rectangle(-0.6, 0, 0.6, 2.9), (150, 146, 136), "static")
            for low in (0.5, 1.3, 2.0):
                left = rng.uniform(-0.55, 0.0)
                poster = rectangle(left, low, left + 0.5, low + 0.6)
                paint(poster, draw_any(rng, 60, 230), "static")
            paint([(-0.7, 2.9), (0, 3.3), (0.7, 2.9)], (70, 84, 70), "static")
        case kind:
            # A colour in the file is a factor on the kind's own.
            draw, *given = _FILE["clutter"][kind]["own"]
            own = _DRAW_OWN[draw](rng, *given)
            for colour, numbers, label in _FILE["clutter"][kind]["pieces"]:
                seen = colour if isinstance(colour, list) else scaled(own, colour)
                paint(_outline(numbers, corners=8), seen, label)


_N_CROWNS, _CROWN_SIDE, _SMALL_GAP = 12, 384, 1500
#: How frequent each kind of tree is, and the clumps of its crown, (across, up, width, height) in
#: shares of the tree's height.
_HABIT_SHARES, _HABITS = zip(*KINDS["trees"].values(), strict=True)


@lru_cache(maxsize=1)
def _crowns():
    """A library of ragged crowns, made once."""
    return [_make_crown(np.random.default_rng(k)) for k in range(_N_CROWNS)]


def _make_crown(rng):
    """One crown: where a dome that fades outwards, roughened by noise, is above a threshold."""

    def crop(slope, seed):
        row, column = rng.integers(0, SIDE - _CROWN_SIDE, 2)
        return noise_tile(slope, seed)[row : row + _CROWN_SIDE, column : column + _CROWN_SIDE]

    y, x = np.mgrid[-1 : 1 : _CROWN_SIDE * 1j, -1 : 1 : _CROWN_SIDE * 1j]
    rough, leaves = crop(1.5, 2), crop(0.7, 2)
    dome = 0.75 - np.hypot(x, y * 0.95) + 0.13 * rough + 0.09 * leaves
    dome[np.hypot(x, y) > 0.97] = -1
    shade = 0.5 - 0.22 * y - 0.12 * x + 0.16 * crop(1.3, 3) + 0.1 * leaves
    # The largest connected part without its small holes: leaves hang together.
    parts, _ = ndimage.label(dome > 0)
    whole = parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])
    gaps, _ = ndimage.label(~whole)
    whole |= (np.bincount(gaps.ravel()) < _SMALL_GAP)[gaps]
    return make_stamp(whole, np.clip(shade, 0, 1))


def draw_foliage_colour(rng, season):
    """A leaf colour; ``season`` in [0, 1] runs from spring over summer to autumn."""
    green, autumn = np.array([74, 98, 44]), np.array([150, 104, 44])
    share = max(0.0, season - 0.6) * 2.2 * rng.uniform(0, 1)
    fresh = np.array([96, 122, 48]) if season < 0.2 else green
    return tuple(((fresh * (1 - share) + autumn * share) * rng.uniform(0.6, 1.1)).tolist())


def paint_tree(canvas, rng, x, z, height, colour):
    """A tree: a trunk that forks and a crown of several overlapping clumps."""
    thick, fork = height * rng.uniform(0.012, 0.024), height * rng.uniform(0.28, 0.38)
    lean = rng.uniform(-0.03, 0.03) * height
    brightness = canvas.light.on((0.0, 0.2, -0.98))
    bark = scaled(draw_near(rng, (78, 68, 56), 0.2), brightness)
    trunk = [(-thick, 0), (-thick * 0.7 + lean, fork), (thick * 0.7 + lean, fork), (thick, 0)]
    canvas.cutout(x, z, trunk, bark, "vegetation")
    for side in (-1, 1):
        tip = (lean + side * height * 0.1, height * 0.55)
        branch = [(lean - thick * 0.5, fork * 0.9), tip, (lean + thick * 0.5, fork * 0.9)]
        canvas.cutout(x, z, branch, bark, "vegetation")
    lit = scaled(colour, brightness)
    for across, up, wide, high in _HABITS[rng.choice(len(_HABITS), p=_HABIT_SHARES)]:
        crown = pick(rng, _crowns())
        tone = draw_near(rng, lit, 0.12)
        shift = (rng.uniform(-0.04, 0.04, 2) * height).tolist()
        centre = (x + lean + across * height + shift[0], up * height + shift[1], z)
        size = height * rng.uniform(0.85, 1.1)
        canvas.stamp(centre, wide * size, high * size, crown, tone, "vegetation")


def paint_bush(canvas, rng, x, z, width, height, colour):
    """A bush or a piece of hedge that stands on the ground."""
    lit, crown = scaled(colour, canvas.light.on((0.0, 0.4, -0.9))), pick(rng, _crowns())
    canvas.stamp((x, height * 0.48, z), width * 1.2, height * 1.35, crown, lit, "vegetation")
