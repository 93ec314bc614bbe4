"""``metaseg-tf verify``: every number that the paper prints, next to that of two runs."""

import typer

from metaseg_tf.cli.console import print_json, print_paths, print_table, print_text
from metaseg_tf.cli.options import AsJson, argument

__all__ = ["verify"]


def verify(
    xception65: argument(str, metavar="XC_RUN", help="Run of Xception65, or - for none."),
    mobilenetv2: argument(str, metavar="MN_RUN", help="Run of MobileNetV2, or - for none.") = "-",
    as_json: AsJson = False,
) -> None:
    """Compare two runs with every number printed in the paper.

    Exit code 1 if a number is off or missing, or a run has a fault that no number shows.
    """
    from metaseg_tf.paper.published import IMAGES, NETWORKS, paper_network
    from metaseg_tf.paper.tables import store_printed
    from metaseg_tf.paper.verify import verify as compare_runs
    from metaseg_tf.runs.run import Run

    given = {"XC": xception65, "MN": mobilenetv2}
    runs = {role: Run(path) for role, path in given.items() if path != "-"}
    for role, run in runs.items():
        if paper_network(run.manifest) != role:
            typer.echo(
                f"note: {run.path} is not a run of {NETWORKS[role]} on all {IMAGES} images of the "
                "Cityscapes validation set, and is compared because you ask for it",
                err=True,
            )
    verification = compare_runs(runs)
    paths = store_printed(verification.table(), next(iter(runs.values())))
    if as_json:
        print_json(verification.to_json())
    else:
        print_text("\n".join(verification.foreword()))
        print_table(verification.table(differences=False), titles=2)
        for hint in verification.hints:
            print_text(f"- {hint}")
        print_paths(paths)
    if not verification.passed:
        raise typer.Exit(1)
