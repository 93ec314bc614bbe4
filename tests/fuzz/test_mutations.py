"""Whole files with a few bytes changed, cut or put in: read, or refused by one of our errors."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from targets import TARGETS, survives

#: What one format may cost in ms, here; the fuzzers spend more.
_BUDGET = 400


@st.composite
def mutated(draw, content):
    """``content`` with up to four changes at any place."""
    content = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(len(content) - 1, 0)))
        kind = draw(st.sampled_from(["set", "set", "insert", "delete", "cut", "copy"]))
        if kind == "set" and content:
            content[place] = draw(st.integers(0, 255) | st.sampled_from([0, 1, 127, 128, 255]))
        elif kind == "insert":
            content[place:place] = draw(st.binary(min_size=1, max_size=8))
        elif kind == "delete":
            del content[place : place + draw(st.integers(1, 64))]
        elif kind == "cut" and draw(st.booleans()):
            del content[place:]
        elif kind == "copy":
            other = draw(st.integers(0, max(len(content) - 1, 0)))
            content[place : place + 8] = content[other : other + 8]
    return bytes(content)


@pytest.mark.parametrize("name", TARGETS)
def test_whole_files_are_taken(name):
    target = TARGETS[name]
    assert survives(target, target.seeds()[0])


@pytest.mark.parametrize("name", TARGETS)
def test_no_bytes_raise_what_is_not_ours(name):
    target = TARGETS[name]
    seeds = target.seeds()

    @settings(
        max_examples=min(200, max(10, _BUDGET // target.cost)),
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(seeds).flatmap(mutated) | st.binary(max_size=64))
    def read(content):
        survives(target, content)

    read()
