"""The direction of flow of docs/architecture.md, read from the imports themselves."""

import ast
from pathlib import Path

import pytest

import metaseg_tf

PACKAGE = Path(metaseg_tf.__file__).parent

#: Room -> rank. A room may import from rooms of its own rank or below, never from above.
RANKS = {
    "errors": 0,
    "folders": 0,
    "schema": 0,
    "memory": 0,
    "stored_arrays": 0,
    "storage": 1,
    "local_workers": 1,
    "cluster": 1,
    "cityscapes": 1,
    "streetscenes": 1,
    "softmax": 1,
    "dispersion": 1,
    "components": 1,
    "iou": 1,
    "truth": 1,
    "maps": 1,
    "metrics": 2,
    "deeplab": 2,
    "parts": 3,
    "run": 3,
    "jobs": 3,
    "sources": 3,
    "extraction": 3,
    "analysis": 4,
    "judging": 4,
    "paper": 5,
    "report": 6,
    "reproduction": 7,
    "cli": 8,
}
#: The rooms that work on tables alone.
WITHOUT_TENSORFLOW = {
    "errors",
    "folders",
    "schema",
    "stored_arrays",
    "streetscenes",
    "softmax",
    "iou",
    "truth",
    "maps",
    "parts",
    "run",
    "storage",
} | {room for room, rank in RANKS.items() if rank in (4, 5, 6)}
ROOMS = sorted(
    path for path in PACKAGE.iterdir() if path.stem in RANKS or (path / "__init__.py").exists()
)


def imported_modules(source):
    """Absolute names of all modules that ``source`` imports, at any depth of the code."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the direction"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports_of(room):
    files = sorted(room.rglob("*.py")) if room.is_dir() else [room]
    return {name for file in files for name in imported_modules(file.read_text())}


def rooms_of(names):
    parts = (name.split(".") for name in names)
    return {p[1] for p in parts if p[0] == "metaseg_tf" and len(p) > 1 and p[1] in RANKS}


def test_every_room_has_a_rank():
    found = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    found |= {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert found <= set(RANKS), f"give these a rank: {found - set(RANKS)}"


@pytest.mark.parametrize("room", ROOMS, ids=lambda path: path.stem)
def test_no_import_runs_back(room):
    backwards = {name for name in rooms_of(imports_of(room)) if RANKS[name] > RANKS[room.stem]}
    assert not backwards, f"{room.stem} imports {backwards}, which come after it"


def test_rooms_do_not_import_each_other_in_a_circle():
    graph = {room.stem: rooms_of(imports_of(room)) - {room.stem} for room in ROOMS}
    while graph:
        leaves = {room for room, needs in graph.items() if not needs & set(graph)}
        assert leaves, f"a circle among {sorted(graph)}"
        graph = {room: needs for room, needs in graph.items() if room not in leaves}


@pytest.mark.parametrize(
    "room", [r for r in ROOMS if r.stem in WITHOUT_TENSORFLOW], ids=lambda p: p.stem
)
def test_tables_need_no_tensorflow(room):
    roots = {name.split(".")[0] for name in imports_of(room)}
    assert not roots & {"tensorflow", "tensorflow_addons", "keras"}


@pytest.mark.parametrize("source", ["import metaseg_tf.cli.app", "from metaseg_tf.cli import app"])
def test_the_reader_of_imports_sees_both_forms(source):
    assert rooms_of(imported_modules(source)) == {"cli"}
