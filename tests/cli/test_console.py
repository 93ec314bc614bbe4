"""Whatever becomes of its output, each verb does its work: the encoding, closed streams, pipes."""

import io
import json
import os
import pty
import shutil
import subprocess
import sys
from multiprocessing.reduction import DupFd
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ready import READY
from scenes import make_scene
from small_runs import make_run

from metaseg_tf import cli, load_run
from metaseg_tf.cli import console
from metaseg_tf.data.softmax import SoftmaxDump, save_dump
from metaseg_tf.report import overview

ENCODINGS = ("ascii", "latin-1", "cp1252", "shift_jis", "utf-8")
POSIX = {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


def call(commands, encoding, *places):
    """In a process of its own: commands with other streams; ends with the worst exit code."""
    for number, name, place in zip((1, 2), ("stdout", "stderr"), places, strict=True):
        file = (
            os.open(place, os.O_CREAT | os.O_WRONLY) if isinstance(place, Path) else place.detach()
        )
        os.dup2(file, number)
        opened = io.TextIOWrapper(io.FileIO(number, "w", closefd=False), encoding=encoding)
        setattr(sys, name, opened)
        setattr(sys, f"__{name}__", opened)
    overview.FIGURES = {}  # they take their time, and say nothing
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3"}
    codes = []
    for words in commands:
        sys.argv = ["metaseg-tf", *map(str, words)]
        with pytest.raises(SystemExit) as ended:
            cli.main()
        codes.append(ended.value.code or 0)
    sys.exit(max(codes))


@pytest.fixture
def metaseg_in(tmp_path):
    """Call ``metaseg-tf`` with streams of an encoding; gives (exit code, stdout, stderr).

    Further commands, each a sequence of words, are called one after the other.
    """
    count = iter(range(99))

    def run(encoding, *words, output=None, commands=()):
        files = [tmp_path / f"stream{next(count)}" for _ in range(2)]
        process = READY.Process(
            target=call, args=(commands or [words], encoding, output or files[0], files[1])
        )
        process.start()
        process.join()
        return (
            process.exitcode,
            *(f.read_bytes().decode(encoding) if f.exists() else "" for f in files),
        )

    return run


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Finished runs, softmax dumps and a meta model, in a folder that ASCII cannot name."""
    from metaseg_tf.data.softmax import open_dumps
    from metaseg_tf.meta import fit_meta_model, save_model
    from metaseg_tf.runs.extraction import MeasureSettings, extract, open_run

    root = tmp_path_factory.mktemp("made") / "Läufe σ ±"
    (root / "dumps").mkdir(parents=True)
    for i in range(6):
        save_dump(root / "dumps" / f"{i}.npz", SoftmaxDump(*make_scene(seed=i), f"Straße {i} λ"))
    (root / "broken").mkdir()
    (root / "broken" / "ü.npz").write_bytes(b"nothing")
    source = open_dumps(root / "dumps")
    run = open_run(root / "scenes", source, MeasureSettings())
    list(extract(source, run, MeasureSettings(), keep_maps=1))
    save_model(
        fit_meta_model(load_run(root / "scenes"), manifest=run.manifest), root / "model.json"
    )
    make_run(root / "XC")
    return root


#: Words of each verb -> exit code. Those of `place` stand in braces.
CASES = {
    "table 1 {XC}": 0,
    "table 3 {XC}": 0,
    "table 1 {nowhere}": 2,
    "verify {XC} -": 1,
    "verify - -": 2,
    "diagnose {scenes}": 0,
    "diagnose {nowhere}": 2,
    "figure 7 {scenes}": 0,
    "figure 2 {XC}": 2,
    "fit {scenes} --out {new.json}": 0,
    "fit {nowhere} --out {new.json}": 2,
    "report {scenes} --images 1": 0,
    "report {nowhere}": 2,
    "score {scenes} --model {model.json} --draws 100": 0,
    "score {scenes}": 2,
    "ablate {nowhere}": 2,
    "misses {scenes}": 0,
    "misses {nowhere}": 2,
    "review {scenes} --out {new}": 2,
    "review {nowhere} --out {new}": 2,
    "select {nowhere} --budget 5clicks": 2,
    "export {nowhere} --to coco": 2,
    "compact {copy}": 0,
    "compact {nowhere}": 2,
    "extract --softmax {broken} --out {new} --on-error skip": 0,
    "extract --out {new}": 2,
    "predict {model.json} --softmax {dumps} --out {new}": 0,
    "predict {nowhere} --softmax {dumps} --out {new}": 2,
    "checkpoints list": 0,
    "checkpoints list --json": 0,
    "checkpoints download σ": 2,
    "checkpoints inspect {nowhere}": 2,
    "doctor": 0,
    "doctor σ": 2,
    "reproduce --cityscapes {nowhere} --out {new}": 2,
    "demo --σ": 2,
}
VERBS = [
    *(command.name for command in cli.app.registered_commands),
    *(
        f"{group.name} {command.name or command.callback.__name__}"
        for group in cli.app.registered_groups
        for command in group.typer_instance.registered_commands
    ),
]


def fill_in(case, place, tmp_path):
    made = {path.name: path for path in place.iterdir()}
    if "{copy}" in case:
        make_run(tmp_path / "ü")
        made["copy"] = tmp_path / "ü"
    words = (word.strip("{}") if word[0] == "{" else [word] for word in case.split())
    return [made.get(w, tmp_path / f"σ {w}") if isinstance(w, str) else w[0] for w in words]


def test_every_verb_has_a_case():
    assert {verb for verb in VERBS if not any(case.startswith(verb) for case in CASES)} == set()


@pytest.mark.parametrize("case", CASES)
def test_every_verb_speaks_ascii(metaseg_in, place, tmp_path, case):
    code, output, error = metaseg_in("ascii", *fill_in(case, place, tmp_path))
    assert "Traceback" not in error
    assert code == CASES[case]
    assert (error.count("\n") == 1) if code == 2 else output


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_help_speaks_every_encoding(metaseg_in, encoding):
    asked = [[*verb.split(), "--help"] for verb in ("", "checkpoints", *VERBS)]
    code, output, error = metaseg_in(encoding, commands=asked)
    assert (code, error) == (0, "")
    assert output.count("Usage: metaseg-tf") == len(asked)


def test_signs_are_spelt_out_where_they_are_missing(metaseg_in, place):
    shown = {e: metaseg_in(e, "table", 3, place / "XC")[1] for e in ENCODINGS[:2]}
    assert "sigma" in shown["ascii"]
    assert "%(+-" in shown["ascii"]
    assert "sigma" in shown["latin-1"]
    assert "%(±" in shown["latin-1"]


def test_columns_stay_in_line(metaseg_in, place):
    lines = metaseg_in("ascii", "table", 2, place / "XC")[1].splitlines()
    assert len({len(line) for line in lines if line.startswith(("|", "+"))}) == 1


def test_json_says_the_same_in_every_encoding(metaseg_in, place):
    said = [metaseg_in(e, "table", 3, place / "XC", "--json")[1] for e in ("ascii", "utf-8")]
    assert said[0] != said[1]
    assert json.loads(said[0]) == json.loads(said[1])


def test_a_bar_speaks_ascii(metaseg_in, place, tmp_path):
    ours, theirs = pty.openpty()
    words = ("extract", "--softmax", place / "dumps", "--out", tmp_path / "run")
    process = READY.Process(target=call, args=([words], "ascii", tmp_path / "out", DupFd(theirs)))
    process.start()
    os.close(theirs)
    shown = b""
    while part := read_terminal(ours):
        shown += part
    process.join()
    assert process.exitcode == 0
    assert "6/6" in shown.decode("ascii")


def read_terminal(number):
    try:
        return os.read(number, 1 << 16)
    except OSError:  # how Linux says that nobody has the other end any more
        return b""


@pytest.mark.parametrize("variables", [POSIX, {"PYTHONIOENCODING": "ascii"}], ids=["POSIX", "io"])
def test_the_case_from_the_shell(place, variables):
    done = shell(f"table 2 '{place / 'XC'}'", **variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert "sigma" in done.stdout


def test_names_that_the_locale_cannot_write_are_refused_in_a_line(place, tmp_path):
    done = shell(f"extract --softmax '{place / 'dumps'}' --out '{tmp_path / 'run'}'", **POSIX)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "PYTHONUTF8=1" in done.stderr


@pytest.mark.long
def test_the_advice_about_the_locale_helps(place, tmp_path):
    words = f"extract --softmax '{place / 'dumps'}' --out '{tmp_path / 'run'}'"
    assert shell(words, **POSIX | {"PYTHONUTF8": "1"}).returncode == 0


@pytest.mark.long
def test_a_page_of_a_folder_that_the_locale_cannot_name(tmp_path):
    import mapped_runs  # which brings TensorFlow, and each process of `call` reads this file

    mapped_runs.make_run(tmp_path / "Läufe", range(4), keep=0)
    done = shell(f"report '{tmp_path / 'Läufe'}'", **POSIX)
    assert done.returncode == 0, done.stderr
    assert "Läufe" in (tmp_path / "Läufe" / "report" / "index.html").read_text(encoding="utf-8")


def shell(words, **variables):
    command = f"'{sys.executable}' -m metaseg_tf {words}"
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"} | variables
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        env=environment, capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip


CLOSED = (
    "<&- >&- 2>&-",
    "2>&1 | true",
    *(pytest.param(one, marks=pytest.mark.long) for one in ("2>&-", ">&- 2>&-", "<&-", "| true")),
)


@pytest.mark.parametrize("closed", CLOSED)
def test_work_is_done_though_nobody_listens(place, closed):
    shutil.rmtree(place / "XC" / "tables", ignore_errors=True)
    assert shell(f"table 1 '{place / 'XC'}' {closed}").returncode == 0
    assert len(list((place / "XC" / "tables").iterdir())) == 3


@pytest.mark.parametrize("closed", ["<&- >&- 2>&-", pytest.param("2>&-", marks=pytest.mark.long)])
def test_what_is_refused_is_refused_though_nobody_listens(tmp_path, closed):
    assert shell(f"table 2 '{tmp_path}' {closed}").returncode == 2


@pytest.mark.long
def test_no_file_takes_the_place_of_a_closed_stream(place, tmp_path):
    """TensorFlow and Dask write to descriptor 2, whatever it is."""
    words = f"extract --softmax '{place / 'dumps'}' --out '{tmp_path / 'run'}' --workers 1"
    assert shell(f"{words} <&- >&- 2>&-", TF_CPP_MIN_LOG_LEVEL="0").returncode == 0
    ours, theirs = load_run(tmp_path / "run"), load_run(place / "scenes")
    assert ours.sort_values(["image", "segment"], ignore_index=True).equals(theirs)


def test_a_full_disk_is_one_line(metaseg_in, place):
    code, _, error = metaseg_in("utf-8", "table", 2, place / "XC", output=Path("/dev/full"))
    assert code == 2
    assert error == "metaseg-tf: [Errno 28] No space left on device\n"


@given(st.text(), st.sampled_from(ENCODINGS))
def test_any_text_can_be_written(text, encoding):
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding, console.SPELLING, newline="")
    stream.write(text)
    stream.flush()
    shown = written.getvalue()
    assert shown.decode(encoding, "replace").isascii() >= (encoding == "ascii" and text.isascii())
    if encoding == "utf-8":
        assert shown == text.encode("utf-8")


@given(st.binary())
def test_bytes_of_file_names_go_out_as_they_came_in(name):
    text = name.decode("utf-8", "surrogateescape")
    assert text.encode("utf-8", console.SPELLING) == name
