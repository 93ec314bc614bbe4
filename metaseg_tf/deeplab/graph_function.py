"""A GraphDef as functions of its image, in TensorFlow 2 and without sessions."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from metaseg_tf.errors import NetworkError

__all__ = ["GraphFunctions"]

#: Constants from this size on, in bytes, are weights; sizes and axes are far smaller.
_WEIGHT_BYTES = 4096


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
        try:
            self._wrapped = _import(graph_def)
        except (ValueError, TypeError, tf.errors.OpError) as error:
            raise NetworkError(f"graph: cannot be read: {_first_line(error)}") from error

    def tensor(self, name: str) -> tf.Tensor:
        """The symbolic tensor of that name; its shape is what TensorFlow knows without a run."""
        try:
            return self._wrapped.graph.as_graph_element(name if ":" in name else f"{name}:0")
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


def _import(graph_def: tf.compat.v1.GraphDef):
    skeleton, weights = _split(graph_def)

    def build() -> None:
        captured = {name: tf.identity(tensor) for name, tensor in weights.items()}
        tf.graph_util.import_graph_def(skeleton, name="", input_map=captured)

    return tf.compat.v1.wrap_function(build, [])


def _split(graph_def: tf.compat.v1.GraphDef):
    """The graph without its large constants, and these as tensors by their names.

    As constants of a function, TensorFlow would copy them with every function and optimisation:
    4 GB and 15 s to load Xception65 instead of 1 GB and 5 s.
    """
    skeleton = tf.compat.v1.GraphDef(versions=graph_def.versions, library=graph_def.library)
    weights = {}
    for node in graph_def.node:
        if node.op == "Const" and node.attr["value"].tensor.ByteSize() >= _WEIGHT_BYTES:
            weights[f"{node.name}:0"] = tf.constant(tf.make_ndarray(node.attr["value"].tensor))
        else:
            # A node may ask to be placed beside a constant that is gone now.
            skeleton.node.add().CopyFrom(node)
            skeleton.node[-1].attr.pop("_class", None)
    return skeleton, weights


def _first_line(error: Exception) -> str:
    return str(getattr(error, "message", error)).strip().partition("\n")[0]
