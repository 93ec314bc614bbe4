import json

import pytest
from mapped_runs import make_run

from metaseg_tf.report import overview


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run without maps, and no figures to wait for."""
    monkeypatch.setattr(overview, "FIGURES", {})
    return make_run(tmp_path / "XC", range(4), keep=0)


def test_the_verb_makes_the_page_and_says_what_is_missing(metaseg, run):
    code, output, error = metaseg("report", run.path)
    assert code == 0, error
    assert "index.html" in output
    assert "--keep-maps" in output
    script = (run.path / "report" / "run0" / "run.js").read_text()
    content = json.loads(script.removeprefix("metaseg.addRun(").removesuffix(");\n"))
    assert content["images"] == []


def test_more_than_two_runs_are_refused(refused, run):
    assert "one or two runs" in refused("report", run.path, run.path, run.path)


def test_what_is_no_model_is_refused(refused, run):
    assert "expected a meta model" in refused("report", run.path, "--model", run.path / "run.json")
