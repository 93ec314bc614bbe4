"""The exception tree: every message says what was given, what was expected and what to do."""

import difflib
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

__all__ = [
    "ClusterError", "DataFormatError", "InputError", "MetaSegError", "MissingDependencyError",
    "NetworkError", "RunError", "SettingsMismatchError", "ShapeError", "UnsafeGraphError",
    "check_choice", "in_one_line", "number_of", "restate", "suggest",
]  # fmt: skip


class MetaSegError(Exception):
    """Base of all errors that this package raises on purpose; the command line shows one line."""


class InputError(MetaSegError, ValueError):
    """An argument or the content of an array is outside of what the function accepts."""


class ShapeError(InputError):
    """An array has the wrong number of dimensions or the wrong size."""


class DataFormatError(MetaSegError, OSError):
    """A file or folder is missing, truncated, or lacks what its format promises."""


class NetworkError(MetaSegError, ValueError):
    """A network file does not hold what is needed to compute class probabilities."""


class UnsafeGraphError(NetworkError):
    """A graph holds operations that touch files, the network or Python."""


class RunError(MetaSegError, OSError):
    """A run folder is missing, broken, busy or cannot be written to."""


class SettingsMismatchError(RunError):
    """A run folder was made with other settings than those asked for now."""


class ClusterError(MetaSegError, RuntimeError):
    """A cluster cannot be reached, or its workers are lost again and again."""


class MissingDependencyError(MetaSegError, ImportError):
    """An optional package or program is needed for this and not installed."""


def check_choice(name: str, value: object, choices: Collection, remedy: str = "") -> None:
    """Raise an InputError that lists the choices unless ``value`` is one of them."""
    if value not in choices:
        said = f"{name}: expected one of {', '.join(map(str, choices))}, got {value!r}"
        raise InputError(f"{said}; {remedy}" if remedy else said)


def in_one_line(error: Exception | str, limit: int | None = 160) -> str:
    """The text of another library's error, short enough to be quoted in a message of ours."""
    return " ".join(str(error).split())[:limit] or type(error).__name__


@contextmanager
def restate(
    kinds: type[Exception] | tuple[type[Exception], ...],
    ours: type[MetaSegError],
    said: str,
    remedy: str,
) -> Iterator[None]:
    """Raise another library's errors of these kinds as one of ours, with their text in brackets."""
    try:
        yield
    except MetaSegError:
        raise
    except kinds as error:
        reason = getattr(error, "strerror", None) or in_one_line(error)
        raise ours(f"{said} ({reason}); {remedy}") from error


def number_of(n: int, noun: str) -> str:
    """A number with its noun, such as "1 image" and "2 images".

    Examples
    --------
    >>> number_of(1, "class"), number_of(1200, "class")
    ('1 class', '1200 classes')
    """
    return f"{n} {noun}" if n == 1 else f"{n} {noun}{'es' if noun.endswith('s') else 's'}"


def suggest(given: str, known: Iterable[str], otherwise: str) -> str:
    """The end of a message about an unknown name: the nearest known one, else what to do.

    Examples
    --------
    >>> suggest("xcption65", ["mobilenetv2", "xception65"], "choose one of them")
    'did you mean xception65?'
    """
    near = difflib.get_close_matches(given.lower(), known, n=1)
    return f"did you mean {near[0]}?" if near else otherwise
