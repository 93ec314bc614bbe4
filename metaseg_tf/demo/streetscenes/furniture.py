"""Posts of all kinds: lamps and bollards, and the plain post that signs stand on."""

from metaseg_tf.demo.streetscenes.colours import draw_near, scaled
from metaseg_tf.demo.streetscenes.solid import rectangle, upright

__all__ = ["STEEL", "paint_bollard", "paint_lamp", "paint_post"]

STEEL = (112, 114, 112)


def paint_post(canvas, x, z, height, thick, colour=STEEL):
    """An upright post with a brighter and a darker half, as round ones have."""
    half = thick / 2
    canvas.polygon(upright(x, z, rectangle(-half, 0, half, height)), colour, "pole")
    shade = scaled(colour, 0.75)
    canvas.polygon(upright(x, z, rectangle(0, 0, half, height)), shade, "pole")


def paint_lamp(canvas, rng, x, z, towards):
    """A street lamp whose arm reaches to the side given by the sign of ``towards``."""
    height, reach = rng.uniform(5.5, 9.5), towards * rng.uniform(0.0, 2.2)
    colour = draw_near(rng, STEEL, 0.4)
    paint_post(canvas, x, z, height, 0.15, colour)
    arm = [(0, height - 0.1), (0, height), (reach, height + 0.35), (reach, height + 0.25)]
    canvas.polygon(upright(x, z, arm), colour, "pole")
    shine = (250, 232, 180) if canvas.light.dusk else (168, 170, 168)
    head = rectangle(reach - 0.35, height + 0.15, reach + 0.35, height + 0.42)
    canvas.polygon(upright(x, z, head), shine, "static")


def paint_bollard(canvas, rng, x, z):
    """A low post with a white band."""
    height = rng.uniform(0.7, 1.1)
    paint_post(canvas, x, z, height, 0.12, (86, 60, 54) if rng.uniform() < 0.3 else (74, 76, 80))
    band = rectangle(-0.06, height * 0.75, 0.06, height * 0.88)
    canvas.polygon(upright(x, z, band), (232, 232, 228), "pole")
