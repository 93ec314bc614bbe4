import json
import shutil

from mapped_runs import make_run

from metaseg_tf.analysis.misses import rank_misses
from metaseg_tf.runs.run import Run


def test_what_is_stored_is_what_is_printed(metaseg, tmp_path):
    run = make_run(tmp_path / "XC", range(2), keep=0)
    code, output, _ = metaseg("misses", run.path, "--json")
    assert code == 0
    stored = run.path / "misses"
    assert len((stored / "scores.csv").read_text().splitlines()) == len(json.loads(output)) + 1
    missed = (stored / "missed.csv").read_text().splitlines()
    assert len(missed) == len(rank_misses(run.load_truth(), run.classes)) + 1
    made = {path.name for path in stored.iterdir()}
    assert {"recall.png", "recall.pdf", "recall.csv", "misses.md", "misses.tex"} <= made


def test_a_run_without_truth_is_refused_in_one_line(metaseg, tmp_path):
    Run.create(tmp_path / "run", {})
    code, _, error = metaseg("misses", tmp_path / "run")
    assert code == 2
    assert "expected the ground truth's components" in error
    assert len(error.splitlines()) == 1


def test_a_run_of_a_former_version_is_refused_in_one_line(metaseg, tmp_path):
    run = make_run(tmp_path / "XC", range(2), keep=0)
    shutil.rmtree(run.path / "truth")
    code, _, error = metaseg("misses", run.path)
    assert code == 2
    assert "found none of 2 of 2 images; extract again, into another folder" in error
    assert len(error.splitlines()) == 1
