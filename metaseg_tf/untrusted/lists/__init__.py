"""Lists of what a file from elsewhere may name; everything that is not on them is refused."""

from pathlib import Path

__all__ = ["read_list"]


def read_list(name: str) -> frozenset[str]:
    """The names in ``<name>.txt`` of this folder, whose lines that begin with # are comments."""
    lines = (Path(__file__).parent / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())
