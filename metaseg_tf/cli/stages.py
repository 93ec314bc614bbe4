"""A reproduction on the screen: its stages with progress, and one page at the end."""

import typer

from metaseg_tf.cli.console import print_table, show_progress, start_tensorflow
from metaseg_tf.cli.long_work import interruptible
from metaseg_tf.cli.progress import DownloadBar

__all__ = ["run_plan"]


def run_plan(plan, *, quiet: bool = False) -> int:
    """Take all stages of a `metaseg_tf.paper.reproduction.Plan`; done ones are passed over.

    Returns
    -------
    int
        Exit code: 1 if a result could not be made or a number is off, unless the plan is limited
        to some images; else 0.

    Raises
    ------
    typer.Exit
        130 if interrupted.
    """
    start_tensorflow()
    from metaseg_tf.paper.reproduction import count_images

    total = count_images(plan)
    with interruptible():
        _fetch(plan)
        _measure(plan, total, quiet)
        results = _make_results(plan, quiet)
        verification = _verify(plan)
    _print_page(plan, results, verification)
    failed = any(result.outcome == "failed" for result in results)
    return int(failed or not (verification.passed or plan.limit))


def _fetch(plan) -> None:
    from metaseg_tf.networks.checkpoints import download
    from metaseg_tf.paper.reproduction import checkpoints_of

    for entry in checkpoints_of(plan):
        with DownloadBar(f"{entry.name}, about {entry.size} MB") as bar:
            download(entry, progress=bar)


def _measure(plan, total: int, quiet: bool) -> None:
    from metaseg_tf.paper.reproduction import is_measured, measure

    for network in plan.networks:
        if is_measured(plan, network):
            continue
        results = measure(plan, network)
        for _ in show_progress(results, total=total, what=network.name, quiet=quiet):
            pass


def _make_results(plan, quiet: bool) -> list:
    from metaseg_tf.paper.reproduction import make_results

    results = []
    for result in make_results(plan.open_runs(), plan.out):
        results.append(result)
        if not quiet:
            typer.echo(f"{result.name}: {result.outcome}", err=True)
    return results


def _verify(plan):
    from metaseg_tf.paper.tables import store_printed
    from metaseg_tf.paper.verify import verify

    runs = plan.open_runs()
    verification = verify(runs, plan.printed)
    store_printed(verification.table(), next(iter(runs.values())))
    return verification


def _print_page(plan, results, verification) -> None:
    """What was made, and how the headline numbers compare."""
    print_table(verification.headlines())
    for hint in verification.hints:
        typer.echo(f"- {hint}")
    made = sum(result.outcome != "failed" for result in results)
    typer.echo(f"\n{made} of {len(results)} results made:")
    for folder in sorted({path.parent for result in results for path in result.paths}):
        typer.echo(f"  {folder}")
    for result in results:
        if result.outcome == "failed":
            typer.echo(f"  not made: {result.name}: {result.reason}")
    first = plan.run_folder(plan.networks[0])
    typer.echo(f"  every number: {first / 'tables' / 'verify.md'}")
