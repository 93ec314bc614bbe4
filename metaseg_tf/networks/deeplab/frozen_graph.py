"""A DeepLab frozen graph as it is: an image in, class probabilities out (eq. 1, section 3).

Upstream's graphs give labels only. The probabilities stand one step before: at the tensor that
feeds ArgMax, still padded to the crop. It is found by structure, see `graph_structure`.
"""

from functools import partial

import numpy as np
import tensorflow as tf

from metaseg_tf.errors import NetworkError
from metaseg_tf.networks.deeplab.multiscale import mean_softmax
from metaseg_tf.networks.graph import (
    Graph,
    GraphFunctions,
    find_branches,
    find_image,
    find_output_stride,
    find_padding,
    find_tail,
    load_graph_def,
    node_name,
)
from metaseg_tf.networks.image_network import check_image
from metaseg_tf.networks.options import NetworkSettings
from metaseg_tf.networks.scores import Ending, find_kind, flow_of_graph
from metaseg_tf.untrusted.graphs import check_graph

__all__ = ["FrozenGraph", "load_graph_def"]


class FrozenGraph:
    """Class probabilities from a DeepLab frozen graph, run with the settings it was exported at.

    Parameters
    ----------
    graph_def : tf.compat.v1.GraphDef
        A graph with one uint8 image [1, H, W, 3] as its input and labels as its output.

    Attributes
    ----------
    classes : int
        Number of classes C.
    crop : (int, int)
        Height and width in pixels of the largest image that the graph takes.
    ending : Ending
        What its scores are.
    settings : NetworkSettings
        What the graph was exported at, read from its structure.

    Raises
    ------
    UnsafeGraphError
        If the graph holds ops which inference does not need.
    NetworkError
        If the graph has not the structure of a DeepLab export.
    """

    def __init__(self, graph_def: tf.compat.v1.GraphDef):
        check_graph(graph_def)
        graph = Graph(graph_def)
        # TensorFlow sees to it that no node lacks inputs or attributes, on which the rest relies.
        functions = GraphFunctions(graph_def)
        self._tail = find_tail(graph)
        image = find_image(graph, self._tail)
        _check_interface(image, self._tail)
        self._function = partial(functions.function, image.name)
        self._run = self._function([self._tail.scores, self._tail.labels])
        shape = functions.tensor(self._tail.scores).shape
        channels = shape[-1] if shape.rank == 4 else None
        kind = find_kind(flow_of_graph(graph), node_name(self._tail.scores))
        self.ending = Ending(kind, channels or 0)
        self.classes = self.ending.classes
        self.crop = self._fixed_size(self._tail.resize)
        self._check_crop(find_padding(graph))
        self.settings = self._read_settings(graph)

    def probabilities(self, image: np.ndarray) -> np.ndarray:
        """Class probabilities of each pixel, f_z(y|x, w) of section 2.

        Parameters
        ----------
        image : uint8 array [H, W, 3]
            RGB in 0..255, not larger than the crop.

        Returns
        -------
        float32 array [H, W, C]
            In [0, 1]; the last axis sums to 1.

        Raises
        ------
        ShapeError, InputError
            If the image is not one RGB image within the crop.
        NetworkError
            If the graph fails, or its labels are not those of its scores.
        """
        scores = self.scores(image)
        if self.ending.kind == "logits":
            return mean_softmax([scores[np.newaxis]], image.shape[:2])
        return self.ending.probabilities(scores)

    def logits(self, image: np.ndarray) -> np.ndarray:
        """Logits of each pixel, float32 [H, W, C]; arguments and errors as in `probabilities`.

        Raises
        ------
        NetworkError
            If the graph averages probabilities over scales, so that there are no logits.
        """
        if self.ending.kind == "probabilities":
            raise NetworkError(
                "graph: expected logits in front of ArgMax, got probabilities averaged over "
                "scales, which have no logits; use probabilities()"
            )
        return self.ending.logits(self.scores(image))

    def scores(self, image: np.ndarray) -> np.ndarray:
        """What feeds ArgMax, float32 [H, W, C]; ``ending`` tells what that is."""
        check_image(image, self.crop)
        scores, labels = self._run(tf.constant(image[np.newaxis]))
        if tuple(scores.shape[1:3]) != self.crop:
            raise NetworkError(
                f"graph: expected scores of the crop's size {self.crop}, got "
                f"{tuple(scores.shape[1:3])}; this is not a DeepLab export"
            )
        height, width = image.shape[:2]
        scores = tf.cast(scores[0, :height, :width], tf.float32)
        _check_labels(scores, labels)
        return scores.numpy()

    def _read_settings(self, graph: Graph) -> NetworkSettings:
        branches = find_branches(graph)
        sizes = [self._fixed_size(b.resize) if b.resize else self.crop for b in branches]
        # The sizes are truncated to whole pixels; the wider side gives the scale more exactly.
        scales = {round((width - 1) / max(self.crop[1] - 1, 1), 2) for _, width in sizes}
        return NetworkSettings(
            output_stride=find_output_stride(graph),
            scales=tuple(sorted(scales)),
            flip=any(branch.flipped for branch in branches),
            crop=self.crop,
        )

    def _check_crop(self, padding: str | None) -> None:
        if padding is None:
            return
        padded, *_ = self._function([padding])(_black(1))
        size = tuple(padded.shape[-3:-1])
        if size != self.crop:
            raise NetworkError(
                f"graph: expected scores of the crop's size {size} in front of ArgMax, got "
                f"{self.crop}; export it with prediction_with_upsampled_logits"
            )

    def _fixed_size(self, tensor: str) -> tuple[int, int]:
        """The height and width in ``tensor``; they must not depend on the image's size."""
        size = self._function([tensor])
        found = {tuple(size(_black(side))[0].numpy().tolist()) for side in (1, 2)}
        if len(found) != 1:
            raise NetworkError(
                "graph: expected a fixed crop to which images are padded, got a size that follows "
                "the image's; export the graph with a crop size"
            )
        return found.pop()


def _check_interface(image, tail) -> None:
    dtype = tf.as_dtype(image.attr["dtype"].type)
    if dtype != tf.uint8:
        raise NetworkError(
            f"graph: expected a uint8 image as its input, got {dtype.name} at {image.name!r}; "
            "use a graph that prepares the image itself, as DeepLab's export does"
        )
    if tail.resize is None:
        raise NetworkError(
            f"graph: expected scores resized to the crop in front of {tail.argmax!r}, got "
            f"{tail.scores!r}; export it with prediction_with_upsampled_logits"
        )


def _check_labels(scores: tf.Tensor, labels: tf.Tensor) -> None:
    """The graph's own labels prove that the scores are cut at the right place."""
    if labels.shape == [1, *scores.shape[:2]]:
        chosen = tf.gather(scores, tf.cast(labels[0], tf.int32), batch_dims=2)
        if tf.reduce_all(chosen == tf.reduce_max(scores, axis=-1)):
            return
    raise NetworkError(
        "graph: its labels are not the ArgMax of its scores at the image's size; "
        "it resizes or moves them on the way, so its probabilities cannot be cut out"
    )


def _black(side: int) -> tf.Tensor:
    return tf.zeros([1, side, side, 3], tf.uint8)
