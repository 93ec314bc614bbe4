"""XLA, where TensorFlow has it: loops over pixels in one go, in place of one op after the other."""

import functools
import logging

import tensorflow as tf

__all__ = ["has_xla"]

_LOG = logging.getLogger(__name__)


@functools.cache
def has_xla() -> bool:
    """Whether ``tf.function(jit_compile=True)`` works here; tried once, by doing it."""
    try:
        tf.function(tf.identity, jit_compile=True)(tf.zeros([1]))
    except (tf.errors.UnimplementedError, tf.errors.NotFoundError) as error:
        _LOG.warning("XLA cannot compile here (%s); using plain ops, which are slower", error)
        return False
    return True
