"""Print the lowest versions that setup.py allows, as constraints for pip (see the Makefile)."""

import re
import runpy
import sys
from itertools import chain
from pathlib import Path
from unittest import mock

SETUP = Path(__file__).parents[2] / "setup.py"


def requirements() -> list[str]:
    """All that setup.py asks for, with the extras."""
    with mock.patch("setuptools.setup") as setup:
        runpy.run_path(str(SETUP))
    asked = setup.call_args.kwargs
    return [*chain(asked["install_requires"], *asked["extras_require"].values())]


def pin(requirement: str) -> str:
    """``scipy>=1.11.1,<2; marker`` as ``scipy==1.11.1; marker``."""
    pinned, found = re.subn(r"^([\w.-]+)>=([\w.]+)[^;]*", r"\1==\2", requirement)
    if not found:
        raise SystemExit(f"setup.py: expected NAME>=VERSION, got {requirement!r}; add its bound")
    return pinned


if __name__ == "__main__":
    sys.stdout.write("".join(f"{pin(requirement)}\n" for requirement in requirements()))
