"""The verbs of ``metaseg-tf checkpoints``, called as the command line does."""

import json
import subprocess
import sys
from importlib import import_module

import pytest
from typer.testing import CliRunner

from metaseg_tf.cli.checkpoints import app
from metaseg_tf.errors import DataFormatError, InputError
from metaseg_tf.networks import checkpoints


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv(checkpoints.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setenv("COLUMNS", "120")

    def call(*arguments):
        return CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)

    return call


@pytest.fixture
def graph_file(tmp_path, upstream):
    path = tmp_path / "graph.pb"
    path.write_bytes(upstream.graph_def(upstream.Export(scales=(0.75, 1.0))).SerializeToString())
    return path


@pytest.fixture
def upstream():
    return import_module("upstream_graphs")


def test_list_shows_the_networks_and_the_paper_s_rows(run, tmp_path):
    (tmp_path / checkpoints.MOBILENETV2.folder).mkdir()
    shown = run("list").output
    for words in ("mobilenetv2", "70.71% *", "73.57%", "xception65", "80.42% *", "439 MB"):
        assert words in shown


def test_list_as_json(run, tmp_path):
    (tmp_path / checkpoints.MOBILENETV2.folder).mkdir()
    entries = {entry["name"]: entry for entry in json.loads(run("list", "--json").output)}
    assert entries["mobilenetv2"]["downloaded"] is True
    assert entries["xception65"]["downloaded"] is False
    assert entries["xception65"]["settings"]["scales"] == [0.75, 1.0, 1.25]
    assert entries["xception65"]["zoo"][1]["miou"] == 0.8042
    assert entries["xception65"]["url"].endswith("deeplabv3_cityscapes_train_2018_02_06.tar.gz")


def test_download_says_where_it_is(run, tmp_path, monkeypatch):
    server = import_module("archive_server")
    with server.serving(server.archive()) as served:
        monkeypatch.setattr(checkpoints, "_ZOO", served.address)
        result = run("download", "mobilenetv2", "--dir", tmp_path / "there")
    assert result.stdout.strip() == str(tmp_path / "there" / checkpoints.MOBILENETV2.folder)
    assert "mobilenetv2, about 23 MB" in result.stderr


def test_inspect(run, graph_file):
    shown = run("inspect", graph_file).output
    for words in ("65 x 97 pixels", "Mean (probabilities)", "0.75, 1", "parameters"):
        assert words in shown


def test_inspect_as_json(run, graph_file):
    found = json.loads(run("inspect", graph_file, "--json").output)
    assert found["settings"]["crop"] == [65, 97]
    assert found["classes"] == 5


@pytest.mark.parametrize(
    ("arguments", "error"),
    [(("download", "resnet"), InputError), (("inspect", "none.pb"), DataFormatError)],
)
def test_errors_reach_the_caller(run, arguments, error):
    with pytest.raises(error):
        run(*arguments)


def test_help_and_list_need_no_tensorflow():
    code = (
        "import sys; from metaseg_tf.cli.checkpoints import list_checkpoints as f; f(); "
        "sys.exit('tensorflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
