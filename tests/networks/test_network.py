"""The one door: what each kind of source gives with and without settings."""

import os
import tarfile
from types import SimpleNamespace

import numpy as np
import pytest
from deeplab_samples import CROP, SMALL, small_weights, smooth_image, write_checkpoint
from export import build_frozen_graph, export_frozen_graph

from metaseg_tf.errors import DataFormatError, InputError, NetworkError
from metaseg_tf.networks.checkpoints import CITYSCAPES_CROP
from metaseg_tf.networks.deeplab.frozen_graph import FrozenGraph
from metaseg_tf.networks.deeplab.model import (
    RebuiltNetwork,
)
from metaseg_tf.networks.network import Tiled, load_network
from metaseg_tf.networks.options import NetworkOptions

OWN = NetworkOptions(8, (1.0,), False, CROP)


@pytest.fixture(scope="module", params=SMALL)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def graph_file(tmp_path_factory, name):
    path = tmp_path_factory.mktemp("graph") / "frozen_inference_graph.pb"
    export_frozen_graph(RebuiltNetwork(small_weights(name), OWN), path)
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, name):
    prefix = tmp_path_factory.mktemp("checkpoint") / "model.ckpt"
    slots = {"global_step": np.int64(1), "aspp0/weights/Momentum": np.zeros(3, np.float32)}
    write_checkpoint(prefix, {**small_weights(name), **slots})
    return prefix


class TestFrozenGraph:
    def test_runs_as_it_is_without_settings(self, graph_file):
        network = load_network(graph_file)
        assert isinstance(network, FrozenGraph)
        assert (network.classes, network.crop, network.settings) == (7, CROP, OWN)

    def test_is_rebuilt_with_any_setting(self, graph_file):
        network = load_network(graph_file, flip=True)
        assert isinstance(network, RebuiltNetwork)
        assert network.settings == NetworkOptions(8, (1.0,), True, CROP)

    def test_equals_its_rebuilt_self(self, graph_file):
        image = smooth_image(60, 97)
        frozen, rebuilt = load_network(graph_file), load_network(graph_file, output_stride=8)
        np.testing.assert_allclose(rebuilt.logits(image), frozen.logits(image), atol=1e-3)

    def test_out_of_an_archive(self, graph_file, tmp_path):
        archive = tmp_path / "deeplab.tar.gz"
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(graph_file, "deeplab/frozen_inference_graph.pb")
        assert isinstance(load_network(archive), FrozenGraph)
        assert load_network(archive, crop=(33, 33)).crop == (33, 33)

    def test_that_lost_a_weight(self, tmp_path):
        graph = build_frozen_graph(RebuiltNetwork(small_weights("mobilenetv2"), OWN))
        for node in graph.node:
            node.name = node.name.replace("aspp0/weights", "aspp0/folded")
            node.input[:] = [i.replace("aspp0/weights", "aspp0/folded") for i in node.input]
        path = tmp_path / "folded.pb"
        path.write_bytes(graph.SerializeToString())
        assert load_network(path).classes == 7
        with pytest.raises(NetworkError, match="missing aspp0/weights"):
            load_network(path, output_stride=16)


class TestCheckpoint:
    def test_takes_the_papers_output_stride_and_the_crop_of_cityscapes(self, checkpoint, name):
        network = load_network(checkpoint)
        stride = {"mobilenetv2": 16, "xception65": 8}[name]
        assert network.settings == NetworkOptions(stride, (1.0,), False, CITYSCAPES_CROP)

    def test_equals_the_frozen_graph(self, checkpoint, graph_file):
        image = smooth_image(*CROP)
        network = load_network(str(checkpoint), output_stride=8, crop=CROP)
        np.testing.assert_allclose(
            network.logits(image), load_network(graph_file).logits(image), atol=1e-3
        )

    def test_settings(self, checkpoint):
        network = load_network(checkpoint, output_stride=16, scales=[0.75, 1], crop=[33, 49])
        assert network.settings == NetworkOptions(16, (0.75, 1.0), False, (33, 49))


class TestCatalogue:
    @pytest.fixture(autouse=True)
    def catalogue(self, monkeypatch, checkpoint):
        entry = SimpleNamespace(settings=NetworkOptions(16, (0.75, 1.0), True, CROP))
        door = "metaseg_tf.networks.checkpoints"
        monkeypatch.setattr(f"{door}.find", {"published": entry}.__getitem__)
        monkeypatch.setattr(f"{door}.checkpoint_path", lambda entry: checkpoint)

    def test_without_settings_the_papers_are_taken(self):
        assert load_network("published").settings == NetworkOptions(16, (0.75, 1.0), True, CROP)

    def test_a_setting_leaves_the_others_as_they_are(self):
        settings = load_network("published", output_stride=8, flip=False).settings
        assert settings == NetworkOptions(8, (0.75, 1.0), False, CROP)


def test_a_prefix_in_the_working_folder_is_no_catalogue_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_checkpoint("weights", small_weights("mobilenetv2"))
    assert load_network("weights", crop=CROP).classes == 7


def test_a_missing_checkpoint(tmp_path):
    with pytest.raises(DataFormatError, match=r"model\.ckpt: expected model\.ckpt\.index"):
        load_network(tmp_path / "model.ckpt")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"crop": (1024, 2048)}, "crop: expected sides"),
        ({"crop": 1025}, "crop: expected .height, width"),
        ({"scales": 0}, "scales: expected"),
        ({"output_stride": 0}, "output_stride: expected"),
    ],
)
def test_settings_that_cannot_be_built(checkpoint, settings, message):
    with pytest.raises(InputError, match=message):
        load_network(checkpoint, **settings)


@pytest.mark.parametrize("name", ["net.pt", "net.PTH", "net.safetensors"])
def test_networks_of_other_frameworks_are_called_by_their_name(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(NetworkError, match=r"got .*(PyTorch|safetensors)") as caught:
        load_network(tmp_path / name)
    assert "export it as ONNX" in str(caught.value)
    assert "checkpoint" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["net.pb", "net.tar.gz", "net.keras", "net.h5", "net.tflite", "net.onnx", "net"],
)
def test_pipes_are_refused_at_once(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(DataFormatError, match="regular file"):
        load_network(tmp_path / name)


def test_a_pipe_in_place_of_a_checkpoints_data_is_refused_at_once(tmp_path):
    for suffix in ("index", "data-00000-of-00001"):
        os.mkfifo(tmp_path / f"model.ckpt.{suffix}")
        with pytest.raises(DataFormatError, match="regular file"):
            load_network(tmp_path / "model.ckpt")


@pytest.mark.parametrize("settings", [{}, {"flip": True}])
def test_deeplab_rescales_pixels_itself(graph_file, checkpoint, settings):
    for path in (graph_file, checkpoint):
        with pytest.raises(
            InputError, match=r"expected none .* got '0\.\.1'; leave it out"
        ) as caught:
            load_network(path, input_range="0..1", **settings)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("settings", [{}, {"scales": (0.5, 1.0)}, {"flip": True}])
def test_tiles_are_averaged_in_what_the_network_gives(checkpoint, settings):
    settings = {"output_stride": 16, "crop": (33, 49), **settings}
    image = smooth_image(33, 49)
    whole = load_network(checkpoint, **settings)
    tiled = Tiled(whole, 33)
    expected = np.concatenate(
        [whole.probabilities(image[:, :33])[:, :16], whole.probabilities(image[:, 16:])[:, 17:]], 1
    )
    found = tiled.probabilities(image)
    np.testing.assert_allclose(found[:, :16], expected[:, :16], atol=1e-5)
    np.testing.assert_allclose(found[:, 33:], expected[:, 16:], atol=1e-5)
