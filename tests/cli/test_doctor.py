"""``metaseg-tf doctor``, and what is said to words that the command line does not know."""

import ast
import json
from importlib import metadata
from pathlib import Path

import pytest

import metaseg_tf
from metaseg_tf.cli import doctor
from metaseg_tf.cli.options import DATA_VARIABLES

SETUP = Path(metaseg_tf.__file__).parents[1] / "setup.py"


@pytest.fixture
def quick(monkeypatch):
    """A doctor that leaves TensorFlow alone."""
    monkeypatch.setattr(doctor, "_tensorflow", lambda: iter(()))
    for name in DATA_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def find(metaseg, quick):
    """Name -> finding, with the exit code."""

    def call():
        code, out, _ = metaseg("doctor", "--json")
        return code, {finding["name"]: finding for finding in json.loads(out)}

    return call


def make_val_split(root):
    for part, suffix in (("leftImg8bit", "leftImg8bit"), ("gtFine", "gtFine_labelIds")):
        folder = root / part / "val" / "town"
        folder.mkdir(parents=True)
        (folder / f"town_000000_000019_{suffix}.png").touch()


def test_every_required_package_is_looked_at():
    (call,) = (
        node.value
        for node in ast.parse(SETUP.read_text()).body
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    )
    (needs,) = (ast.literal_eval(k.value) for k in call.keywords if k.arg == "install_requires")
    names = {need.split(">=")[0] for need in needs} - {"tensorflow", "tensorflow-addons"}
    assert names == set(doctor.REQUIRED)


def test_missing_package_is_broken_and_optional_one_is_not(find, monkeypatch):
    version = metadata.version

    def without_two(name):
        if name in {"scipy", "tensorflow-addons"}:
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", without_two)
    code, found = find()
    assert code == 1
    assert found["scipy"]["state"] == "broken"
    assert found["scipy"]["remedy"] == "pip install scipy"
    assert found["tensorflow-addons"]["state"] == "missing"
    assert "--labeller tfa" in found["tensorflow-addons"]["needed_for"]


def test_nothing_broken_is_exit_code_0(find):
    code, found = find()
    assert code == 0
    assert found["numpy"]["state"] == "ok"


@pytest.mark.parametrize("variable", DATA_VARIABLES)
def test_data_set_is_found_by_its_variable(find, tmp_path, monkeypatch, variable):
    assert find()[1]["Cityscapes"]["state"] == "missing"
    make_val_split(tmp_path)
    monkeypatch.setenv(variable, str(tmp_path))
    found = find()[1]["Cityscapes"]
    assert found["state"] == "ok"
    assert found["detail"].startswith("1 image with")


def test_half_a_data_set_says_what_is_missing(find, tmp_path, monkeypatch):
    (tmp_path / "leftImg8bit" / "val").mkdir(parents=True)
    monkeypatch.setenv("CITYSCAPES_DATASET", str(tmp_path))
    found = find()[1]["Cityscapes"]
    assert found["state"] == "missing"
    assert "gtFine is missing" in found["detail"]


def test_checkpoints_are_looked_for_where_they_are_kept(find, tmp_path, monkeypatch):
    monkeypatch.setenv("METASEG_TF_CHECKPOINTS", str(tmp_path))
    found = find()[1]["mobilenetv2"]
    assert found["state"] == "missing"
    assert found["remedy"] == "metaseg-tf checkpoints download mobilenetv2"


def test_screen_names_what_is_missing_for_what(metaseg, quick):
    code, out, _ = metaseg("doctor")
    assert code == 0
    assert "what is missing for what:\n" in out
    assert "- Cityscapes: for reproduce" in out


def test_tensorflow_and_its_compiler_are_tried():
    found = {finding.name: finding for finding in doctor._tensorflow()}
    assert found["tensorflow"].state == "ok"
    assert found["XLA"].state == "ok"
    assert found["GPU"].state in ("ok", "missing")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tabel", "1", "x"], "Did you mean 'table'"),
        (["checkpoints", "lst"], "Did you mean 'list'"),
        (["table", "--jsn", "1", "x"], "--json"),
        (["extract", "--out", "x", "--convention", "papr"], "'reference', 'paper'"),
        (["table"], "see metaseg-tf table --help"),
        (["table", "9", "x"], "see metaseg-tf table --help"),
    ],
)
def test_misuse_is_one_line_with_the_nearest_name(refused, words, said):
    assert said in refused(*words)


def test_no_verb_shows_the_help(metaseg):
    code, out, error = metaseg()
    assert code == 2
    assert "doctor" in out
    assert error == ""
