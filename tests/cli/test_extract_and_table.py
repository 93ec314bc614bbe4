import json
import logging

import numpy as np
import pytest
from scenes import make_scene

from metaseg_tf.data.softmax import SoftmaxDump, save_dump
from metaseg_tf.runs.run import Run, load_run


@pytest.fixture
def dumps(tmp_path):
    folder = tmp_path / "dumps"
    folder.mkdir()
    for i in range(3):
        save_dump(folder / f"{i}.hdf5", SoftmaxDump(*make_scene(seed=i), f"image{i}"))
    return folder


def test_from_dumps_to_table_1(metaseg, dumps, tmp_path):
    out = tmp_path / "XC"
    code, output, _ = metaseg("extract", "--softmax", dumps, "--out", out)
    assert code == 0
    assert "3 images measured" in output
    assert "3 kept" in metaseg("extract", "--softmax", dumps, "--out", out)[1]
    code, output, _ = metaseg("table", 1, out)
    assert code == 0
    assert "S_rel_in" in output
    assert {p.suffix for p in (out / "tables").iterdir()} == {".csv", ".md", ".tex"}


@pytest.mark.parametrize("n_classes", [2, 24, 25, 150])
def test_the_iou_of_few_classes_is_listed_and_of_many_the_best_and_worst(
    metaseg, tmp_path, n_classes
):
    (tmp_path / "dumps").mkdir()
    dump = SoftmaxDump(*make_scene(100, 200, n_classes, cell=6), "image")
    save_dump(tmp_path / "dumps" / "0.npz", dump)
    names = [f"{j:03} {'of a very long name ' * 4}" for j in range(n_classes)]
    (tmp_path / "names.txt").write_text("\n".join(names))
    words = ("--classes", tmp_path / "names.txt", "--out", tmp_path / "run")
    _, output, _ = metaseg("extract", "--softmax", tmp_path / "dumps", *words)
    ious = Run(tmp_path / "run").manifest.results["class_iou"]
    assert len(ious) == n_classes
    lines = [line.strip() for line in output.splitlines() if "of a very long" in line]
    listed = [int(line[:3]) for line in lines]
    assert max(map(len, output.splitlines()[1:])) <= 80
    if n_classes <= 24:
        assert listed == list(range(n_classes))
    else:
        ranked = sorted(
            (j for j in range(n_classes) if ious[j] is not None), key=lambda j: -ious[j]
        )
        assert [ious[j] for j in listed] == [ious[j] for j in ranked[:12] + ranked[-12:]]
        assert f"the best and worst of {n_classes} classes" in output
    for line, j in zip(lines, listed, strict=True):
        assert line.endswith("n/a" if ious[j] is None else f"{ious[j]:.2%}")


def test_the_summary_as_json(metaseg, dumps, tmp_path):
    (dumps / "1.hdf5").write_bytes(b"nothing")
    words = ("extract", "--softmax", dumps, "--out", tmp_path / "run", "--on-error", "skip")
    _, output, _ = metaseg(*words, "--json")
    summary = json.loads(output)
    assert (summary["measured"], summary["kept"], len(summary["failed"])) == (2, 0, 1)
    assert summary["segments"] == len(load_run(tmp_path / "run"))


def test_the_data_set_may_be_named_by_a_variable(refused, tmp_path, monkeypatch):
    monkeypatch.setenv("CITYSCAPES_DATASET", str(tmp_path / "nowhere"))
    said = refused("extract", "--network", "mobilenetv2", "--out", tmp_path / "run")
    assert "nowhere: expected the Cityscapes folder" in said


def test_two_runs_stand_side_by_side(metaseg, dumps, tmp_path):
    for name, convention in (("XC", "reference"), ("MN", "paper")):
        metaseg("extract", "--softmax", dumps, "--out", tmp_path / name, "--convention", convention)
    _, output, _ = metaseg("table", 1, tmp_path / "XC", tmp_path / "MN")
    assert "XC" in output
    assert "MN" in output


def test_a_limited_run(metaseg, dumps, tmp_path):
    metaseg("extract", "--softmax", dumps, "--out", tmp_path / "run", "--limit", 2)
    assert Run(tmp_path / "run").done() == {"image0", "image1"}


@pytest.mark.parametrize("what", ["missing", "empty", "truncated", "without data", "not a softmax"])
def test_bad_dumps_are_refused_in_one_line(refused, dumps, tmp_path, what):
    import h5py

    folder = dumps
    if what == "missing":
        folder = tmp_path / "nowhere"
    elif what == "empty":
        folder = tmp_path / "empty"
        folder.mkdir()
    elif what == "truncated":
        (dumps / "1.hdf5").write_bytes((dumps / "1.hdf5").read_bytes()[:-100])
    elif what == "without data":
        with h5py.File(dumps / "1.hdf5", "w") as file:
            file["file_names"] = ["a"]
    else:
        save_dump(dumps / "1.hdf5", SoftmaxDump(np.full((4, 4, 3), 3.0), None, "a"))
    refused("extract", "--softmax", folder, "--out", tmp_path / "run")
    if folder is dumps:
        assert len(load_run(tmp_path / "run")) > 0


def test_bad_images_are_skipped_on_demand(metaseg, dumps, tmp_path):
    (dumps / "1.hdf5").write_bytes(b"")
    code, output, _ = metaseg(
        "extract", "--softmax", dumps, "--out", tmp_path / "run", "--on-error", "skip"
    )
    assert code == 0
    assert "1 failed" in output
    assert "1.hdf5" in output


def test_other_settings_are_refused(metaseg, refused, dumps, tmp_path):
    words = ("extract", "--softmax", dumps, "--out", tmp_path / "run")
    metaseg(*words)
    assert "convention" in refused(*words, "--convention", "paper")


@pytest.mark.parametrize(
    "words",
    [
        ("extract",),
        ("extract", "--out", "x", "--softmax", "y", "--convention", "mine"),
        ("table", "9", "x"),
        ("tabel",),
    ],
)
def test_wrong_arguments_exit_with_two(metaseg, words):
    code, _, error = metaseg(*words)
    assert code == 2
    assert "Traceback" not in error


def test_a_folder_that_is_no_run_is_refused(refused, tmp_path):
    assert "extract" in refused("table", 1, tmp_path)


@pytest.mark.parametrize("code", ["import metaseg_tf.cli", "from metaseg_tf.paper import tables"])
def test_help_and_tables_never_import_tensorflow(fresh_python, code):
    loaded = fresh_python(f"{code}\nimport sys; print(*sys.modules)").split()
    assert "tensorflow" not in loaded
    if "cli" in code:
        assert not {"pandas", "numpy"} & set(loaded)


def test_version_and_help(metaseg):
    assert metaseg("--version")[1].strip().count(".") == 2
    code, output, _ = metaseg("--help")
    assert code == 0
    assert "extract" in output


@pytest.mark.parametrize("stored", ["..", ".hidden", "new\nline", "x" * 10_000])
def test_a_name_that_no_file_can_bear_is_refused_or_skipped(
    metaseg, refused, dumps, tmp_path, stored
):
    save_dump(dumps / "1.hdf5", SoftmaxDump(*make_scene(seed=1), stored))
    words = ("extract", "--softmax", dumps, "--out", tmp_path / "run")
    assert "1.hdf5: image: expected a name" in refused(*words)
    code, output, _ = metaseg(*words, "--on-error", "skip")
    assert code == 0
    assert "1 failed" in output
    assert Run(tmp_path / "run").done() == {"image0", "image2"}


@pytest.mark.parametrize(
    ("softmax", "out"), [("x" * 5000, "run"), ("{dumps}", "x" * 300), ("no\x1b[2J", "run")]
)
def test_paths_that_no_system_takes_are_refused_in_one_line(refused, dumps, tmp_path, softmax, out):
    said = refused("extract", "--softmax", softmax.format(dumps=dumps), "--out", tmp_path / out)
    assert said.strip().isprintable()


def test_warnings_look_like_refusals(metaseg):
    metaseg("--version")
    record = logging.makeLogRecord({"msg": "one image was cut short"})
    assert logging.lastResort.format(record) == "metaseg-tf: one image was cut short"
