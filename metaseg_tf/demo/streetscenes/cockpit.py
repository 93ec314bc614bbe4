"""What belongs to the car that the camera is in: its bonnet and the edge of the rectified image."""

from math import cos, pi

from metaseg_tf.demo.streetscenes.labels import LABEL_IDS

__all__ = ["paint_own_car"]


def paint_own_car(canvas, rng):
    """Paint the bonnet over the lower edge and the border that rectification leaves void."""
    width, height = canvas.camera.width, canvas.camera.height
    _paint_bonnet(canvas, width, height, rng.uniform(0.05, 0.09), rng.uniform(20, 70))
    border = max(2, round(height / 200))
    for box in (
        (0, 0, width, border),
        (0, height - border, width, height),
        (0, 0, border, height),
        (width - border, 0, width, height),
    ):
        canvas.labels.paste(LABEL_IDS["out of roi"], box)


def _paint_bonnet(canvas, width, height, share, tone):
    """A dark arc that mirrors the sky along its upper edge."""
    reflection = tone + 0.3 * canvas.light.haze[0] * canvas.light.ambient
    layers = 6
    for k in range(layers):
        rise = share * (1 - 0.14 * k)
        value = round(reflection + (tone - reflection) * k / (layers - 1))
        outline = [
            (width * i / 24, height * (1 - rise * (0.72 + 0.28 * cos(pi * (i / 24 - 0.5)))))
            for i in range(25)
        ]
        outline += [(width, height), (0, height)]
        canvas.flat(outline, (value, value, round(value * 1.05)), "ego vehicle")
