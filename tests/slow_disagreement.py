"""The slow, obvious twin of `metaseg_tf.segments.disagreement`, in float64."""

import numpy as np


def slow_disagreement(passes):
    """I, TV and share of changed classes of each pixel, one after the other."""
    passes = np.asarray(passes, np.float64)
    found = np.zeros((*passes.shape[1:3], 3))
    for y, x in np.ndindex(*passes.shape[1:3]):
        own = passes[:, y, x]
        mean = own.mean(0)
        found[y, x, 0] = slow_entropy(mean) - np.mean([slow_entropy(f) for f in own])
        found[y, x, 1] = np.mean([sum(abs(f - mean)) / 2 for f in own])
        found[y, x, 2] = np.mean([f.argmax() != mean.argmax() for f in own])
    return found


def slow_entropy(f):
    return -sum(p * np.log(p) for p in f if p > 0) / np.log(len(f))
