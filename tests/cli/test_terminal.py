"""What each verb prints fits a terminal of 80 columns; quiet verbs say nothing but results."""

import re

import numpy as np
import pytest
from scenes import make_scene
from small_runs import make_run
from tables import make_table

from metaseg_tf.cli import console
from metaseg_tf.data.softmax import SoftmaxDump, save_dump
from metaseg_tf.paper import figures
from metaseg_tf.paper.layout import PrintedTable
from metaseg_tf.report import overview

pytestmark = pytest.mark.usefixtures("short_path")

LONG = "deeplabv3plus_mobilenet_with_a_name_longer_than_any_terminal_is_wide_retrained"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Runs of 2, 19 and 150 classes, two of them with long names, and dumps to measure."""
    root = tmp_path_factory.mktemp("place")
    make_run(root / "XC", make_table(400, n_images=4))
    make_run(root / "MN", make_table(400, n_images=4, seed=1))
    make_run(root / LONG, make_table(400, n_images=4, seed=2))
    make_run(root / "two", make_table(200, n_images=1, n_classes=2), n_classes=2)
    make_run(root / "many", make_table(900, n_images=4, n_classes=150), n_classes=150)
    (root / "dumps").mkdir()
    for i in range(3):
        save_dump(root / "dumps" / f"{i}.npz", SoftmaxDump(*make_scene(seed=i), f"scene{i}"))
    return root


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(figures.diagnostics, "draw_diagnostics", lambda found: [])
    monkeypatch.setattr(overview, "FIGURES", {})


def too_wide(output):
    """Lines of more than 80 characters that are not made so by a path."""
    return [
        line
        for line in output.splitlines()
        if len(line) > 80 and not re.search(r"\S*/\S*", line) and LONG not in line
    ]


@pytest.mark.parametrize(
    "words",
    [
        *(f"table {n} {runs}" for n in (1, 2, 3) for runs in ("XC", "XC MN", f"{LONG} XC")),
        *("table 2 two", "table 3 many two XC", "verify XC MN", "verify - MN"),
        *("diagnose XC", "diagnose many", "fit XC --out {new}.json", "report XC --images 0"),
        *("doctor", "checkpoints list", "compact two"),
        "extract --softmax dumps --out {new}",
    ],
)
def test_every_line_fits(metaseg, place, tmp_path, monkeypatch, words):
    monkeypatch.chdir(place)
    code, output, error = metaseg(*words.format(new=tmp_path / "new").split())
    assert code in (0, 1), error
    assert output
    assert too_wide(output) == []


def lay_out(capsys, names, *, cell="81.91%(±0.46%)", columns=None):
    header = ("", *(f"{name} {part}" for name in names for part in ("training", "validation")))
    row = ("AUROC, entropy baseline", *[cell] * (len(header) - 1))
    console.print_table(PrintedTable("table2", "Caption.", header, (row, row)))
    return capsys.readouterr().out


@pytest.mark.parametrize("names", [["XC"], ["XC", "MN"], ["XC", "MN", "AB"], [LONG, f"{LONG}2"]])
def test_runs_come_below_each_other_and_no_number_is_lost(capsys, names):
    shown = lay_out(capsys, names)
    assert too_wide(shown) == []
    assert shown.count("81.91%(±0.46%)") == 4 * len(names)
    # A name may go on in the next line, next to that of the other half.
    assert all(name[:14] in shown for name in names)


def test_what_fits_stays_in_one_piece(capsys, monkeypatch):
    assert lay_out(capsys, ["XC", "MN"]).count("AUROC") == 4
    monkeypatch.setenv("COLUMNS", "120")
    assert lay_out(capsys, ["XC", "MN"]).count("AUROC") == 2


def test_shared_first_columns_become_titles(capsys):
    rows = (
        ("table 1", "XC", "E", "0.1"),
        ("table 1", "XC", "D", "0.2"),
        ("table 2", "XC", "E", ""),
    )
    header = ("place", "network", "quantity", "ours")
    console.print_table(PrintedTable("verify", "", header, rows), titles=2)
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert lines[2:] == [
        ["table", "1,", "XC"], ["E", "0.1"], ["D", "0.2"], ["table", "2,", "XC"], ["E"],
    ]  # fmt: skip


@pytest.mark.parametrize("quiet", [True, False])
def test_quiet_verbs_print_nothing_but_results(metaseg, place, tmp_path, quiet):
    option = ["-q"] * quiet
    (tmp_path / "bad").mkdir()
    for path in [*(place / "dumps").iterdir()]:
        (tmp_path / "bad" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "bad" / "broken.npz").write_bytes(b"nothing")
    words = ("extract", "--softmax", tmp_path / "bad", "--out", tmp_path / "run")
    code, output, error = metaseg(*words, "--on-error", "skip", *option)
    assert (code, error) == (0, "")
    assert ("3 images measured" in output) != quiet
    assert output.count("broken.npz") == 1  # an image that is missing from the results
    assert (output.count("\n") == 1) == quiet


@pytest.mark.parametrize(("count", "words"), [(1, "1 image measured"), (3, "3 images measured")])
def test_one_image_is_no_images(metaseg, place, tmp_path, count, words):
    said = metaseg(
        "extract", "--softmax", place / "dumps", "--out", tmp_path / "run", "--limit", count
    )[1]
    assert words in said
    assert f"over {words.split(' meas')[0]}\n" in said


@pytest.mark.parametrize(
    "target", ["taken", "file/model.json", "x" * 300, "/dev/null", "."], ids=lambda text: text[:20]
)
def test_fit_refuses_a_file_that_cannot_be_written_before_it_fits(
    refused, place, tmp_path, monkeypatch, target
):
    from metaseg_tf import meta

    monkeypatch.setattr(meta, "fit_meta_model", lambda *_, **__: pytest.fail("it fits"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").mkdir()
    (tmp_path / "file").write_text("")
    assert "cannot be written" in refused("fit", place / "XC", "--out", target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "taken"]


def test_fit_makes_the_folders_on_the_way_and_replaces_a_model(metaseg, place, tmp_path):
    path = tmp_path / "new" / "folder" / "model.json"
    assert metaseg("fit", place / "XC", "--out", path)[0] == 0
    before = path.read_bytes()
    path.write_text("another")
    assert metaseg("fit", place / "XC", "--out", path)[0] == 0
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["model.json"]


@pytest.mark.parametrize("verb", ["demo", "reproduce"])
def test_an_out_that_is_a_file_is_refused_before_anything_is_made(refused, tmp_path, verb):
    from street import write_street

    (tmp_path / "file").write_text("")
    words = {"demo": (), "reproduce": ("--cityscapes", write_street(tmp_path / "street"))}[verb]
    assert "cannot be written" in refused(verb, "--out", tmp_path / "file", *words)


@pytest.mark.parametrize("names", ["figure", "figures,tables", "all"])
def test_demo_refuses_to_skip_what_it_does_not_know(refused, tmp_path, names):
    message = refused("demo", "--skip", names, "--out", tmp_path / "demo")
    assert "figures, diagnostics, report" in message
    assert not (tmp_path / "demo").exists()


def test_a_picture_of_one_colour_is_no_reason_to_warn(metaseg, place, tmp_path, recwarn):
    """No warning of another library reaches the terminal on the hardest run there is."""
    images = tmp_path / "dumps"
    images.mkdir()
    for i in range(2):
        probs = np.zeros((8, 8, 2), np.float32)
        probs[..., 0] = 1
        save_dump(images / f"{i}.npz", SoftmaxDump(probs, np.zeros((8, 8), np.uint8), str(i)))
    metaseg("extract", "--softmax", images, "--out", tmp_path / "run")
    for words in (("table", 1), ("table", 2), ("table", 3), ("diagnose",)):
        code, _, error = metaseg(*words, tmp_path / "run")
        assert code in (0, 2)
        assert error.count("\n") == (code == 2)
    assert [str(warning.message) for warning in recwarn] == []
