"""Image and labels painted together, from far to near, so that they agree pixel by pixel."""

from math import exp
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from metaseg_tf.demo.streetscenes.tools import LABEL_IDS, scaled

__all__ = ["SUPERSAMPLING", "Canvas", "Stamp", "make_stamp"]

_SMALLEST = 12


class Stamp(NamedTuple):
    """A shape's mask, bool [S, S], and shade, uint8 [S, S], from the finest size down."""

    levels: tuple[tuple[np.ndarray, np.ndarray], ...]

    def cut(self, size, corner, window):
        """Mask and shade as a ``window`` shows them of the shape scaled to ``size`` at ``corner``.

        Size and corner are width, height and left, top in pixels; the window is left, top, right
        and bottom of what is wanted, within the scaled shape.
        """
        # The coarsest level that is at least as fine as asked for, or the finest there is.
        fine = [level for level in self.levels if len(level[0]) >= max(size)]
        mask, shade = fine[-1] if fine else self.levels[0]
        columns, rows = (
            (np.arange(window[i], window[i + 2]) - corner[i]) * len(mask) // size[i] for i in (0, 1)
        )
        at = np.ix_(rows, columns)
        return mask[at], shade[at]


def make_stamp(mask, shade):
    """A stamp of a mask, bool [S, S], and brightness, float [S, S] in [0, 1].

    Each of its levels is half as wide as the one before.
    """
    levels, cover = [], mask.astype(np.float32)
    while len(cover) >= _SMALLEST:
        levels.append((cover > 0.5, np.round(255 * shade).astype(np.uint8)))
        cover, shade = _halve(cover), _halve(shade)
    return Stamp(tuple(levels))


def _halve(array):
    return (array[::2, ::2] + array[1::2, ::2] + array[::2, 1::2] + array[1::2, 1::2]) / 4


#: The canvas has this many pixels per side of a pixel of the scene.
SUPERSAMPLING = 2


class Canvas:
    """RGB image and label image of one size, with the camera and light that paint onto them."""

    def __init__(self, camera, light):
        self.camera = camera
        self.light = light
        size = (camera.width, camera.height)
        self.image = Image.new("RGB", size)
        self.labels = Image.new("L", size, LABEL_IDS["unlabeled"])
        self._image_pen = ImageDraw.Draw(self.image)
        self._label_pen = ImageDraw.Draw(self.labels)

    def fade(self, colour, z):
        """``colour`` (r, g, b in 0..255) seen through ``z`` metres of air, as integers."""
        clear = exp(-z / self.light.visibility)
        (r, g, b), (hr, hg, hb), hazy = colour, self.light.haze, 1 - clear
        r, g, b = r * clear + hr * hazy, g * clear + hg * hazy, b * clear + hb * hazy
        return min(255, int(r)), min(255, int(g)), min(255, int(b))

    def polygon(self, points, colour, label=None):
        """Fill a polygon of world points; without ``label`` the labels below stay."""
        depth = sum(p[2] for p in points) / len(points)
        self.flat(self.camera.project(points), self.fade(colour, depth), label)

    def cutout(self, x, z, points, colour, label):
        """Fill a polygon of points (across, up) in metres from (x, z), upright to the camera."""
        self.polygon([(x + across, up, z) for across, up in points], colour, label)

    def flat(self, pixels, colour, label=None):
        """Fill a polygon of pixel positions with an integer colour."""
        self._image_pen.polygon(pixels, fill=colour)
        if label is not None:
            self._label_pen.polygon(pixels, fill=LABEL_IDS[label])

    def lit(self, points, colour, label=None):
        """Fill a flat face of world points in the light that its normal gives it."""
        (ax, ay, az), (bx, by, bz), (cx, cy, cz) = points[:3]
        ux, uy, uz, vx, vy, vz = bx - ax, by - ay, bz - az, cx - ax, cy - ay, cz - az
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        length = (nx * nx + ny * ny + nz * nz) ** 0.5
        if nx * ax + ny * (ay - 1.3) + nz * az > 0:
            # Towards the camera.
            length = -length
        normal = (nx / length, ny / length, nz / length) if length else (0.0, 1.0, 0.0)
        self.polygon(points, scaled(colour, self.light.on(normal)), label)

    def wall(self, start, end, bottom, top, shader, label):
        """Paint a vertical wall over the ground line between two points (x, z), all in metres.

        ``shader(along [W], up [H, W])``, both in metres, gives colours, float32 [H, W, 3], and
        opacity, bool [H, W] or None. What is not opaque is seen through, yet carries the label, as
        Cityscapes labels fences.
        """
        (xa, za), (xb, zb) = start, end
        quad = self.camera.project(
            [(xa, bottom, za), (xa, top, za), (xb, top, zb), (xb, bottom, zb)]
        )
        box = self._visible_box(quad)
        if box is None:
            return
        left, top, right, bottom = box
        columns = np.arange(left, right, dtype=np.float32) + np.float32(0.5)
        along, z = self.camera.wall_columns(start, end, columns)
        rows = np.arange(top, bottom, dtype=np.float32)[:, None] + np.float32(0.5)
        steps = (rows - np.float32(self.camera.horizon)) * (z / np.float32(self.camera.focal))
        rgb, opacity = shader(along, np.float32(self.camera.eye) - steps)
        clear = self.light.clearness(z)[:, None]
        rgb = rgb * clear + np.array(self.light.haze, np.float32) * (1 - clear)
        patch = Image.fromarray(np.clip(rgb, 0, 255).astype(np.uint8))
        mask = Image.new("1", patch.size)
        shifted = [(u - left, v - top) for u, v in quad]
        ImageDraw.Draw(mask).polygon(shifted, fill=1)
        self.labels.paste(LABEL_IDS[label], box, mask)
        if opacity is not None:
            mask = Image.fromarray(np.asarray(mask) & opacity)
        self.image.paste(patch, box, mask)

    def stamp(self, centre, width, height, stamp, colour, label):
        """Paint a stamp upright at the world point ``centre``, ``width`` x ``height`` metres."""
        ((u, v),) = self.camera.project([centre])
        scale = self.camera.pixels_per_metre(centre[2])
        size = (max(2, round(width * scale)), max(2, round(height * scale)))
        corner = (round(u - size[0] / 2), round(v - size[1] / 2))
        far = [side + at - 1 for side, at in zip(size, corner, strict=True)]
        window = self._visible_box([corner, far])
        if window is None:
            return
        mask, shade = (Image.fromarray(part) for part in stamp.cut(size, corner, window))
        dark, bright = (self.fade(scaled(colour, k), centre[2]) for k in (0.25, 1.6))
        shade.putpalette(np.linspace(dark, bright, 256).astype(np.uint8).tobytes())
        self.image.paste(shade.convert("RGB"), window, mask)
        self.labels.paste(LABEL_IDS[label], window, mask)

    def arrays(self):
        """Copies as uint8 [H, W, 3] and uint8 [H, W]."""
        return np.array(self.image), np.array(self.labels)

    def _visible_box(self, pixels):
        columns, rows = zip(*pixels, strict=True)
        left, top = max(0, int(min(columns))), max(0, int(min(rows)))
        right = min(self.camera.width, int(max(columns)) + 1)
        bottom = min(self.camera.height, int(max(rows)) + 1)
        return (left, top, right, bottom) if left < right and top < bottom else None
