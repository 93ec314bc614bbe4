"""The kinds of scores that a network ends in: logits, probabilities, or one sigmoid channel.

Which one it is, and whether the network rescales pixels itself, is read from its ops. These are
named in capitals without underscores, where TensorFlow and TensorFlow Lite mostly agree, and
recognised by how their names begin, since versions differ at the end.
"""

import json
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from metaseg_tf.errors import NetworkError
from metaseg_tf.segments.dispersion import SUM_TOLERANCE

__all__ = ["Dataflow", "Ending", "find_argmax", "find_kind", "rescales_pixels"]

#: Below the least probability above 0 of a float32 softmax in practice.
_LEAST = 1e-30


class Ending:
    """The kind of a network's scores, which is the same for all images.

    The ``kind`` is "probabilities", "sigmoid", "logits", or None if the first image has to decide:
    values in [0, 1] are probabilities or refused. Scores that are ``rounded`` to 8 bits sum to 1
    within C / 512 only, or twice that if they are resized. ``classes`` is the number of classes C:
    2 for one sigmoid channel, else ``channels``. Raises NetworkError if the scores can be neither
    logits nor a distribution.
    """

    def __init__(self, kind: str | None, channels: int, rounded: bool = False):
        if kind == "sigmoid" and channels > 1:
            raise NetworkError(
                f"network: expected logits or rows summing to 1 within {SUM_TOLERANCE:g}, got "
                f"{channels} sigmoid channels, which are neither; train it with a softmax over the "
                "last axis"
            )
        if kind != "sigmoid" and channels < 2:
            raise NetworkError(
                "network: expected scores [1, H, W, C] of at least 2 classes, or one channel that "
                f"ends in a sigmoid, got {channels} without one; use a network for semantic "
                "segmentation with channels last"
            )
        self.classes = max(channels, 2)
        self.kind, self.channels = kind, channels
        self._tolerance = min(SUM_TOLERANCE + rounded * channels / 256, 0.99)

    def probabilities(self, scores: np.ndarray) -> np.ndarray:
        """Class probabilities, float32 [H, W, C] with sum 1, from scores, float32 [H, W, channels].

        Raises NetworkError if the scores are not what the network should give.
        """
        if self.kind is None:
            bounded = scores.min() >= 0 and scores.max() <= 1
            self.kind = "probabilities" if bounded else "logits"
        if self.kind == "logits":
            return tf.nn.softmax(scores).numpy()
        if self.kind == "sigmoid":
            scores = np.concatenate([1 - scores, scores], axis=-1)
        # Bicubic resizing overshoots, and so does rounding; what else is below 0 spoils the sum.
        probs = np.maximum(scores, 0)
        total = probs.sum(axis=-1, keepdims=True)
        error = np.abs(total[..., 0] - 1)
        if not error.max() <= self._tolerance:
            row, column = np.unravel_index(error.argmax(), error.shape)
            raise NetworkError(
                f"network: expected logits or rows summing to 1 within {self._tolerance:g}, got "
                f"{total[row, column, 0]:.6g} at pixel ({row}, {column}) of scores that are "
                "neither; end it with a softmax over the last axis"
            )
        return np.divide(probs, total, out=probs)

    def logits(self, scores: np.ndarray) -> np.ndarray:
        """Logits, float32 [H, W, C], of scores; the logarithm of probabilities.

        Logits with a constant added to each pixel have the same softmax, so the logarithm is as
        good as the network's own.
        """
        probs = self.probabilities(scores)
        return scores if self.kind == "logits" else np.log(np.maximum(probs, _LEAST))


_OPS = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
_OPS = {kind: re.compile("|".join(names)) for kind, names in _OPS.items()}
#: Kind of scores -> the ops that make it; scores of linear ones have no bounds.
_KINDS = {kind: _OPS[kind] for kind in ("probabilities", "sigmoid", "logits")}
#: Ops that set bounds; ops whose first varying input keeps its meaning, wherever its values are
#: moved or spread to; ops whose inputs all do, since they put tiles, scales or mirrorings together.
_CLIPPING, _MOVING, _MERGING = _OPS["clipping"], _OPS["moving"], _OPS["merging"]


class Dataflow(NamedTuple):
    """The op that makes a tensor, and its inputs; the value of a tensor, None if it varies."""

    ops: Mapping[Hashable, tuple[str, Sequence]]
    constant: Callable[[Hashable], np.ndarray | None]


def find_kind(flow: Dataflow, scores: Hashable) -> str | None:
    """The kind of a network's scores, "probabilities", "sigmoid" or "logits"; None if unclear."""
    path = _carriers(flow, scores)
    ends = [op for op in path.values() if not (_MERGING.match(op) or _MOVING.match(op))]
    kinds = {next((kind for kind, ops in _KINDS.items() if ops.match(op)), None) for op in ends}
    if len(kinds) != 1 or (kinds == {"logits"} and any(map(_CLIPPING.match, path.values()))):
        return None
    return kinds.pop()


def find_argmax(flow: Dataflow, labels: Hashable) -> Hashable | None:
    """The result of the ArgMax that class ids come from; None if there is none."""
    return next((name for name, op in _carriers(flow, labels).items() if op == "ARGMAX"), None)


def rescales_pixels(flow: Dataflow, image: Hashable) -> bool:
    """True if a network brings pixels in 0..255 to its own range before its first layer.

    It does if constants are of the size of pixels in 0..255 and not of those in 0..1.
    """
    for op, sources in flow.ops.values():
        if re.match("MUL|DIV|REALDIV|SUB|ADD|BIASADD", op):
            constants = [c for c in map(flow.constant, sources) if c is not None and c.size]
            sizes = [np.abs(c).max() for c in constants]
            rescale = any(size < 0.05 if op == "MUL" else size > 20 for size in sizes)
            if rescale and any(image in _carriers(flow, source) for source in sources):
                return True
    return False


def _carriers(flow: Dataflow, tensor: Hashable) -> dict[Hashable, str]:
    """The tensors, with their ops, back to those that give a tensor's values their meaning."""
    found, queue = {}, [tensor]
    for tensor in queue:
        if tensor in found:
            continue
        op, sources = flow.ops.get(tensor, ("", ()))
        found[tensor] = op
        if _MERGING.match(op) or _MOVING.match(op):
            varying = [source for source in sources if flow.constant(source) is None]
            queue += varying if _MERGING.match(op) else varying[:1]
    return found
