"""Frozen graphs from disk: a ``.pb`` file, or the archive that the graph was published in."""

from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError

from metaseg_tf.errors import DataFormatError
from metaseg_tf.untrusted.archives import read_members
from metaseg_tf.untrusted.graphs import check_graph

__all__ = ["load_graph_def"]

#: A protocol buffer cannot be larger.
_MAX_BYTES = 2**31


def load_graph_def(path: Path) -> tf.compat.v1.GraphDef:
    """Read a frozen graph from a ``.pb`` file or from the archive that it was published in.

    Parameters
    ----------
    path : Path
        ``*.pb``, or ``*.tar.gz`` (``*.tgz``, ``*.tar``) with one frozen graph in it.

    Raises
    ------
    DataFormatError
        If the file is missing, truncated or holds no graph.
    UnsafeGraphError
        If the graph holds ops which inference does not need.
    """
    path = Path(path)
    graph_def = _read_pb(path) if path.suffix == ".pb" else _read_archive(path)
    check_graph(graph_def)
    return graph_def


def _read_pb(path: Path) -> tf.compat.v1.GraphDef:
    if not path.is_file():
        raise DataFormatError(
            f"{path}: expected a frozen graph, found no such file; check the path"
        )
    if path.stat().st_size >= _MAX_BYTES:
        raise DataFormatError(f"{path}: expected a frozen graph below 2 GB, got a larger file")
    graph_def = _parse(path.read_bytes())
    if graph_def is None:
        raise DataFormatError(
            f"{path}: expected a frozen graph (GraphDef), got another or a truncated file; "
            "copy or unpack it again"
        )
    return graph_def


def _read_archive(path: Path) -> tf.compat.v1.GraphDef:
    graphs = [_parse(content) for _, content in read_members(path, ".pb")]
    graphs = [graph_def for graph_def in graphs if graph_def is not None]
    if len(graphs) != 1:
        raise DataFormatError(
            f"{path}: expected an archive with one frozen graph (.pb), got {len(graphs)}; "
            "unpack it and name the file"
        )
    return graphs[0]


def _parse(content: bytes) -> tf.compat.v1.GraphDef | None:
    """The graph in ``content``, None if there is none."""
    try:
        graph_def = tf.compat.v1.GraphDef.FromString(content)
    except DecodeError:
        return None
    return graph_def if any(node.op == "Placeholder" for node in graph_def.node) else None
