"""Networks frozen into graphs: their values, weights, and upstream's names."""

from collections import Counter
from functools import cache

import numpy as np
import pytest
from deeplab_samples import (
    CROP,
    SMALL,
    full_weights,
    rebuild,
    run_graph,
    small_weights,
    smooth_image,
)
from export import build_frozen_graph, export_frozen_graph

from metaseg_tf.errors import DataFormatError
from metaseg_tf.networks.deeplab.backbones import MOBILENETV2, XCEPTION65
from metaseg_tf.networks.deeplab.model import RebuiltNetwork
from metaseg_tf.networks.deeplab.weights import weights_from_graph_def
from metaseg_tf.networks.options import NetworkOptions

IMAGE = smooth_image(61, 90)
MULTI_SCALE = ((0.75, 1.0, 1.25), True)


def assert_same_weights(given, expected):
    assert given.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(given[name], value)


@pytest.mark.parametrize(("output_stride", "crop"), [(8, CROP), (16, CROP), (16, (129, 129))])
@pytest.mark.parametrize(("name", "atol"), [("mobilenetv2", 1e-3), ("xception65", 1e-2)])
def test_a_single_scale_graph_gives_logits(name, atol, output_stride, crop):
    network = rebuild(name, output_stride, crop=crop)
    graph = build_frozen_graph(network)
    logits, labels = run_graph(graph, IMAGE, "ResizeBilinear_2:0", "SemanticPredictions:0")
    assert logits.shape == (1, *crop, 7)
    np.testing.assert_allclose(logits[0, :61, :90], network.logits(IMAGE), atol=atol)
    np.testing.assert_array_equal(labels[0], logits[0, :61, :90].argmax(-1))
    assert_same_weights(weights_from_graph_def(graph), network.weights)


@pytest.mark.parametrize(
    ("name", "output_stride", "atol"), [("mobilenetv2", 16, 5e-4), ("xception65", 8, 3e-3)]
)
def test_a_multi_scale_graph_gives_mean_probabilities(name, output_stride, atol):
    network = rebuild(name, output_stride, *MULTI_SCALE)
    graph = build_frozen_graph(network)
    probs, labels = run_graph(graph, IMAGE, "Mean:0", "SemanticPredictions:0")
    np.testing.assert_allclose(probs[0, :61, :90], network.probabilities(IMAGE), atol=atol)
    np.testing.assert_array_equal(labels[0], probs[0, :61, :90].argmax(-1))
    assert_same_weights(weights_from_graph_def(graph), network.weights)


@pytest.mark.long
@pytest.mark.parametrize(
    ("architecture", "atol"), [(MOBILENETV2, 1e-3), (XCEPTION65, 1e-2)], ids=["mn", "xc"]
)
def test_full_networks_round_trip(architecture, atol):
    image = smooth_image(65, 63)
    weights = full_weights(architecture)
    network = RebuiltNetwork(weights, NetworkOptions(8, crop=(65, 65)))
    graph = build_frozen_graph(network)
    (logits,) = run_graph(graph, image, "ResizeBilinear_2:0")
    np.testing.assert_allclose(logits[0, :, :63], network.logits(image), atol=atol)
    assert_same_weights(weights_from_graph_def(graph), weights)


@pytest.mark.parametrize("multi", [(), MULTI_SCALE], ids=["single", "multi"])
@pytest.mark.parametrize("name", SMALL)
class TestStructure:
    @staticmethod
    @cache
    def nodes(name, multi):
        graph = build_frozen_graph(rebuild(name, 8, *multi))
        return {node.name: node for node in graph.node}

    def test_upstreams_names(self, name, multi):
        nodes = self.nodes(name, multi)
        assert nodes["SemanticPredictions"].op == "Slice"
        assert nodes["SemanticPredictions"].input[0] == "ArgMax"
        assert nodes["ArgMax"].input[0] == ("Mean" if multi else "ResizeBilinear_2")
        assert nodes["logits/semantic/BiasAdd"].op == "BiasAdd"
        norm = nodes["aspp0/BatchNorm/FusedBatchNorm"]
        assert norm.op == "FusedBatchNormV3"
        assert norm.input[1:] == [
            f"aspp0/BatchNorm/{part}/read"
            for part in ("gamma", "beta", "moving_mean", "moving_variance")
        ]

    def test_every_variable_is_one_constant_that_is_read_by_an_identity(self, name, multi):
        nodes = self.nodes(name, multi)
        for variable in small_weights(name):
            assert nodes[variable].op == "Const"
            assert nodes[f"{variable}/read"].op == "Identity"
        constants = Counter(key.split("/read")[0] for key in nodes if "BatchNorm/gamma" in key)
        assert set(constants.values()) == {2}

    def test_epsilons(self, name, multi):
        epsilon = {
            key: node.attr["epsilon"].f
            for key, node in self.nodes(name, multi).items()
            if node.op == "FusedBatchNormV3"
        }
        backbone = SMALL[name].backbone.scope
        for key, value in epsilon.items():
            assert value == pytest.approx(1e-3 if key.startswith(backbone) else 1.001e-5)


def test_the_file_holds_the_weights_once(tmp_path):
    path = tmp_path / "frozen_inference_graph.pb"
    path.write_bytes(b"older")
    network = rebuild("xception65", 8, *MULTI_SCALE)
    export_frozen_graph(network, path)
    weights = sum(value.nbytes for value in network.weights.values())
    assert weights < path.stat().st_size < weights + 1_500_000
    assert list(tmp_path.iterdir()) == [path]


def test_the_same_network_gives_the_same_file(tmp_path):
    for name in ("a.pb", "b.pb"):
        export_frozen_graph(rebuild("mobilenetv2"), tmp_path / name)
    assert (tmp_path / "a.pb").read_bytes() == (tmp_path / "b.pb").read_bytes()


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(DataFormatError, match=r"graph\.pb: cannot be written \(No such file"):
        export_frozen_graph(rebuild("mobilenetv2"), tmp_path / "none" / "graph.pb")
