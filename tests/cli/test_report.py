import json

import pytest
from mapped_runs import make_judged, make_run

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


def read_run(folder):
    script = (folder / "report" / "run0" / "run.js").read_text()
    return json.loads(script.removeprefix("metaseg.addRun(").removesuffix(");\n"))


def test_judged_images_have_a_page(metaseg, tmp_path):
    run = make_judged(tmp_path / "drive", range(3), keep=2)
    code, _, error = metaseg("report", run.path, "--images", 1)
    assert code == 0, error
    content = read_run(run.path)
    assert not content["labelled"]
    (first,) = [image["name"] for image in content["images"]]
    other = next(name for name in ("street 0", "street 1") if name != first)
    assert metaseg("report", run.path, "--images", 1, f"--image={other}")[0] == 0
    assert [image["name"] for image in read_run(run.path)["images"]] == [other]


def test_advice_about_images_without_maps_helps(metaseg, refused, tmp_path):
    run = make_judged(tmp_path / "drive", range(3), keep=0)
    assert "repeat extract or predict with --keep-maps 20" in metaseg("report", run.path)[1]
    assert "--keep-maps all" in refused("report", run.path, "--image", "street 2")
    make_judged(run.path, range(3))
    assert metaseg("report", run.path, "--image", "street 2")[0] == 0
    assert read_run(run.path)["images"][0]["name"] == "street 2"


def test_advice_about_a_judged_folder_without_its_model_helps(metaseg, refused, tmp_path):
    run = make_judged(tmp_path / "drive", [0])
    (run.path / "model.json").unlink()
    assert "repeat the metaseg-tf predict that made the folder" in refused("report", run.path)
    make_judged(run.path, [0])
    assert metaseg("report", run.path)[0] == 0
