"""A verb is added by the two steps of docs/extending.md, here to a copy of the package."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from small_runs import make_run

import metaseg_tf

PACKAGE = Path(metaseg_tf.__file__).parent
VERB = '''

def count(run: RunFolder) -> None:
    """Print the number of segments of a run."""
    from metaseg_tf.runs.run import load_run

    typer.echo(f"{len(load_run(run))} segments")
'''


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """Call the command line of a copy to which the verb was added; gives what it prints."""
    root = tmp_path_factory.mktemp("copy")
    ignored = shutil.ignore_patterns("__pycache__")
    cli = shutil.copytree(PACKAGE, root / "metaseg_tf", ignore=ignored) / "cli"
    with open(cli / "results.py", "a") as verbs:
        verbs.write(VERB)
    registry = (cli / "__init__.py").read_text()
    registry = registry.replace("(results.table, ", "(results.count, results.table, ")
    (cli / "__init__.py").write_text(registry)

    def call(*words):
        command = [sys.executable, "-m", "metaseg_tf", *map(str, words)]
        done = subprocess.run(
            command, cwd=root, env=os.environ | {"PYTHONPATH": str(root)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


def test_a_new_verb_is_in_the_help(extended):
    assert "Print the number of segments of a run." in extended("--help")
    assert "Usage: metaseg-tf count" in extended("count", "--help")


def test_a_new_verb_runs(extended, tmp_path):
    run = make_run(tmp_path / "XC")
    assert extended("count", run.path) == f"{len(metaseg_tf.load_run(run.path))} segments\n"
