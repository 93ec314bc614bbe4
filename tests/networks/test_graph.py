"""Frozen graphs from files: whole ones are read, all others give one line."""

import io
import tarfile

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from upstream_graphs import Export, graph_def

from metaseg_tf.errors import DataFormatError, UnsafeGraphError
from metaseg_tf.networks.graph import GraphFunctions, load_graph_def


@pytest.fixture(scope="module")
def content():
    return graph_def(Export(crop=(17, 17))).SerializeToString()


def pack(path, members):
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def test_reads_a_graph(tmp_path, content):
    path = tmp_path / "any_name.pb"
    path.write_bytes(content)
    assert load_graph_def(path).SerializeToString(deterministic=True)
    assert len(load_graph_def(path).node) == len(graph_def(Export(crop=(17, 17))).node)


def test_finds_the_graph_in_an_archive_by_its_content(tmp_path, content):
    members = {
        "train/._odd_name.pb": b"\0\5\x16\7",
        "train/model.ckpt.index": b"...",
        "train/odd_name.pb": content,
    }
    graph = load_graph_def(pack(tmp_path / "published.tar.gz", members))
    assert any(node.op == "ArgMax" for node in graph.node)


@pytest.mark.parametrize("share", [0.999, 0.5, 0.01, 0])
def test_truncated_graphs_give_one_line(tmp_path, content, share):
    path = tmp_path / "cut.pb"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataFormatError, match=r"cut\.pb.*truncated") as caught:
        load_graph_def(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.99, 0.5, 0.01, 0])
def test_truncated_archives_give_one_line(tmp_path, content, share):
    path = pack(tmp_path / "cut.tar.gz", {"graph.pb": content})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DataFormatError, match=r"cut\.tar\.gz.*download it again"):
        load_graph_def(path)


@pytest.mark.parametrize("name", ["net.tflite", "net", "folder"])
def test_files_of_other_formats(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "net.tflite").touch()
    with pytest.raises(DataFormatError, match=r"expected a frozen graph \(\.pb\) or an archive"):
        load_graph_def(tmp_path / name)


@pytest.mark.parametrize("name", ["none.pb", "none.tar.gz"])
def test_missing_files(tmp_path, name):
    with pytest.raises(DataFormatError, match="no such file"):
        load_graph_def(tmp_path / name)


def test_an_archive_must_hold_one_graph(tmp_path, content):
    for count in (0, 2):
        members = {"readme.txt": b"", **{f"{i}.pb": content for i in range(count)}}
        with pytest.raises(DataFormatError, match=f"got {count}"):
            load_graph_def(pack(tmp_path / f"{count}.tar.gz", members))


def test_unsafe_graphs_are_refused(tmp_path):
    graph = graph_def(Export(crop=(17, 17)))
    graph.node.add(name="spy", op="PyFunc")
    path = tmp_path / "unsafe.pb"
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(UnsafeGraphError, match="PyFunc"):
        load_graph_def(path)


NAMES = ("Identity", "Identity_1", "Placeholder", "unknown", "graph", "graph_1", "Const", "input")


def graph_of(names, control):
    """Two large kernels and one that nothing reads, on an image: (x @ a) @ b."""
    rng = np.random.default_rng(0)
    a, b, unread = rng.normal(size=(3, 32, 32)).astype(np.float32)
    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(tf.float32, (1, 32), names[0])
        first, _ = tf.constant(a, name=names[1]), tf.constant(unread, name=names[2])
        second = tf.constant(b, name=names[3])
        with graph.control_dependencies([first] if control else []):
            product = tf.matmul(image, first, name=names[4])
        tf.matmul(product, second, name=names[5])
    return graph.as_graph_def(), a @ b


@given(st.permutations(NAMES), st.booleans())
def test_names_cannot_clash_with_those_of_the_weights(names, control):
    graph_def, expected = graph_of(names, control)
    run = GraphFunctions(graph_def).function(f"{names[0]}:0", [names[5]])
    image = np.ones((1, 32), np.float32)
    np.testing.assert_allclose(run(tf.constant(image))[0], image @ expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["Identity", "output:0"])
def test_a_tensor_is_found_by_the_name_it_has_in_the_graph(name):
    node, *_ = name.split(":")
    graph_def, _ = graph_of(("x", "a", "unread", "b", "product", node), control=False)
    assert GraphFunctions(graph_def).tensor(name).shape == (1, 32)
