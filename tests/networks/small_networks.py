"""Tiny networks for segmentation with known logits, to be stored in one format or another."""

import numpy as np
import tensorflow as tf

CLASSES = 4


def kernel(seed=0):
    """Weights of a 1x1 convolution, on pixels in -1..1."""
    return np.random.default_rng(seed).normal(0, 3, (1, 1, 3, CLASSES)).astype(np.float32)


def logits(image):
    """The logits that every one of these networks has: float32 [H, W, C]."""
    return (image.astype(np.float32) * (2 / 255) - 1) @ kernel()[0, 0]


def probabilities(image):
    x = logits(image).astype(np.float64)
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def draw(height=8, width=10, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


class Segmenter(tf.Module):
    """A 1x1 convolution on a uint8 image."""

    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable(kernel())

    def logits(self, image):
        pixels = tf.cast(image, tf.float32) * (2 / 255) - 1
        return tf.nn.conv2d(pixels, self.kernel, 1, "SAME")


#: What may stand at the end of a network.
TAILS = {
    "logits": lambda x: x,
    "probabilities": tf.nn.softmax,
    "class ids": lambda x: tf.argmax(x, -1, output_type=tf.int32),
    "class ids with an axis": lambda x: tf.cast(tf.argmax(x, -1), tf.uint8)[..., tf.newaxis],
}
