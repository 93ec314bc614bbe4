"""The nodes of a GraphDef with their edges at hand."""

from collections import defaultdict
from graphlib import CycleError, TopologicalSorter

from metaseg_tf.errors import NetworkError

__all__ = ["Graph", "node_name"]


class Graph:
    """A GraphDef with its edges at hand; control edges are left out.

    Parameters
    ----------
    graph_def : tf.compat.v1.GraphDef

    Attributes
    ----------
    nodes : dict of str to NodeDef
    consumers : dict of str to list of NodeDef
        Who reads a node's outputs.
    order : list of NodeDef
        All nodes, each after those that it reads.

    Raises
    ------
    NetworkError
        If the graph runs in a circle, or a node reads one that is not there.
    """

    def __init__(self, graph_def):
        self.nodes = {node.name: node for node in graph_def.node}
        self.consumers = defaultdict(list)
        for node in graph_def.node:
            for source in self.inputs(node):
                self.consumers[source.name].append(node)
        self.order = self._sorted()

    def _sorted(self) -> list:
        before = {name: [s.name for s in self.inputs(node)] for name, node in self.nodes.items()}
        try:
            return [self.nodes[name] for name in TopologicalSorter(before).static_order()]
        except CycleError as error:
            raise NetworkError(
                f"graph: expected no loops, got one through node {error.args[1][0]!r}; "
                "use a graph for inference"
            ) from error

    def inputs(self, node) -> list:
        """The nodes that feed ``node``, in the order of its inputs."""
        names = (node_name(tensor) for tensor in node.input if not tensor.startswith("^"))
        try:
            return [self.nodes[name] for name in names]
        except KeyError as error:
            raise NetworkError(
                f"graph: expected all nodes that {node.name!r} reads, got none named {error}; "
                "the file is cut off or was taken apart: copy it again"
            ) from error

    def of(self, *ops: str) -> list:
        """All nodes whose op is among ``ops``."""
        return [node for node in self.nodes.values() if node.op in ops]

    def ancestors(self, node) -> list:
        """All nodes that ``node`` depends on, the nearest first."""
        found, queue = {}, self.inputs(node)
        for source in queue:
            if source.name not in found:
                found[source.name] = source
                queue.extend(self.inputs(source))
        return list(found.values())


def node_name(tensor: str) -> str:
    """Name of the node that gives ``tensor``, as written in an input of a node."""
    return tensor.lstrip("^").split(":")[0]
