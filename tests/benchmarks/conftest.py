"""Figures that a benchmark notes for docs/benchmarks.md."""

import pytest


@pytest.fixture
def note(benchmark):
    """Note a figure under a name: on the screen, and in the JSON of ``make bench``."""

    def add(name, value):
        benchmark.extra_info[name] = float(value)
        print(f"\n{name}: {value:.4g}", end="")

    yield add
    print()
    if benchmark.stats is None:
        benchmark.pedantic(lambda: None, rounds=1)
