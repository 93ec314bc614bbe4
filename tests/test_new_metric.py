"""A metric is added by the steps of docs/extending.md, taken in a copy of the package."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from scenes import make_scene

import metaseg_tf
from metaseg_tf.data.softmax import SoftmaxDump, open_dumps, save_dump
from metaseg_tf.runs.extraction import MeasureSettings, extract, open_run

PACKAGE = Path(metaseg_tf.__file__).parent
STEPS = PACKAGE.parent / "docs" / "extending.md"

#: Runs every table, figure and diagnosis, and judges images, in a process of the copy's own.
TRIAL = """
import sys
import numpy as np
import metaseg_tf
from metaseg_tf.analysis.evaluation import evaluate_run
from metaseg_tf.cli import main
from metaseg_tf.runs.run import Run

def metaseg(*words):
    sys.argv = ["metaseg-tf", *words]
    try:
        main()
    except SystemExit as end:
        assert not end.code, (words, end.code)

metaseg("extract", "--softmax", "dumps", "--out", "new", "--quiet")
table, old = metaseg_tf.load_run("new"), metaseg_tf.load_run("old")
aspect = (table["right"] - table["left"]) / (table["bottom"] - table["top"])
assert np.array_equal(table["aspect"], aspect)
assert table.drop(columns="aspect").equals(old)
for run in ("new", "old"):
    for number in "123":
        metaseg("table", number, run)
    for number in "1234567" if run == "new" else "6":
        metaseg("figure", number, run)
    metaseg("diagnose", run)
    # A linear model has further metrics only if they prove themselves.
    metaseg("fit", run, "--meta", "boosting", "--out", f"{run}.json")
    metaseg("predict", f"{run}.json", "--softmax", "dumps", "--out", f"judged_{run}", "--quiet")
    assert ("aspect" in metaseg_tf.load_model(f"{run}.json").columns) == (run == "new")
    assert "aspect" not in evaluate_run(Run(run)).design.columns
for name in ("table1.csv", "table2.csv", "table3.csv"):
    with open(f"new/tables/{name}") as new, open(f"old/tables/{name}") as old:
        assert new.read().replace("new", "old") == old.read()
"""


def insert(path, after, code):
    text = path.read_text()
    assert text.count(after) == 1
    path.write_text(text.replace(after, after + code))


@pytest.fixture
def copy(tmp_path):
    """The folder of a package with one more metric."""
    section = STEPS.read_text().split("## A metric\n")[1].split("\n## ")[0]
    group, column, value = re.findall(r"    ```text\n(.*?)    ```", section, re.S)
    folder = tmp_path / "copy"
    shutil.copytree(PACKAGE, folder / "metaseg_tf", ignore=shutil.ignore_patterns("__pycache__"))
    columns, table = (folder / "metaseg_tf" / "segments" / f for f in ("columns.json", "table.py"))
    insert(columns, '"groups": {\n', group)
    insert(columns, '"metrics": [\n', column)
    last = '    means /= table["S"][:, None]\n'
    insert(table, last, value)
    return folder


def test_the_steps_fit_the_package_as_it_is(copy):
    columns, table = (copy / "metaseg_tf" / "segments" / f for f in ("columns.json", "table.py"))
    assert "aspect" in {column[0] for column in json.loads(columns.read_text())["metrics"]}
    compile(table.read_text(), table, "exec")


@pytest.mark.long
def test_a_metric_takes_two_files(copy, tmp_path):
    (tmp_path / "dumps").mkdir()
    for i in range(8):
        dump = SoftmaxDump(*make_scene(seed=i), f"s{i}")
        save_dump(tmp_path / "dumps" / f"{i}.npz", dump)
    source, settings = open_dumps(tmp_path / "dumps"), MeasureSettings()
    list(extract(source, open_run(tmp_path / "old", source, settings), settings))
    done = subprocess.run(
        [sys.executable, "-c", TRIAL],
        cwd=tmp_path,
        env={"PYTHONPATH": str(copy), "PATH": "", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
