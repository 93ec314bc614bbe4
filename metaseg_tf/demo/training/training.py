"""Training of a network from random weights: loss, learning rate and the step itself."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from metaseg_tf.data.sample import VOID
from metaseg_tf.demo.training.initialise import initial_weights, make_variables
from metaseg_tf.errors import InputError
from metaseg_tf.networks.deeplab.architecture import Architecture
from metaseg_tf.networks.deeplab.layers import TrainingLayers
from metaseg_tf.networks.deeplab.model import compute_logits, normalise
from metaseg_tf.networks.deeplab.resizing import resize_bilinear

__all__ = ["Schedule", "Trainer", "balance_classes", "compute_loss"]

#: Decays of Adam's running means of the gradient and of its square (Kingma and Ba, 2015).
MEAN_DECAY, SQUARE_DECAY = 0.9, 0.999
#: Added to the root of the mean square before it divides.
ADAM_EPSILON = 1e-7


@dataclass(frozen=True)
class Schedule:
    """The learning rate of each step: a linear rise, then upstream's polynomial decay to 0.

    Parameters
    ----------
    steps : int
        Number of steps of the whole training.
    peak : float
        Largest learning rate.
    warmup : int
        Number of steps of the rise.
    power : float
        Exponent of the decay.
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

    Parameters
    ----------
    architecture : Architecture
    schedule : Schedule
    seed : int
        Of the weights that training starts from.
    output_stride : int
        8 or 16.
    weight_decay : float
        Share of a kernel that a step takes away, times the learning rate.
    momentum : float
        Share of the old moving statistics in the new ones, in [0, 1).
    """

    def __init__(
        self,
        architecture: Architecture,
        schedule: Schedule,
        *,
        seed: int,
        output_stride: int = 16,
        weight_decay: float = 0.02,
        momentum: float = 0.98,
    ):
        self._architecture = architecture
        self._schedule = schedule
        self._output_stride = output_stride
        self._weight_decay = weight_decay
        self._variables = make_variables(initial_weights(architecture, seed))
        self._layers = TrainingLayers(self._variables, momentum=momentum)
        self._trained = [v for v in self._variables.values() if v.trainable]
        self._means, self._squares = (
            [tf.Variable(tf.zeros_like(v), trainable=False) for v in self._trained]
            for _ in range(2)
        )
        self._steps = 0
        self._compiled = tf.function(self._update)

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """A copy of all variables, the moving statistics among them, by upstream's names."""
        return {name: variable.numpy() for name, variable in self._variables.items()}

    def step(self, images: tf.Tensor, labels: tf.Tensor, class_weights: np.ndarray) -> float:
        """Take the schedule's next step.

        Parameters
        ----------
        images : float32 tensor [N, H, W, 3]
            RGB in 0..255; sides best k * 16 + 1.
        labels : uint8 tensor [N, H, W]
            Class ids, or 255 for void.
        class_weights : float32 array [C]
            See `balance_classes`.

        Returns
        -------
        float
            The loss before the step, see `compute_loss`.

        Raises
        ------
        InputError
            If the schedule has no step left.
        """
        rate = self._schedule.rate(self._steps)
        self._steps += 1
        # Adam's means start at 0; this is what makes up for it.
        correction = (1 - SQUARE_DECAY**self._steps) ** 0.5 / (1 - MEAN_DECAY**self._steps)
        numbers = map(tf.constant, (class_weights, rate, correction))
        return float(self._compiled(images, labels, *numbers))

    def _update(self, images, labels, class_weights, rate, correction):
        with tf.GradientTape() as tape:
            logits = compute_logits(
                self._architecture, self._layers, normalise(images), self._output_stride
            )
            loss = compute_loss(logits, labels, class_weights)
        gradients = tape.gradient(loss, self._trained)
        for each in zip(self._trained, gradients, self._means, self._squares, strict=True):
            self._descend(*each, rate, correction)
        return loss

    def _descend(self, variable, gradient, mean, square, rate, correction):
        mean.assign_add((1 - MEAN_DECAY) * (gradient - mean))
        square.assign_add((1 - SQUARE_DECAY) * (tf.square(gradient) - square))
        change = correction * mean / (tf.sqrt(square) + ADAM_EPSILON)
        if variable.shape.rank == 4:
            # Kernels only: batch normalisation has its own scale.
            change += self._weight_decay * variable
        variable.assign_sub(rate * change)
