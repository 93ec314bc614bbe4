"""Random views of labelled images, to train on."""

import numpy as np
import tensorflow as tf

from metaseg_tf.data.sample import VOID
from metaseg_tf.networks.deeplab.multiscale import MEAN_PIXEL

__all__ = ["augment", "make_batches"]

#: Largest shift of brightness, in grey values.
BRIGHTNESS = 40.0
#: Largest relative change of each colour channel's contrast.
CONTRAST = 0.35


def make_batches(
    images: np.ndarray,
    labels: np.ndarray,
    *,
    crop: tuple[int, int],
    scales: tuple[float, float],
    batch: int,
    seed: int,
) -> tf.data.Dataset:
    """Endless batches of augmented images, shuffled anew in each pass; the same for a seed.

    Parameters
    ----------
    images : uint8 array [n, H, W, 3]
        RGB in 0..255.
    labels : uint8 array [n, H, W]
        Class ids, or 255 for void.
    crop : (int, int)
        Height and width of what is seen of each image.
    scales : (float, float)
        Range of the factor by which an image is resized before it is cropped.
    batch : int
        Number of images in a batch.
    seed : int
        Of the order and of all augmentation.

    Returns
    -------
    tf.data.Dataset of (float32 [batch, *crop, 3] in 0..255, uint8 [batch, *crop])
    """

    def view(number, scene):
        key = tf.stack([tf.cast(seed, tf.int64), number])
        return augment(*scene, crop=crop, scales=scales, seed=key)

    scenes = tf.data.Dataset.from_tensor_slices((images, labels))
    return (
        scenes.shuffle(len(images), seed=seed)
        .repeat()
        .enumerate()
        .map(view, num_parallel_calls=2, deterministic=True)
        .batch(batch, drop_remainder=True)
        .prefetch(2)
    )


def augment(
    image: tf.Tensor,
    labels: tf.Tensor,
    *,
    crop: tuple[int, int],
    scales: tuple[float, float],
    seed: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Resize, recolour, crop and perhaps mirror one image and its labels.

    Parameters
    ----------
    image : uint8 tensor [H, W, 3]
    labels : uint8 tensor [H, W]
    crop : (int, int)
        Height and width of the result; what an image does not fill is mean grey and void.
    scales : (float, float)
        Range of the factor by which the image is resized.
    seed : int64 tensor [2]

    Returns
    -------
    (float32 tensor [*crop, 3] in 0..255, uint8 tensor [*crop])
    """
    seeds = tf.random.experimental.stateless_split(seed, 4)
    image, labels = _resize(image, labels, scales, seeds[0])
    # Around zero, so that the zeros of padding are mean grey and void.
    image = _recolour(image, seeds[1]) - MEAN_PIXEL
    both = tf.concat([image, tf.cast(labels, tf.float32) - VOID], 2)
    below, right = (tf.maximum(crop[i] - tf.shape(both)[i], 0) for i in range(2))
    both = tf.pad(both, [[0, below], [0, right], [0, 0]])
    both = tf.image.stateless_random_crop(both, (*crop, 4), seeds[2])
    both = tf.image.stateless_random_flip_left_right(both, seeds[3])
    return both[..., :3] + MEAN_PIXEL, tf.cast(both[..., 3] + VOID, tf.uint8)


def _resize(image, labels, scales, seed):
    scale = tf.random.stateless_uniform((), seed, *scales)
    size = tf.cast(tf.cast(tf.shape(labels), tf.float32) * scale, tf.int32)
    image = tf.image.resize(tf.cast(image, tf.float32), size)
    return image, tf.image.resize(labels[..., tf.newaxis], size, "nearest")


def _recolour(image, seed):
    seeds = tf.random.experimental.stateless_split(seed, 2)
    contrast = tf.random.stateless_uniform((3,), seeds[0], 1 - CONTRAST, 1 + CONTRAST)
    brightness = tf.random.stateless_uniform((), seeds[1], -BRIGHTNESS, BRIGHTNESS)
    image = (image - MEAN_PIXEL) * contrast + MEAN_PIXEL + brightness
    return tf.clip_by_value(image, 0.0, 255.0)
