"""From one image to logits and probabilities: upstream's padding, scales and flips.

The functions run eagerly as well as inside a graph. ``network`` stands for any function from
float32 images [1, H, W, 3] in [-1, 1] to logits [1, H', W', C] of a known stride.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import tensorflow as tf

from metaseg_tf.networks.deeplab.layers import resize_bilinear, scale_dimension
from metaseg_tf.networks.deeplab.model import normalise
from metaseg_tf.networks.options import NetworkOptions

__all__ = ["full_logits", "mean_softmax", "pad_to_crop", "scale_logits"]

#: Value of the crop's pixels around the image: the middle of the range.
MEAN_PIXEL = 127.5

#: Rows that are worked on at once: few enough to stay in the processor's cache.
_STRIP = 32

Network = Callable[[tf.Tensor], tf.Tensor]


def pad_to_crop(image: tf.Tensor, crop: tuple[int, int]) -> tf.Tensor:
    """Pad an image at its bottom and right with 127.5.

    Parameters
    ----------
    image : uint8 tensor [1, h, w, 3]
        Not larger than the crop.
    crop : (int, int)
        Height H and width W.

    Returns
    -------
    float32 tensor [1, H, W, 3]
        In 0..255, not yet normalised.
    """
    shape = tf.shape(image)
    below, right = (tf.maximum(side - shape[i], 0) for i, side in enumerate(crop, start=1))
    centred = tf.cast(image, tf.float32) - MEAN_PIXEL
    padded = tf.pad(centred, [[0, 0], [0, below], [0, right], [0, 0]]) + MEAN_PIXEL
    padded.set_shape((1, *crop, 3))
    return padded


def full_logits(
    network: Network, image: tf.Tensor, stride: int, scale: float = 1.0, flip: bool = False
) -> tf.Tensor:
    """Logits of the padded image at one scale, for each pixel of the crop.

    Parameters
    ----------
    network : function
        See the module's docstring.
    image : float32 tensor [1, H, W, 3]
        In 0..255, padded to the crop.
    stride : int
        Stride of the network's logits in pixels.
    scale : float
        Factor by which the image is resized.
    flip : bool
        Whether the network sees the padded image mirrored; its logits are mirrored back.

    Returns
    -------
    float32 tensor [1, H, W, C]
    """
    crop = image.shape[1:3]
    image = tf.reverse(image, [2]) if flip else image
    if scale != 1:
        image = resize_bilinear(image, [scale_dimension(side, scale) for side in crop])
    # A reduced image's logits grow to the grid of scale 1 first, and from there to the crop.
    grid = max(1.0, scale) / stride
    logits = network(normalise(image))
    logits = resize_bilinear(logits, [scale_dimension(side, grid) for side in crop])
    logits = tf.reverse(logits, [2]) if flip else logits
    return resize_bilinear(logits, crop)


def scale_logits(
    network: Network, image: tf.Tensor, stride: int, settings: NetworkOptions
) -> Iterator[tf.Tensor]:
    """Logits at each scale, unflipped and flipped: their softmaxes' mean is the prediction.

    Unlike upstream, a single scale with ``flip`` does what it says: upstream's exporter ignores
    the option there.

    Yields
    ------
    float32 tensor [1, H, W, C]
    """
    for scale in settings.scales:
        for flip in (False, True) if settings.flip else (False,):
            yield full_logits(network, image, stride, scale, flip)


def mean_softmax(logits: Iterable[tf.Tensor], size: tuple[int, int]) -> np.ndarray:
    """Mean of the softmaxes of some logits; each is released before the next is made.

    Parameters
    ----------
    logits : iterable of float32 tensors [1, H, W, C]
    size : (int, int)
        Height h and width w of the part that is wanted, from the top left.

    Returns
    -------
    float32 array [h, w, C]
    """
    height, width = size
    total, count = None, 0
    for scores in logits:
        count += 1
        if total is None:
            total = np.empty((height, width, scores.shape[-1]), np.float32)
        for top in range(0, height, _STRIP):
            rows = slice(top, min(top + _STRIP, height))
            probs = tf.nn.softmax(scores[0, rows, :width])
            total[rows] = probs if count == 1 else total[rows] + probs
        del scores
    return total if count == 1 else np.divide(total, count, out=total)
