"""A GraphDef as functions of its image, in TensorFlow 2 and without sessions."""

import math
from collections.abc import Callable, Sequence

import tensorflow as tf

from metaseg_tf.errors import NetworkError

__all__ = ["GraphFunctions", "import_graph"]

#: Constants from this size on, in bytes, are weights; sizes and axes are far smaller.
_WEIGHT_BYTES = 4096
#: Scope of the graph's nodes, apart from those that stand for its weights, whose names might clash.
_SCOPE = "graph"


class GraphFunctions:
    """Any tensors of a graph, as functions of one of its placeholders.

    Parameters
    ----------
    graph_def : tf.compat.v1.GraphDef
        A graph that `graph_safety.check_graph` has passed.

    Raises
    ------
    NetworkError
        If TensorFlow cannot read the graph, because a node lacks inputs or attributes, say.
    """

    def __init__(self, graph_def: tf.compat.v1.GraphDef):
        self._wrapped = import_graph(graph_def, _WEIGHT_BYTES)

    def tensor(self, name: str) -> tf.Tensor:
        """The symbolic tensor of that name; its shape is what TensorFlow knows without a run."""
        try:
            full = f"{_SCOPE}/{name}" if ":" in name else f"{_SCOPE}/{name}:0"
            return self._wrapped.graph.as_graph_element(full)
        except (KeyError, ValueError, TypeError) as error:
            raise NetworkError(f"graph: cannot be read: {_first_line(error)}") from error

    def function(self, image: str, names: Sequence[str]) -> Callable[[tf.Tensor], list[tf.Tensor]]:
        """A function from the placeholder ``image`` to the tensors of these names.

        It runs what these tensors need and no more, and raises a NetworkError of one line where
        the graph fails.
        """
        pruned = self._wrapped.prune(self.tensor(image), [self.tensor(name) for name in names])

        def run(image: tf.Tensor) -> list[tf.Tensor]:
            try:
                return pruned(image)
            except tf.errors.OpError as error:
                raise NetworkError(f"graph: cannot be run: {_first_line(error)}") from error

        return run


def import_graph(graph_def: tf.compat.v1.GraphDef, weight_bytes: float = math.inf):
    """A wrapped function of a graph, which captures the constants from that size on.

    Raises
    ------
    NetworkError
        If TensorFlow cannot read the graph.
    """
    try:
        skeleton, weights = _split(graph_def, weight_bytes)

        def build() -> None:
            captured = {name: tf.identity(tensor) for name, tensor in weights.items()}
            tf.graph_util.import_graph_def(skeleton, name=_SCOPE, input_map=captured)

        return tf.compat.v1.wrap_function(build, [])
    except (ValueError, TypeError, tf.errors.OpError) as error:
        raise NetworkError(f"graph: cannot be read: {_first_line(error)}") from error


def _split(graph_def: tf.compat.v1.GraphDef, weight_bytes: float):
    """The graph without its large constants, and these as tensors by their names.

    As constants of a function, TensorFlow would copy them with every function and optimisation:
    4 GB and 15 s to load Xception65 instead of 1 GB and 5 s.
    """
    skeleton = tf.compat.v1.GraphDef(versions=graph_def.versions, library=graph_def.library)
    # TensorFlow refuses an input map with what nothing reads.
    read = {source.partition(":")[0] for node in graph_def.node for source in node.input}
    weights = {}
    for node in graph_def.node:
        constant = node.op == "Const" and node.name in read
        if constant and node.attr["value"].tensor.ByteSize() >= weight_bytes:
            weights[f"{node.name}:0"] = tf.constant(tf.make_ndarray(node.attr["value"].tensor))
        else:
            # A node may ask to be placed next to a constant that is gone now, or to run after it.
            skeleton.node.add().CopyFrom(node)
            skeleton.node[-1].attr.pop("_class", None)
    gone = {f"^{weight.removesuffix(':0')}" for weight in weights}
    for node in skeleton.node:
        node.input[:] = [source for source in node.input if source not in gone]
    return skeleton, weights


def _first_line(error: Exception) -> str:
    return str(getattr(error, "message", error)).strip().partition("\n")[0]
