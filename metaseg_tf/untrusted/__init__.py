"""Files from strangers: what is admitted, checked before anything is read or run."""

from pathlib import Path

from metaseg_tf.errors import DataFormatError

__all__ = ["check_file", "read_list"]


def check_file(path: Path, expected: str = "") -> None:
    """Refuse a pipe, socket or device: reading could wait without end.

    Raises DataFormatError, also for a missing file if ``expected`` says what should be there.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise DataFormatError(
            f"{path}: expected a regular file, got a pipe, socket or device; copy it into a file"
        )
    if expected and not path.is_file():
        raise DataFormatError(f"{path}: expected {expected}, found no such file; check the path")


def read_list(name: str) -> frozenset[str]:
    """The names that a file may hold, by ``lists/<name>.txt``; others are refused."""
    file = Path(__file__).with_name("lists") / f"{name}.txt"
    lines = file.read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())
