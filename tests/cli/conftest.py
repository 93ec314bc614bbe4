"""Run the real command line, in this process or in one of its own."""

import subprocess
import sys
from contextlib import nullcontext

import pytest
from late_cluster import PickledCluster

from metaseg_tf import cli
from metaseg_tf.analysis.estimators import ESTIMATORS


@pytest.fixture
def metaseg(monkeypatch, capfd):
    """Call ``metaseg-tf`` with words; gives (exit code, stdout, stderr)."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["metaseg-tf", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return (stop.value.code or 0, *capfd.readouterr())

    return call


@pytest.fixture
def refused(metaseg):
    """Call ``metaseg-tf`` with words that it must refuse; gives the one line that it says."""

    def call(*words):
        code, _, error = metaseg(*words)
        assert code == 2
        assert error.startswith("metaseg-tf: ")
        assert error.count("\n") == 1
        return error

    return call


@pytest.fixture(params=["pickled", pytest.param("processes", marks=pytest.mark.long)])
def workers(request, monkeypatch):
    """What ``--workers`` starts: processes, or what stands for them and needs not start."""
    if request.param == "pickled":
        replaced = "metaseg_tf.runs.cluster.connect"
        monkeypatch.setattr(replaced, lambda *_: nullcontext(PickledCluster()))


@pytest.fixture(scope="session")
def fresh_python():
    """Run python code in a new process and give what it prints."""

    def run(code):
        return subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout

    return run


@pytest.fixture
def few_trees(monkeypatch):
    """Boosting that fits five small trees, and chooses from no others."""

    def few(cls, protocol, columns):
        return [{"trees": 5, "depth": 2, "falling": []}]

    for estimator in ESTIMATORS["boosting"]:
        monkeypatch.setattr(estimator, "settings", classmethod(few))
