"""ONNX files may name custom operators and other files: neither is let through."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason='pip install "metaseg-tf[onnx]"')
pytest.importorskip("onnx.inliner")

from small_networks import kernel  # noqa: E402
from small_onnx import model, move_out, node, write  # noqa: E402

from metaseg_tf.errors import DataFormatError, NetworkError, UnsafeGraphError  # noqa: E402
from metaseg_tf.untrusted import onnx as reader  # noqa: E402
from metaseg_tf.untrusted.onnx import read_model  # noqa: E402


@pytest.fixture
def path(tmp_path):
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder" / "net.onnx"


def kernel_of(network):
    (tensor,) = (t for t in network.graph.initializer if t.name == "kernel")
    return onnx.numpy_helper.to_array(tensor)[..., 0, 0].T


def refused(path, network, error, words):
    with pytest.raises(error, match=words) as caught:
        read_model(write(path, network))
    assert "\n" not in str(caught.value)


def test_a_network_comes_back_without_what_inference_does_not_need(path):
    network = model()
    network.metadata_props.add(key="ort_config", value="{}")
    network.training_info.add()
    network.producer_name = "someone"
    found, files = read_model(write(path, network))
    assert files == []
    assert found.graph == network.graph
    assert {field.name for field, _ in found.ListFields()} == {
        "ir_version",
        "opset_import",
        "graph",
    }


@pytest.mark.parametrize("offset", [0, 64])
@pytest.mark.parametrize("location", ["weights.bin", "deeper/weights.bin", "./deeper/../w.bin"])
def test_weights_in_other_files_of_the_folder_are_read(path, location, offset):
    network = model()
    content = move_out(network, location, offset)
    (path.parent / "deeper").mkdir()
    file = path.parent / location
    file.write_bytes(bytes(offset) + content + b"more")
    found, files = read_model(write(path, network))
    assert files == [file]
    np.testing.assert_array_equal(kernel_of(found), kernel()[0, 0])
    assert b"weights.bin" not in found.SerializeToString()


def test_the_whole_file_is_read_where_no_length_is_said(path):
    network = model()
    (path.parent / "w").write_bytes(move_out(network, "w"))
    external = network.graph.initializer[-1].external_data
    del external[1:]
    found, _ = read_model(write(path, network))
    np.testing.assert_array_equal(kernel_of(found), kernel()[0, 0])


@pytest.mark.parametrize(
    "location",
    [
        "../secret",
        "/etc/passwd",
        "{outside}/secret",
        "a/../../secret",
        "link",
        "linked/secret",
    ],
)
def test_weights_outside_of_the_folder_are_refused(path, location):
    network = model()
    outside = path.parents[1]
    location = location.format(outside=outside)
    (outside / "secret").write_bytes(move_out(network, location))
    (path.parent / "a").mkdir()
    (path.parent / "link").symlink_to(outside / "secret")
    (path.parent / "linked").symlink_to(outside)
    refused(path, network, UnsafeGraphError, "weights in its own folder, got some in")


def test_a_cache_of_links_is_read(path):
    """As Hugging Face's: the network and its weights are links into one folder."""
    network = model()
    blobs = path.parents[1] / "blobs"
    blobs.mkdir()
    (blobs / "b").write_bytes(move_out(network, "net.onnx.data"))
    write(blobs / "a", network)
    path.symlink_to(blobs / "a")
    (path.parent / "net.onnx.data").symlink_to(blobs / "b")
    found, _ = read_model(path)
    np.testing.assert_array_equal(kernel_of(found), kernel()[0, 0])


@pytest.mark.parametrize(
    ("location", "offset", "length"),
    [
        ("missing", 0, 0),
        ("", 0, 0),
        (".", 0, 0),
        ("weights.bin", 8, 0),
        ("weights.bin", -8, 0),
        ("weights.bin", "x", 0),
        ("weights.bin", 0, 2**62),
        ("weights.bin", 0, -1),
        ("*/_ORT_MEM_ADDR_/*", 140737488355328, 0),
    ],
)
def test_weights_that_are_not_there_are_refused(path, location, offset, length):
    network = model()
    (path.parent / "weights.bin").write_bytes(move_out(network, location, offset, length))
    refused(path, network, DataFormatError, "got no such file, a truncated or a larger one")


def test_one_file_named_again_and_again_is_no_endless_memory(path, monkeypatch):
    network = model()
    (path.parent / "weights.bin").write_bytes(move_out(network))
    network.graph.initializer.extend([network.graph.initializer[-1]] * 9)
    read_model(write(path, network))
    monkeypatch.setattr(reader, "_MAX_BYTES", path.stat().st_size + 9 * kernel().nbytes)
    refused(path, network, DataFormatError, "2 GB in all")
    monkeypatch.setattr(reader, "_MAX_BYTES", path.stat().st_size - 1)
    refused(path, network, DataFormatError, "below 2 GB")


def test_weights_in_attributes_and_branches_are_read_and_checked(path):
    network = model("")
    branch = onnx.helper.make_graph(
        [node("Constant", [], ["y"], value=onnx.numpy_helper.from_array(np.ones(3)))], "b", [], []
    )
    network.graph.node.append(node("If", ["x"], ["out"], then_branch=branch, else_branch=branch))
    read_model(write(path, network))
    tensor = network.graph.node[-1].attribute[0].g.node[0].attribute[0].t
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    refused(path, network, UnsafeGraphError, "/etc/passwd")


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize(
    ("op", "domain"),
    [
        ("Mine", "my.ops"),
        ("Conv", "my.ops"),
        ("EPContext", "com.microsoft"),
        ("Tokenizer", "com.microsoft"),
        ("TreeEnsemble", "ai.onnx.ml"),
        ("Gelus", "com.microsoft"),
    ],
)
def test_custom_operators_are_refused_wherever_they_are(path, op, domain, inside):
    network = model("")
    custom = node(op, ["x"], ["out"], domain)
    if inside:
        branch = onnx.helper.make_graph([custom], "b", [], [])
        custom = node("If", ["x"], ["out"], then_branch=branch, else_branch=branch)
    network.graph.node.append(custom)
    refused(path, network, UnsafeGraphError, f"the custom one '{op}' of '{domain}'")


def test_functions_are_refused_and_written_out_as_the_message_says(path):
    network = model("out = my.Twice (x)", opset=17)
    network.opset_import.add(domain="my", version=1)
    twice = [node("Add", ["a", "a"], ["b"])]
    network.functions.append(
        onnx.helper.make_function("my", "Twice", ["a"], ["b"], twice, network.opset_import[:1])
    )
    refused(path, network, NetworkError, "onnx.inliner.inline_local_functions")
    flat = onnx.inliner.inline_local_functions(network)
    assert {n.op_type for n in read_model(write(path, flat))[0].graph.node} >= {"Add", "Conv"}


def test_sparse_weights_are_refused(path):
    network = model()
    network.graph.sparse_initializer.add().dims[:] = [2**40]
    refused(path, network, NetworkError, "got sparse weights")


def test_numbers_of_half_a_byte_are_taken(path):
    network = model()
    tensor = onnx.helper.make_tensor("q", onnx.TensorProto.UINT4, [5], [1, 2, 3, 4, 5])
    network.graph.initializer.append(tensor)
    read_model(write(path, network))


def test_broken_and_missing_files_give_one_line(path):
    with pytest.raises(DataFormatError, match="no such file"):
        read_model(path)
    whole = model().SerializeToString()
    for content in (b"", b"\x00" * 64, whole[: len(whole) // 2], b"\x08\x08", b"PK\x03\x04 zip"):
        path.write_bytes(content)
        with pytest.raises(DataFormatError, match="got another or a truncated file") as caught:
            read_model(path)
        assert "\n" not in str(caught.value)


def test_branches_in_branches_have_an_end(path):
    network = model()
    graph = network.graph
    for _ in range(60):
        graph = graph.node.add(op_type="If").attribute.add(name="then_branch").g
    graph.node.add(op_type="Relu")
    with pytest.raises(DataFormatError, match="truncated"):
        read_model(write(path, network))
