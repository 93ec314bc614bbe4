"""Work that takes its time: on a cluster where asked for, to be stopped and continued."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager

import typer

from metaseg_tf.cli.console import start_tensorflow

__all__ = ["interruptible", "print_failed", "spread"]


def spread(
    scheduler: str | None, workers: int | None, resources: str | None
) -> AbstractContextManager:
    """The cluster that the options ask for (`metaseg_tf.runs.cluster.connect`), or None."""
    from metaseg_tf.runs.cluster import connect, parse_resources

    return connect(scheduler, workers, resources and parse_resources(resources), start_tensorflow)


@contextmanager
def interruptible(out: object = "") -> Iterator[None]:
    """On Ctrl-C, say that nothing is lost, and leave with code 130."""
    try:
        yield
    except KeyboardInterrupt:
        place = f" ({out})" if out else ""
        typer.echo(f"stopped; what was finished is kept: repeat the command to go on{place}")
        raise typer.Exit(130) from None


def print_failed(reasons: Iterable[str]) -> None:
    """One line for each image that was skipped."""
    for reason in reasons:
        typer.echo(f"skipped {reason}")
