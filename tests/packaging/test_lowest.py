"""The lowest versions are those of setup.py, and the pinned ones lie within its bounds."""

import runpy
from pathlib import Path

import pytest
from packaging.requirements import Requirement

HERE = Path(__file__).parent
PINNED = HERE.parents[1] / "requirements.txt"


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(HERE / "lowest.py"))


def needed(lines, python):
    """Package -> its requirement where Python has this version."""
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    holds = {"python_version": python}
    return {r.name: r for r in found if not r.marker or r.marker.evaluate(holds)}


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
def test_the_bounds_of_setup_hold_the_lowest_and_the_pinned_versions(script, python):
    asked = script["requirements"]()
    bounds = needed(asked, python)
    lowest = needed([script["pin"](line) for line in asked], python)
    pinned = needed(PINNED.read_text().splitlines(), python)
    assert bounds.keys() == lowest.keys() == pinned.keys()
    for name, bound in bounds.items():
        (least,), (pin,) = lowest[name].specifier, pinned[name].specifier
        assert least.operator == pin.operator == "=="
        assert f">={least.version}" in str(bound)
        assert bound.specifier.contains(pin.version)


@pytest.mark.parametrize("text", ["ruff", "numpy<2", "pandas!=2.1.0"])
def test_a_requirement_without_a_lower_bound_is_refused(script, text):
    with pytest.raises(SystemExit, match="expected NAME>=VERSION"):
        script["pin"](text)
