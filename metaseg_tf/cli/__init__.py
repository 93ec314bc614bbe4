"""The command line: one file a verb, nothing but argument handling and printing.

Heavy imports stand inside the verbs, so that ``metaseg-tf --help`` answers at once.
"""

import logging
import sys

import typer

from metaseg_tf.cli import (
    checkpoints,
    compact,
    demo,
    diagnose,
    doctor,
    extract,
    figure,
    fit,
    predict,
    report,
    reproduce,
    table,
    verify,
)
from metaseg_tf.cli.console import print_error
from metaseg_tf.cli.streams import open_streams
from metaseg_tf.errors import MetaSegError

__all__ = ["app", "main"]

app = typer.Typer(
    name="metaseg-tf",
    help="Which segments of a semantic segmentation can be trusted (Rottmann et al., 2018).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("compact")(compact.compact)
app.command("extract")(extract.extract)
app.add_typer(checkpoints.app, name="checkpoints")
app.command("figure")(figure.figure)
app.command("fit")(fit.fit)
app.command("predict")(predict.predict)
app.command("report")(report.report)
app.command("table")(table.table)
app.command("verify")(verify.verify)
app.command("reproduce")(reproduce.reproduce)
app.command("demo")(demo.demo)
app.command("diagnose")(diagnose.diagnose)
app.command("doctor")(doctor.doctor)


@app.callback(invoke_without_command=True)
def show_version(
    version: bool = typer.Option(False, "--version", help="Print the version and leave."),
) -> None:
    if version:
        from metaseg_tf import __version__

        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line; whatever is refused is one line on stderr and exit code 2."""
    open_streams()
    # What the library warns of looks like what it refuses.
    logging.lastResort.setFormatter(logging.Formatter("metaseg-tf: %(message)s"))
    try:
        sys.exit(app(prog_name=app.info.name, standalone_mode=False))
    except (MetaSegError, OSError) as error:
        # What the system says of a path, such as that its name is too long, is a line as well.
        print_error(error)
    except typer.TyperException as error:
        _print_misuse(error)
    sys.exit(2)


def _print_misuse(error: typer.TyperException) -> None:
    """An unknown verb, option or value; nothing where help was shown in place of a verb."""
    message = error.format_message().rstrip(".").replace("Value error, ", "")
    context = getattr(error, "ctx", None)
    if message:
        print_error(f"{message}; see {context.command_path} --help" if context else message)
