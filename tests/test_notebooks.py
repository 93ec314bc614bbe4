"""The notebooks: stored without outputs, short, on the public API, and they run."""

import ast
import html
import os
import re
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from jupyter_client import KernelManager
from nbclient import NotebookClient
from scenes import make_scene

import metaseg_tf
from metaseg_tf.data.softmax import SoftmaxDump, open_dumps, save_dump
from metaseg_tf.runs.extraction import MeasureSettings, extract, open_run

FOLDER = Path(__file__).parents[1] / "notebooks"
NAMES = (
    "better_model",
    "figure3",
    "figure4",
    "own_data",
    "table1",
    "table2",
    "table3",
    "walkthrough",
)
LONGEST_CELL = 8
#: Before each notebook: nothing is left of the one before, and few trees are fitted.
BEFORE = """%reset -f
import metaseg_tf.analysis.boosting as boosting
few = [{"trees": 5, "depth": 2, "falling": []}]
for _kind in (boosting.BoostedClassifier, boosting.BoostedRegressor):
    _kind.settings = classmethod(lambda cls, protocol, columns: few)
"""


def read(name):
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def code_of(name):
    return [cell for cell in read(name).cells if cell.cell_type == "code"]


@pytest.fixture(scope="module")
def small_runs(tmp_path_factory):
    """Softmax of eight scenes with photographs, and two runs measured on it."""
    folder = tmp_path_factory.mktemp("notebooks")
    (folder / "softmax").mkdir()
    for i in range(8):
        photograph = np.random.default_rng(i).integers(0, 256, (48, 72, 3), np.uint8)
        dump = SoftmaxDump(*make_scene(48, 72, seed=i), f"image{i}", photograph)
        save_dump(folder / "softmax" / f"{i}.npz", dump)
    for name, convention in (("XC", "reference"), ("MN", "paper")):
        settings = MeasureSettings(convention)
        source = open_dumps(folder / "softmax")
        list(extract(source, open_run(folder / name, source, settings), settings))
    return folder


def test_there_are_no_others():
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_stored_without_outputs_and_in_short_cells(name):
    nbformat.validate(read(name))
    for cell in code_of(name):
        assert cell.outputs == []
        assert cell.execution_count is None
        assert len(cell.source.splitlines()) <= LONGEST_CELL


@pytest.mark.parametrize("name", NAMES)
def test_the_public_api_only(name):
    for cell in code_of(name):
        for node in ast.walk(ast.parse(cell.source)):
            assert not isinstance(node, ast.FunctionDef | ast.ClassDef)
            if isinstance(node, ast.ImportFrom) and node.module.startswith("metaseg_tf"):
                assert node.module == "metaseg_tf"
                assert {alias.name for alias in node.names} <= set(metaseg_tf.__all__)


@pytest.fixture(scope="module")
def kernel(small_runs):
    """One kernel for all notebooks: what they import is imported once."""
    runs = os.pathsep.join(str(small_runs / run) for run in ("XC", "MN"))
    environment = {
        "METASEG_TF_NOTEBOOK_RUNS": runs,
        "METASEG_TF_NOTEBOOK_SOFTMAX": str(small_runs / "softmax"),
        "PYTHONPATH": str(FOLDER.parent),
    }
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env=os.environ | environment, cwd=str(FOLDER))
    yield manager
    manager.shutdown_kernel(now=True)


@pytest.mark.parametrize("name", NAMES)
def test_runs(name, kernel):
    notebook = read(name)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(BEFORE))
    NotebookClient(notebook, timeout=300, km=kernel).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert not [output.text for output in outputs if output.get("name") == "stdout"]
    shown = [set(output.get("data", ())) for output in outputs]
    tables = sum(bool(kinds & {"text/html", "text/markdown"}) for kinds in shown)
    figures = sum("image/png" in kinds for kinds in shown)
    assert min(tables, figures) >= 1
    if name == "walkthrough":
        assert figures >= 7
        check_walkthrough(notebook)


def check_walkthrough(notebook):
    """What is computed by hand agrees with the package, and the segment is judged."""
    results = {
        cell.source: cell.outputs[-1]["data"]
        for cell in notebook.cells
        if cell.get("outputs") and "data" in cell.outputs[-1]
    }
    for last_line in ("np.abs(E", "np.abs(D", 'iou - row["iou"]', 'iou_adj - row["iou_adj"]'):
        (shown,) = [data for source, data in results.items() if last_line in source]
        number = re.sub(r"np\.float\d+\((.*)\)", r"\1", shown["text/plain"])
        assert abs(float(number)) < 1e-5
    (metrics,) = [read_table(data) for source, data in results.items() if "both.assign" in source]
    assert len(metrics) == 15
    np.testing.assert_allclose(metrics["by hand"], metrics["segment_metrics"], rtol=1e-4)
    (verdict,) = [read_table(data) for source, data in results.items() if "verdict" in source]
    assert verdict.index.tolist() == ["IoU_adj", "P(IoU_adj > 0)"]
    np.testing.assert_allclose(verdict["by hand"], verdict["evaluate"], atol=1e-5)
    assert 0 <= verdict.loc["P(IoU_adj > 0)", "evaluate"] <= 1


def read_table(data):
    """The table that a cell shows."""
    text = html.unescape(data["text/html"])
    header, *rows = (
        re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)
        for row in re.findall(r"<tr.*?</tr>", text, re.DOTALL)
    )
    index = [row[0] for row in rows]
    return pd.DataFrame([row[1:] for row in rows], index, header[1:]).astype(float)
