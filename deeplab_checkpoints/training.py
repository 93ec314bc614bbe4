"""Training of the demo's networks: depths, first weights, augmented batches, loss and steps."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf

from metaseg_tf.data.classes import VOID
from metaseg_tf.errors import InputError
from metaseg_tf.networks.deeplab.backbones import Architecture, MobileNetV2, Xception
from metaseg_tf.networks.deeplab.layers import (
    Layers,
    RecordingLayers,
    batch_norm_names,
    resize_bilinear,
    scale_dimension,
)
from metaseg_tf.networks.deeplab.model import MEAN_PIXEL, compute_logits, normalise, variable_shapes
from metaseg_tf.networks.graph import graph_multiply_adds

__all__ = [
    "Schedule", "Trainer", "TrainingLayers", "augment", "balance_classes", "compute_loss",
    "count_multiply_adds", "initial_weights", "make_batches", "make_variables", "scaled",
]  # fmt: skip

#: Largest shift of brightness, in grey values.
BRIGHTNESS = 40.0
#: Largest relative change of each colour channel's contrast.
CONTRAST = 0.35
#: Ratio of an image's size to that of the coarsest feature map.
OUTPUT_STRIDE = 16
#: Share of a kernel that a step takes away, times the learning rate.
WEIGHT_DECAY = 0.02

_STARTS = {"gamma": 1.0, "beta": 0.0, "moving_mean": 0.0, "moving_variance": 1.0, "biases": 0.0}


def round_depth(depth: float) -> int:
    """The nearest multiple of 8, at least 8, and not more than a tenth below ``depth``."""
    rounded = max(8, int(depth + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * depth else rounded + 8


def scaled(
    backbone: MobileNetV2 | Xception, multiplier: float, *, middle_units: int | None = None
) -> MobileNetV2 | Xception:
    """A backbone with all depths multiplied, rounded to multiples of 8, and fewer middle units.

    A network of other depths is made from a published one, such as
    ``replace(MOBILENETV2, backbone=scaled(MOBILENETV2.backbone, 0.25), head_depth=64)``.
    """

    def scale(depths):
        return tuple(round_depth(depth * multiplier) for depth in depths)

    if isinstance(backbone, MobileNetV2):
        depths = scale(block.depth for block in backbone.blocks)
        blocks = (replace(b, depth=d) for b, d in zip(backbone.blocks, depths, strict=True))
        return MobileNetV2(round_depth(backbone.stem * multiplier), tuple(blocks))
    return Xception(
        scale(backbone.stem),
        scale(backbone.entry),
        backbone.middle_units if middle_units is None else middle_units,
        tuple(map(scale, backbone.exit)),
    )


def count_multiply_adds(
    architecture: Architecture,
    crop: tuple[int, int],
    output_stride: int,
    scales: tuple[float, ...] = (1.0,),
    flip: bool = False,
) -> int:
    """Multiply-adds of all convolutions for one image of ``crop`` = (height, width)."""
    total = 0
    for scale in scales:
        size = (scale_dimension(side, scale) for side in crop)
        with tf.Graph().as_default() as graph:
            images = tf.compat.v1.placeholder(tf.float32, (1, *size, 3))
            compute_logits(architecture, RecordingLayers(), images, output_stride)
        total += graph_multiply_adds(graph)
    return total * (2 if flip else 1)


def initial_weights(architecture: Architecture, seed: int) -> dict[str, np.ndarray]:
    """Weights to start training from: kernels after He et al. (2015), identity normalisation.

    One float32 array for each of `variable_shapes`, the same for the same seed.
    """
    rng = np.random.default_rng(seed)
    weights = {}
    for name, shape in variable_shapes(architecture).items():
        kind = name.rpartition("/")[2]
        if kind in _STARTS:
            weights[name] = np.full(shape, _STARTS[kind], np.float32)
        else:
            inputs = np.prod(shape[:2] if kind == "depthwise_weights" else shape[:3])
            weights[name] = rng.normal(0, np.sqrt(2 / inputs), shape).astype(np.float32)
    return weights


def make_variables(weights: Mapping[str, np.ndarray]) -> dict[str, tf.Variable]:
    """A variable for each weight; the moving statistics are not trainable."""
    return {k: tf.Variable(value, trainable="/moving_" not in k) for k, value in weights.items()}


class TrainingLayers(Layers):
    """Layers that normalise with the batch's own statistics and update the moving ones.

    ``variables`` holds every variable of the network under upstream's name; the moving statistics
    are assigned to. ``momentum``, in [0, 1), is the share of the old ones in the new ones.
    """

    def __init__(self, variables: Mapping[str, tf.Variable], *, momentum: float = 0.99):
        self._variables = variables
        self._momentum = momentum

    def _variable(self, name, shape):
        return self._variables[name]

    def _normalised(self, scope, kind, shape, convolve, epsilon):
        gamma, beta, mean, variance = (self._variables[name] for name in batch_norm_names(scope))
        y, batch_mean, batch_variance = tf.compat.v1.nn.fused_batch_norm(
            convolve(self._variables[f"{scope}/{kind}"]), gamma, beta, epsilon=epsilon
        )
        mean.assign_sub((1 - self._momentum) * (mean - batch_mean))
        variance.assign_sub((1 - self._momentum) * (variance - batch_variance))
        return y


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
    crop, scales
        See `augment`.
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
    resizing, recolouring, cropping, mirroring = tf.unstack(
        tf.random.experimental.stateless_split(seed, 4)
    )
    scale = tf.random.stateless_uniform((), resizing, *scales)
    size = tf.cast(tf.cast(tf.shape(labels), tf.float32) * scale, tf.int32)
    image = tf.image.resize(tf.cast(image, tf.float32), size)
    labels = tf.image.resize(labels[..., tf.newaxis], size, "nearest")
    contrasting, brightening = tf.unstack(tf.random.experimental.stateless_split(recolouring, 2))
    contrast = tf.random.stateless_uniform((3,), contrasting, 1 - CONTRAST, 1 + CONTRAST)
    brightness = tf.random.stateless_uniform((), brightening, -BRIGHTNESS, BRIGHTNESS)
    image = (image - MEAN_PIXEL) * contrast + MEAN_PIXEL + brightness
    image = tf.clip_by_value(image, 0.0, 255.0)
    # Around zero, so that the zeros of padding are mean grey and void.
    both = tf.concat([image - MEAN_PIXEL, tf.cast(labels, tf.float32) - VOID], 2)
    below, right = (tf.maximum(crop[i] - tf.shape(both)[i], 0) for i in range(2))
    both = tf.pad(both, [[0, below], [0, right], [0, 0]])
    both = tf.image.stateless_random_crop(both, (*crop, 4), cropping)
    both = tf.image.stateless_random_flip_left_right(both, mirroring)
    return both[..., :3] + MEAN_PIXEL, tf.cast(both[..., 3] + VOID, tf.uint8)


@dataclass(frozen=True)
class Schedule:
    """The learning rate of each step: a linear rise, then upstream's polynomial decay to 0.

    ``warmup`` of the ``steps`` of the whole training are the rise to the rate ``peak``; ``power``
    is the exponent of the decay.
    """

    steps: int
    peak: float
    warmup: int = 50
    power: float = 0.9

    def rate(self, step: int) -> float:
        """Learning rate of ``step``, counted from 0.

        >>> Schedule(steps=4, peak=1.0, warmup=2, power=1.0).rate(3)
        0.25
        """
        if not 0 <= step < self.steps:
            raise InputError(
                f"step: expected 0 to {self.steps - 1}, got {step}; the training is over, "
                "plan more steps"
            )
        rise = min(1.0, (step + 1) / self.warmup)
        return self.peak * rise * (1 - step / self.steps) ** self.power


def balance_classes(labels: np.ndarray, n_classes: int, strength: float) -> np.ndarray:
    """Weights by which rare classes count more: frequency ** -strength.

    Parameters
    ----------
    labels : uint8 array
        Class ids 0..n_classes-1, or 255 for void.
    n_classes : int
    strength : float
        0 for equal weights, 1 for equal shares of all classes in the loss.

    Returns
    -------
    float32 array [n_classes]
        The mean over all pixels that are not void is 1.

    Raises
    ------
    InputError
        If all pixels are void.
    """
    counts = np.bincount(labels.ravel(), minlength=VOID + 1)[:n_classes]
    total = counts.sum()
    if total == 0:
        raise InputError("labels: expected pixels that are not void, got none; give other scenes")
    # What a class that is nowhere weighs does not matter, as long as it is a number.
    weights = (np.maximum(counts, 1) / total) ** -strength
    return (weights * total / (weights @ counts)).astype(np.float32)


def compute_loss(logits: tf.Tensor, labels: tf.Tensor, class_weights: tf.Tensor) -> tf.Tensor:
    """Mean cross-entropy of the pixels that are not void, each weighted by its class.

    Parameters
    ----------
    logits : float32 tensor [N, h, w, C]
        At any stride: they are resized to the labels, as they are when the network is used.
    labels : uint8 tensor [N, H, W]
        Class ids 0..C-1, or 255 for void.
    class_weights : float32 tensor [C]
        Not negative.

    Returns
    -------
    float32 tensor []
        In nats, from 0; 0 where all pixels are void.
    """
    logits = resize_bilinear(logits, labels.shape[1:3])
    known = labels != VOID
    targets = tf.where(known, tf.cast(labels, tf.int32), 0)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
    weights = tf.gather(class_weights, targets) * tf.cast(known, tf.float32)
    return tf.math.divide_no_nan(tf.reduce_sum(losses * weights), tf.reduce_sum(weights))


class Trainer:
    """A network in training, by Adam with decoupled weight decay (Loshchilov and Hutter, 2019).

    Training starts from ``weights``, else from `initial_weights` of ``seed``; ``momentum`` in
    [0, 1) is the share of the old moving statistics in the new ones.
    """

    def __init__(
        self,
        architecture: Architecture,
        schedule: Schedule,
        *,
        seed: int = 0,
        momentum: float = 0.98,
        weights: Mapping[str, np.ndarray] | None = None,
    ):
        self._architecture = architecture
        self._schedule = schedule
        self._variables = make_variables(weights or initial_weights(architecture, seed))
        self._layers = TrainingLayers(self._variables, momentum=momentum)
        self._trained = [v for v in self._variables.values() if v.trainable]
        self._optimiser = tf.keras.optimizers.AdamW(schedule.rate(0), weight_decay=WEIGHT_DECAY)
        # Kernels only: batch normalisation has its own scale.
        self._optimiser.exclude_from_weight_decay([v for v in self._trained if v.shape.rank != 4])
        self._optimiser.build(self._trained)
        self._steps = 0
        self._compiled = tf.function(self._update)

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """A copy of all variables, the moving statistics among them, by upstream's names."""
        return {name: variable.numpy() for name, variable in self._variables.items()}

    def step(self, images: tf.Tensor, labels: tf.Tensor, class_weights: np.ndarray) -> float:
        """Take the schedule's next step.

        ``images`` are float32 [N, H, W, 3], RGB in 0..255 with sides best k * 16 + 1; labels and
        weights are as for `compute_loss`, whose value before the step is returned. Raises
        InputError if the schedule has no step left.
        """
        self._optimiser.learning_rate.assign(self._schedule.rate(self._steps))
        self._steps += 1
        return float(self._compiled(images, labels, tf.constant(class_weights)))

    def _update(self, images, labels, class_weights):
        with tf.GradientTape() as tape:
            x = normalise(images)
            logits = compute_logits(self._architecture, self._layers, x, OUTPUT_STRIDE)
            loss = compute_loss(logits, labels, class_weights)
        gradients = tape.gradient(loss, self._trained)
        self._optimiser.apply_gradients(zip(gradients, self._trained, strict=True))
        return loss
