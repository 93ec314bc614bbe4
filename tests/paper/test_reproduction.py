import json
import pickle
from concurrent.futures import Future
from pathlib import Path

import pytest
from small_runs import make_run
from tables import make_table

from metaseg_tf.errors import InputError
from metaseg_tf.paper import figures, reproduction
from metaseg_tf.paper.reproduction import make_results
from metaseg_tf.paper.tables import TABLES


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Of the steps only table 1, which needs no fit, and a figure that cannot be made."""

    def draw(number, runs, formats):
        raise InputError(f"figure {number}: expected maps, got none")

    monkeypatch.setattr(reproduction, "TABLES", {1: TABLES[1]})
    monkeypatch.setattr(figures, "FIGURES", {2: None}, raising=False)
    monkeypatch.setattr(figures, "make_figure", draw, raising=False)
    monkeypatch.setattr(reproduction, "_diagnose", lambda folder, formats: [folder / "run.json"])


@pytest.fixture
def runs(quick, tmp_path):
    return {"XC": make_run(tmp_path / "XC", make_table(100, n_images=2))}


def outcomes(runs, out):
    return {result.name: result.outcome for result in make_results(runs, out)}


def test_one_step_that_fails_keeps_no_other_from_being_taken(runs, tmp_path):
    results = {result.name: result for result in make_results(runs, tmp_path)}
    assert results["figure 2"].outcome == "failed"
    assert results["figure 2"].reason == "figure 2: expected maps, got none"
    assert results["diagnostics XC"].outcome == "made"
    assert [path.suffix for path in results["table 1"].paths] == [".csv", ".md", ".tex"]


def test_a_helper_makes_results_below_a_relative_folder(quick, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = {"XC": make_run(Path("XC"), make_table(100, n_images=2))}
    made, kept = (
        {result.name: result for result in make_results(runs, Path(), helper=Courier())}
        for _ in range(2)
    )
    assert made["diagnostics XC"] == ("diagnostics XC", "made", (Path("XC/run.json"),), "")
    assert kept["diagnostics XC"] == made["diagnostics XC"]._replace(outcome="kept")


class Courier:
    """Works at once, on runs that were pickled as if they had been sent to another process."""

    def submit(self, step):
        done = Future()
        try:
            done.set_result(step.func(*pickle.loads(pickle.dumps(step.args)), **step.keywords))
        except Exception as error:
            done.set_exception(error)
        return done


def test_what_is_there_is_kept_and_what_failed_is_tried_again(runs, tmp_path):
    outcomes(runs, tmp_path)
    assert outcomes(runs, tmp_path) == {
        "table 1": "kept",
        "figure 2": "failed",
        "diagnostics XC": "kept",
    }


def test_a_file_that_was_deleted_is_made_again(runs, tmp_path):
    outcomes(runs, tmp_path)
    (runs["XC"].path / "tables" / "table1.md").unlink()
    assert outcomes(runs, tmp_path)["table 1"] == "made"
    assert outcomes(runs, tmp_path)["table 1"] == "kept"


def test_more_images_make_everything_anew(runs, tmp_path):
    outcomes(runs, tmp_path)
    runs["XC"].write_segments("z", make_table(20, seed=1).drop(columns="image"))
    assert set(outcomes(runs, tmp_path).values()) == {"made", "failed"}


@pytest.mark.parametrize("content", ["{", "[1]", "3"])
def test_a_broken_record_is_made_anew(runs, tmp_path, content):
    outcomes(runs, tmp_path)
    (tmp_path / "steps.json").write_text(content)
    assert outcomes(runs, tmp_path)["table 1"] == "made"
    assert set(json.loads((tmp_path / "steps.json").read_text())) == {"table 1", "diagnostics XC"}
