"""A clock that jumps: nothing that ends up in a run, or decides what does, depends on it."""

import random
import time
from pathlib import Path

import pytest
from killable import extract_into

import metaseg_tf

ROOMS = ("runs", "segments", "data")


def test_a_clock_that_jumps(dumps, undisturbed, tmp_path, monkeypatch):
    jumps = random.Random(0)
    monkeypatch.setattr(time, "time", lambda: jumps.uniform(-1e9, 1e10))
    monkeypatch.setattr(time, "time_ns", lambda: int(jumps.uniform(-1e18, 1e19)))
    extract_into(dumps, tmp_path / "run")
    files = sorted(path.relative_to(undisturbed) for path in undisturbed.rglob("*.*"))
    for file in files:
        if (undisturbed / file).is_file() and file.name != ".lock":
            assert (tmp_path / "run" / file).read_bytes() == (undisturbed / file).read_bytes()


@pytest.mark.parametrize("room", ROOMS)
def test_nothing_asks_for_the_time(room):
    files = list((Path(metaseg_tf.__file__).parent / room).glob("*.py"))
    assert len(files) > 3
    lines = {line for file in files for line in file.read_text().splitlines()}
    assert not {"import time", "import datetime"} & lines
