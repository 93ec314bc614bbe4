import pickle

import numpy as np
import pytest
from PIL import Image
from street import write_pair

from metaseg_tf.data.cityscapes import PairSource, find_pairs
from metaseg_tf.data.photographs import find_photographs
from metaseg_tf.data.sample import Source
from metaseg_tf.networks.image_network import Network
from metaseg_tf.networks.options import NetworkOptions
from metaseg_tf.runs import sources
from metaseg_tf.runs.sources import NetworkSource, ProcessNetwork


class RedNetwork:
    """Predicts the class that the red channel names."""

    classes = 19
    settings = NetworkOptions(input_range="0..255")

    passes, see = 1, Network.see

    def probabilities(self, image):
        return np.eye(self.classes, dtype=np.float32)[image[..., 0] % self.classes]


@pytest.fixture
def loads(monkeypatch):
    """What was asked of `load_network`."""
    asked = []

    def load(source, options):
        asked.append((source, options))
        return RedNetwork()

    monkeypatch.setattr(sources, "load_network", load)
    sources._network_of_process.cache_clear()
    yield asked
    sources._network_of_process.cache_clear()


def test_a_process_loads_the_network_once_and_late(loads):
    sent = pickle.dumps(ProcessNetwork("xception65", NetworkOptions(flip=True)))
    assert loads == []
    for _ in range(3):
        pickle.loads(sent).see(np.zeros((2, 2, 3), np.uint8))
    assert loads == [("xception65", NetworkOptions(flip=True))]


def test_a_network_file_is_found_from_elsewhere(loads, tmp_path, monkeypatch):
    (tmp_path / "graph.pb").touch()
    monkeypatch.chdir(tmp_path)
    sent = pickle.dumps(ProcessNetwork("graph.pb"))
    monkeypatch.chdir("/")
    assert pickle.loads(sent).loaded.classes == 19
    assert loads[0][0] == str(tmp_path / "graph.pb")


def test_what_was_assumed_of_pixels_is_not_asked_again_elsewhere(loads):
    network = ProcessNetwork("any", NetworkOptions(tile=9))
    assert pickle.loads(pickle.dumps(network))._options == NetworkOptions(tile=9)
    assert network.classes == 19
    elsewhere = pickle.loads(pickle.dumps(network))
    assert elsewhere._options == NetworkOptions(tile=9, input_range="0..255")


@pytest.fixture
def street(tmp_path, monkeypatch, loads):
    """A folder of three images, named from within it."""
    for i in range(3):
        write_pair(tmp_path, f"ulm_{i}")
    monkeypatch.chdir(tmp_path)
    return PairSource(find_pairs("."))


def test_items_are_read_anywhere_and_in_any_order(street, monkeypatch):
    source = NetworkSource(ProcessNetwork("any"), street, {})
    read = source.reader(set())
    together = [read(item) for item in source.items]
    sent = [pickle.dumps(item) for item in source.items]
    monkeypatch.chdir("/")
    for expected, item in reversed(list(zip(together, map(pickle.loads, sent), strict=True))):
        sample = item.read()
        assert sample.name == expected.name == item.name
        np.testing.assert_array_equal(sample.probs, expected.probs)
        np.testing.assert_array_equal(sample.gt, expected.gt)
        np.testing.assert_array_equal(sample.image, expected.image)


def test_photographs_go_through_a_network(tmp_path, loads):
    pixels = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
    for name in ("b_leftImg8bit.png", "a.png"):
        Image.fromarray(pixels).save(tmp_path / name)
    photographs = Source(find_photographs([tmp_path]), {})
    source = NetworkSource(RedNetwork(), photographs, {"network": "red"})
    assert [item.name for item in source.items] == ["a", "b"]
    assert (len(source), source.settings) == (2, {"network": "red"})
    sample = source.items[1].read()
    np.testing.assert_array_equal(sample.image, pixels)
    np.testing.assert_array_equal(sample.probs.argmax(-1), pixels[..., 0] % 19)
    assert sample.gt is None


@pytest.mark.parametrize(("gpus", "threads"), [([], 1), (["GPU:0"], None)])
def test_a_network_on_the_processor_is_left_half_of_it(street, monkeypatch, gpus, threads):
    monkeypatch.setattr(sources, "count_threads", lambda: 2)
    monkeypatch.setattr(sources.tf.config, "list_physical_devices", lambda kind: gpus)
    assert NetworkSource(RedNetwork(), street, {}).threads == threads
