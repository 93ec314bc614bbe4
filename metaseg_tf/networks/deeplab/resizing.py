"""Bilinear resizing as upstream does it: aligned corners, sample coordinates in float32."""

import tensorflow as tf

__all__ = ["resize_bilinear", "scale_dimension"]


def scale_dimension(size: int, scale: float) -> int:
    """Number of samples on a side of ``size`` pixels at ``scale``, its corners staying samples.

    >>> scale_dimension(1025, 0.75), scale_dimension(2049, 1 / 16)
    (769, 129)
    """
    return int((size - 1) * scale + 1)


def resize_bilinear(x: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Resize [N, H, W, C] to [N, *size, C], float32; the corner pixels keep their values.

    ``tf.image.resize`` places its samples half a pixel in and is no substitute: on logits of
    standard deviation 3 it is off by up to 4.
    """
    return tf.raw_ops.ResizeBilinear(
        images=x, size=list(size), align_corners=True, half_pixel_centers=False
    )
