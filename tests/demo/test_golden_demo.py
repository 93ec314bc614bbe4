"""What the demo is compared with, and what its walkthrough starts from."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scenes import make_scene
from street import FakeNetwork, write_street

from metaseg_tf.data.softmax import load_dump
from metaseg_tf.demo.plan import DEMO_NETWORKS, keep_softmax
from metaseg_tf.paper.published import load_numbers
from metaseg_tf.paper.reproduction import Plan
from metaseg_tf.paper.verify import verify
from metaseg_tf.runs import sources

SCRIPT = Path(__file__).parents[2] / "deeplab_checkpoints" / "make_golden.py"


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """A demo of six images, seen by networks that need no file."""
    monkeypatch.setattr(sources, "load_network", lambda *_, **__: FakeNetwork())
    monkeypatch.setattr(sources, "describe_network", lambda *_, **__: {})
    return Plan(DEMO_NETWORKS, write_street(tmp_path / "scenes"), tmp_path)


def test_the_softmax_of_the_first_image_is_kept(plan):
    path = keep_softmax(plan, FakeNetwork())
    dump = load_dump(path)
    probs, gt = make_scene(64, 96, 19, seed=0)
    assert dump.name == "ulm_0"
    np.testing.assert_array_equal(dump.probs, probs)
    np.testing.assert_array_equal(dump.gt, gt)
    written = path.stat().st_mtime_ns
    assert keep_softmax(plan, FakeNetwork()).stat().st_mtime_ns == written
    assert [p.name for p in path.parent.iterdir()] == ["ulm_0.npz"]


def test_the_script_writes_numbers_that_the_demo_hits(plan, monkeypatch, tmp_path):
    spec = importlib.util.spec_from_file_location("make_golden", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(script, "draw_scenes", lambda root: root.glob("leftImg8bit/*/*/*"))
    monkeypatch.setattr(script, "GOLDEN", tmp_path / "golden.json")
    script.make_golden(tmp_path)
    golden = load_numbers(tmp_path / "golden.json")
    assert len(golden) == 112
    assert verify(plan.open_runs(), golden).passed
