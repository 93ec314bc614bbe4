import pickle

import numpy as np
import pytest
from scenes import make_scene
from street import write_pair

from metaseg_tf.data.cityscapes import find_pairs
from metaseg_tf.data.softmax import SoftmaxDump, save_dump
from metaseg_tf.networks.options import NetworkOptions
from metaseg_tf.runs import sources
from metaseg_tf.runs.sources import CityscapesSource, ProcessNetwork, open_dumps


class RedNetwork:
    """Predicts the class that the red channel names."""

    classes = 19
    settings = NetworkOptions(input_range="0..255")

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
        pickle.loads(sent).probabilities(np.zeros((2, 2, 3), np.uint8))
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
def street(tmp_path, monkeypatch):
    """A folder of three images, named from within it."""
    for i in range(3):
        write_pair(tmp_path, f"ulm_{i}")
    monkeypatch.chdir(tmp_path)
    return CityscapesSource(ProcessNetwork("any"), find_pairs("."), {})


def test_jobs_apart_load_anywhere_and_in_any_order(loads, street, monkeypatch):
    together = [job.load() for job in street.jobs(set())]
    sent = [pickle.dumps(job) for job in street.jobs({"ulm_1"}, apart=True)]
    monkeypatch.chdir("/")
    for expected, job in reversed(list(zip(together, map(pickle.loads, sent), strict=True))):
        dump = job.load()
        assert dump.name == expected.name == job.name()
        np.testing.assert_array_equal(dump.probs, expected.probs)
        np.testing.assert_array_equal(dump.gt, expected.gt)
        np.testing.assert_array_equal(dump.image, expected.image)


@pytest.mark.parametrize(("gpus", "threads"), [([], 1), (["GPU:0"], None)])
def test_a_network_on_the_processor_is_left_half_of_it(street, loads, monkeypatch, gpus, threads):
    monkeypatch.setattr(sources, "count_threads", lambda: 2)
    monkeypatch.setattr(sources.tf.config, "list_physical_devices", lambda kind: gpus)
    assert {job.threads for job in street.jobs(set())} == {threads}
    assert {job.threads for job in street.jobs(set(), apart=True)} == {None}


def test_the_number_of_classes_is_known_before_images_are_loaded(loads, street, tmp_path):
    assert street.n_classes == 19
    save_dump(tmp_path / "1.npz", SoftmaxDump(*make_scene(n_classes=3), "image"))
    assert open_dumps(tmp_path).n_classes == 3


@pytest.mark.parametrize("probs", [np.ones((2, 2)), np.ones((2, 2, 300), "f4"), np.array(1.0)])
def test_a_dump_without_classes_tells_no_number_of_them(tmp_path, probs):
    np.savez(tmp_path / "0.npz", probs=probs[..., :1] if probs.ndim == 2 else probs)
    assert open_dumps(tmp_path).n_classes is None
    (tmp_path / "0.npz").write_bytes(b"broken")
    assert open_dumps(tmp_path).n_classes is None
    assert open_dumps(tmp_path, limit=0).n_classes is None


def test_dumps_are_found_from_elsewhere(tmp_path, monkeypatch):
    save_dump(tmp_path / "0.npz", SoftmaxDump(*make_scene(), "image"))
    monkeypatch.chdir(tmp_path)
    (sent,) = [pickle.dumps(job) for job in open_dumps(".").jobs(set(), apart=True)]
    monkeypatch.chdir("/")
    assert pickle.loads(sent).load().name == "image"
