"""The direction of flow of docs/architecture.md, read from the imports themselves."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import metaseg_tf

PACKAGE = Path(metaseg_tf.__file__).parent

#: Room -> rank. A room may import from rooms of lower rank and from itself, never from above.
RANKS = {
    "errors": 0,
    "pictures": 1,
    "untrusted": 1,
    "data": 2,
    "segments": 3,
    "networks": 4,
    "runs": 5,
    "analysis": 6,
    "meta": 7,
    "paper": 8,
    "report": 9,
    "demo": 10,
    "cli": 11,
}
#: Modules that work on tables alone, by room; the others of these rooms measure images.
MEASURING = {
    "data": set(),
    "runs": {"cluster", "extraction", "record", "sources", "work"},
    "analysis": set(),
    "meta": {"predict"},
    "paper": set(),
    "report": set(),
}
HEAVY = {"tensorflow", "tensorflow_addons", "keras"}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE)
FILES += [PACKAGE / f"{name}.py" for name in RANKS if (PACKAGE / f"{name}.py").exists()]


def module_name(path):
    name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    return name.removesuffix(".__init__")


MODULES = {module_name(path): path for path in FILES}


def imported_names(source):
    """Absolute names of all that ``source`` imports, at any depth of the code."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the direction"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules_of(names):
    """The modules of the package among imported names; of ``from a.b import c``, c or else b."""
    for name in names:
        found = [name, name.rpartition(".")[0]]
        yield from [module for module in found if module in MODULES][:1]


def room_of(module):
    return module.split(".")[1]


IMPORTS = {
    name: set(modules_of(imported_names(path.read_text()))) - {name}
    for name, path in MODULES.items()
}


def leaves_taken_away(graph):
    """What is left of a graph once all that needs nothing left is taken away: circles."""
    while leaves := {name for name, needs in graph.items() if not needs & set(graph)}:
        graph = {name: needs for name, needs in graph.items() if name not in leaves}
    return graph


def test_every_room_has_a_rank():
    assert {room_of(name) for name in MODULES} <= set(RANKS)
    top = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    assert top <= {"errors", "pictures"}, "nothing else at the top level"


@pytest.mark.parametrize("name", sorted(MODULES))
def test_no_import_runs_back(name):
    room = room_of(name)
    backwards = {
        other
        for other in IMPORTS[name]
        if room_of(other) != room and RANKS[room_of(other)] >= RANKS[room]
    }
    assert not backwards, f"{name} imports {backwards}, which do not come before it"


def test_modules_do_not_import_each_other_in_a_circle():
    # Also where an import is hidden in a function: such a circle breaks when code moves.
    assert not leaves_taken_away(IMPORTS)


def test_a_circle_is_found():
    assert leaves_taken_away({"a": {"b"}, "b": {"a"}, "c": {"a"}, "d": set()}).keys() == set("abc")


def test_tables_need_no_tensorflow_by_whatever_way():
    """Imports all modules that work on tables in a process of its own."""
    wanted = [
        name
        for name in MODULES
        if room_of(name) in MEASURING and not set(name.split(".")[2:]) & MEASURING[room_of(name)]
    ]
    assert len(wanted) > 50
    script = (
        f"import importlib, sys\nfor name in {wanted!r}: importlib.import_module(name)\n"
        f"print(sorted(set(sys.modules) & {HEAVY!r}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


@pytest.mark.parametrize("source", ["import metaseg_tf.errors", "from metaseg_tf import errors"])
def test_the_reader_of_imports_sees_both_forms(source):
    assert set(modules_of(imported_names(source))) == {"metaseg_tf.errors"}
