"""The verbs that tell what finished runs are worth: table, verify, diagnose."""

import json

import pandas as pd
import pytest
from small_runs import make_run
from tables import make_table

from metaseg_tf.paper import figures


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return [make_run(folder / name, make_table(300, seed=i)) for i, name in enumerate(("XC", "MN"))]


@pytest.fixture
def folders(runs):
    return [run.path for run in runs]


@pytest.mark.parametrize(("number", "shown"), [(1, "S_rel_in"), (2, "ACC, penalized"), (3, "R2,")])
def test_tables_on_the_screen_and_in_files(metaseg, folders, number, shown):
    code, output, _ = metaseg("table", number, *folders)
    assert code == 0
    assert shown in output
    assert "…" not in output
    for suffix in ("csv", "md", "tex"):
        path = folders[0] / "tables" / f"table{number}.{suffix}"
        assert path.exists()
        assert f"wrote {path}" in output


def test_a_table_as_json(metaseg, folders):
    content = json.loads(metaseg("table", 2, *folders, "--json")[1])
    rows = {row[""]: row for row in content["rows"]}
    assert rows["R2, all metrics"]["MN validation"].endswith("%)")
    assert "interior" in content["caption"]
    assert len(pd.read_csv(folders[1] / "tables" / "evaluation.csv")) == 280


def test_verify_tells_what_is_off(metaseg, folders):
    code, output, _ = metaseg("verify", *folders)
    assert code == 1
    assert "112 printed numbers" in output
    assert "- XC: images: 20, in print 500" in output
    assert "45194" in output
    assert (folders[0] / "tables" / "verify.md").exists()


def test_verify_says_first_which_runs_are_not_the_papers(metaseg, folders, tmp_path):
    settings = {"network": "xception65"}
    papers = make_run(tmp_path / "mine", make_table(300), settings=settings)
    papers.manifest.results["images"] = 500
    papers.write_manifest()
    _, _, error = metaseg("verify", papers.path, folders[1])
    assert "DeepLabv3+ Xception65" not in error
    assert f"note: {folders[1]} is not a run of DeepLabv3+ MobileNetV2" in error


def test_verify_one_run_as_json(metaseg, folders):
    code, output, _ = metaseg("verify", "-", folders[1], "--json")
    content = json.loads(output)
    assert code == 1
    assert content["passed"] is False
    assert {number["network"] for number in content["numbers"]} == {"MN"}


def test_verify_needs_a_run(refused):
    assert "expected runs for MN or XC" in refused("verify", "-", "-")


def test_diagnose_writes_texts_and_tables(metaseg, folders, monkeypatch):
    monkeypatch.setattr(figures.diagnostics, "draw_diagnostics", lambda found: [])
    code, output, _ = metaseg("diagnose", folders[0])
    assert code == 0
    assert "Assumptions of the linear model" in output
    made = {path.name for path in (folders[0] / "diagnostics").iterdir()}
    assert made == {
        *("summary.txt", "ols.txt", "logit.txt"),
        *("coefficients.csv", "aliases.csv", "vif.csv", "tests.csv", "influential.csv"),
        "reliability.csv",
    }


@pytest.mark.parametrize("words", [("table", 2), ("verify",), ("diagnose",)])
def test_a_folder_that_is_no_run_is_refused(refused, tmp_path, words):
    assert "expected a run folder" in refused(*words, tmp_path)


@pytest.mark.parametrize("words", [("table", 1), ("table", 2), ("table", 3), ("diagnose",)])
def test_a_run_without_interior_is_refused_with_a_remedy(refused, tmp_path, words):
    run = make_run(tmp_path / "run", make_table(50).assign(S_in=0))
    message = refused(*words, run.path)
    assert "with interior" in message
    assert "extract more images" in message


def test_a_run_of_one_outcome_has_a_table_2_that_says_so(metaseg, tmp_path):
    table = make_table(300, n_images=3)
    run = make_run(tmp_path / "run", table[table["iou_adj"] > 0])
    code, output, _ = metaseg("table", 2, run.path)
    assert code == 0
    assert "n/a" in output
    assert "expected both outcomes" in " ".join(output.split())
