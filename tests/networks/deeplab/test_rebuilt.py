"""The rebuilt network as a whole against the slow twin, and what it refuses."""

from collections import Counter
from functools import cache

import numpy as np
import pytest
import slow_deeplab
from deeplab_samples import (
    CROP,
    SMALL,
    full_weights,
    run_graph,
    slow_network,
    small_weights,
    smooth_image,
)

from metaseg_tf.errors import DataFormatError, InputError, NetworkError, ShapeError
from metaseg_tf.networks.deeplab.backbones import MOBILENETV2, XCEPTION65
from metaseg_tf.networks.deeplab.rebuilt import (
    RebuiltNetwork,
    build_frozen_graph,
    check_settings,
    export_frozen_graph,
)
from metaseg_tf.networks.deeplab.weights import weights_from_graph_def
from metaseg_tf.networks.options import NetworkOptions

PAPER_SCALES = (0.75, 1.0, 1.25)


def rebuild(name, output_stride=16, scales=(1.0,), flip=False, crop=CROP):
    return RebuiltNetwork(small_weights(name), NetworkOptions(output_stride, scales, flip, crop))


@pytest.mark.parametrize(
    ("scales", "flip"), [((1.0,), False), ((1.0,), True), (PAPER_SCALES, False), ((0.75,), True)]
)
@pytest.mark.parametrize("output_stride", [8, 16])
@pytest.mark.parametrize("name", SMALL)
def test_probabilities_equal_the_slow_twin(name, output_stride, scales, flip):
    image = smooth_image(61, 90)
    slow = slow_deeplab.multi_scale(
        slow_network(SMALL[name], small_weights(name), output_stride),
        image,
        CROP,
        SMALL[name].logits_stride(output_stride),
        scales,
        (False, True) if flip else (False,),
    )
    probs = rebuild(name, output_stride, scales, flip).probabilities(image)
    assert probs.shape == (61, 90, 7)
    assert probs.dtype == np.float32
    np.testing.assert_allclose(probs, slow, atol=5e-4)
    np.testing.assert_allclose(probs.sum(-1), 1, atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_logits_are_those_of_scale_1_whatever_the_settings(name):
    image = smooth_image(*CROP)
    single, multi = rebuild(name), rebuild(name, scales=PAPER_SCALES, flip=True)
    np.testing.assert_allclose(single.logits(image), multi.logits(image), atol=1e-4)
    softmax = slow_deeplab.softmax(single.logits(image).astype(np.float64))
    np.testing.assert_allclose(single.probabilities(image), softmax, atol=1e-5)


def test_images_of_any_size_share_one_trace():
    network = rebuild("mobilenetv2", scales=(1.0, 1.25), flip=True)
    for size in ((20, 30), (65, 97), (1, 1)):
        assert network.probabilities(smooth_image(*size)).shape == (*size, 7)
    assert len(network._functions) == 2


def test_attributes():
    network = rebuild("xception65", 8)
    assert (network.classes, network.crop) == (7, CROP)
    assert network.settings == NetworkOptions(8, (1.0,), False, CROP)
    assert network.architecture == SMALL["xception65"]


@pytest.mark.parametrize("method", ["probabilities", "logits"])
@pytest.mark.parametrize(
    ("image", "error"),
    [
        (np.zeros((66, 97, 3), np.uint8), ShapeError),
        (np.zeros((1, 65, 97, 3), np.uint8), ShapeError),
        (np.zeros((3, 65, 97), np.uint8), ShapeError),
        (np.zeros((65, 97, 4), np.uint8), ShapeError),
        (np.zeros((65, 97, 3), np.float32), InputError),
    ],
    ids=["larger", "batch", "channels-first", "alpha", "float"],
)
def test_other_images_are_refused(image, error, method):
    with pytest.raises(error, match="image: expected"):
        getattr(rebuild("mobilenetv2"), method)(image)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ((12, (1.0,), False, CROP), "output_stride: expected one of"),
        ((None, (1.0,), False, CROP), "output_stride: expected one of"),
        ((16, (), False, CROP), "scales: expected"),
        ((16, (1.0, 0.0), False, CROP), "scales: expected"),
        ((16, (float("nan"),), False, CROP), "scales: expected"),
        ((16, (1.0,), False, (1024, 2048)), r"use \(1025, 2049\)"),
        ((8, (1.0,), False, (66, 97)), r"use \(73, 97\)"),
        ((8, (1.0,), False, (65,)), "crop: expected"),
        ((8, (1.0,), False, None), "crop: expected"),
        ((8, (1.0,), False, (1, 1)), "crop: expected"),
    ],
)
def test_other_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        check_settings(NetworkOptions(*settings))


def test_incomplete_weights_are_refused():
    weights = dict(small_weights("mobilenetv2"))
    del weights["concat_projection/BatchNorm/gamma"]
    with pytest.raises(NetworkError, match="missing concat_projection/BatchNorm/gamma"):
        RebuiltNetwork(weights, NetworkOptions(16, crop=CROP))


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
