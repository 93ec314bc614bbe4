"""The notebooks: stored without outputs, short, on the public API, and they run."""

import ast
import os
from pathlib import Path

import nbformat
import pytest
from jupyter_client import KernelManager
from nbclient import NotebookClient
from scenes import make_scene

import metaseg_tf
from metaseg_tf.data.softmax import SoftmaxDump, open_dumps, save_dump
from metaseg_tf.runs.extraction import MeasureSettings, extract, open_run

FOLDER = Path(__file__).parents[1] / "notebooks"
NAMES = ("figure3", "figure4", "table1", "table2", "table3", "walkthrough")
LONGEST_CELL = 8


def read(name):
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def code_of(name):
    return [cell for cell in read(name).cells if cell.cell_type == "code"]


@pytest.fixture(scope="module")
def small_runs(tmp_path_factory):
    """Softmax of eight scenes, and two runs measured on it."""
    folder = tmp_path_factory.mktemp("notebooks")
    (folder / "softmax").mkdir()
    for i in range(8):
        dump = SoftmaxDump(*make_scene(48, 72, seed=i), f"image{i}")
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
    notebook.cells.insert(0, nbformat.v4.new_code_cell("%reset -f"))
    NotebookClient(notebook, timeout=300, km=kernel).execute()
    shown = [cell for cell in notebook.cells if cell.get("outputs")]
    assert len(shown) >= 2
    if name == "walkthrough":
        check_walkthrough(notebook)


def check_walkthrough(notebook):
    """What is computed by hand agrees with the package, and the segment is judged."""
    results = {
        cell.source: cell.outputs[-1]["data"]["text/plain"]
        for cell in notebook.cells
        if cell.get("outputs") and "data" in cell.outputs[-1]
    }
    for last_line in ("np.abs(E", "np.abs(D", 'iou - row["iou"]', 'iou_adj - row["iou_adj"]'):
        (text,) = [text for source, text in results.items() if last_line in source]
        number = text.removeprefix("np.float64(").removeprefix("np.float32(").rstrip(")")
        assert abs(float(number)) < 1e-5
    (judgement,) = [text for text in results.values() if "predicted IoU_adj" in text]
    assert "P(IoU_adj > 0)" in judgement
