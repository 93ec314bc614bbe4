"""What the demo is compared with, what its walkthrough starts from, and the labels it reviews."""

import importlib.util
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scenes import make_scene
from street import FakeNetwork, write_street

from metaseg_tf.data.softmax import load_dump
from metaseg_tf.demo.plan import DEMO_NETWORKS, keep_softmax, review_planted
from metaseg_tf.paper.published import load_numbers
from metaseg_tf.paper.reproduction import Plan, measure
from metaseg_tf.paper.verify import verify
from metaseg_tf.runs import sources
from metaseg_tf.runs.run import Run

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


def test_errors_planted_into_labels_are_looked_for(plan):
    list(measure(plan, plan.networks[0]))
    said = review_planted(plan)
    first, shown = map(int, re.search(r"make (\d+) of its first (\d+)", said).groups())
    run, wrong = Run(plan.run_folder(plan.networks[0])), Run(plan.out / "review" / "run")
    changed = {name: run.load_maps(name).gt != wrong.load_maps(name).gt for name in run.with_maps()}
    queue = pd.read_csv(plan.out / "review" / "queue" / "queue.csv")
    boxes = [
        changed[row.image][row.top : row.bottom, row.left : row.right].sum() >= row.size / 2
        for row in queue.head(shown).itertuples()
    ]
    assert 0 < first <= sum(boxes)


def test_too_few_scenes_are_no_failure_of_the_demo(plan):
    plan = replace(plan, limit=1)
    list(measure(plan, plan.networks[0]))
    assert "expected maps of at least 2 images" in review_planted(plan)
