"""Two processes on one run folder: the second says so and leaves; a killed one holds nothing."""

import sys

import pytest
from killable import extract_into, hold_lock, make_event, spawn

from metaseg_tf import cli
from metaseg_tf.errors import RunError
from metaseg_tf.runs.run import Run


@pytest.fixture
def busy(dumps, tmp_path):
    """A run folder that another process is writing to, and that process."""
    out = tmp_path / "run"
    extract_into(dumps, out)
    held = make_event()
    process = spawn(hold_lock, out, held)
    assert held.wait(60)
    yield out, process
    process.kill()
    process.join()


def test_the_second_says_so_and_leaves(dumps, busy, monkeypatch, capsys):
    out, process = busy
    words = ["metaseg-tf", "extract", "--softmax", str(dumps), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    message = capsys.readouterr().err
    assert f"another process is writing here (process {process.pid} on" in message
    assert message.count("\n") == 1


def test_packing_waits_for_nobody(busy):
    with pytest.raises(RunError, match="another process"):
        Run(busy[0]).compact(10)


def test_reading_goes_on_meanwhile(busy, assert_nothing_lost):
    assert_nothing_lost(busy[0], 8)


def test_a_killed_process_holds_nothing(dumps, busy, assert_nothing_lost):
    out, process = busy
    process.kill()
    process.join()
    assert set(extract_into(dumps, out)) == {"kept"}


def test_an_abandoned_extraction_holds_nothing(dumps, tmp_path):
    from metaseg_tf.data.softmax import open_dumps
    from metaseg_tf.runs.extraction import MeasureSettings, extract, open_run

    source, settings = open_dumps(dumps), MeasureSettings()
    results = extract(source, open_run(tmp_path / "run", source, settings), settings)
    next(results)
    results.close()
    extract_into(dumps, tmp_path / "run")
