"""The command line: one file per verb, nothing but argument handling and printing.

Heavy imports are inside the verbs, so that ``metaseg-tf --help`` answers at once.
"""

import logging
import sys
from importlib import import_module

import typer

from metaseg_tf.cli.console import open_streams, print_error
from metaseg_tf.errors import MetaSegError

__all__ = ["VERBS", "app", "main"]

#: The verbs below the headings of ``metaseg-tf --help``: modules of this package with a function of
#: their own name or, for a group of verbs, with a Typer called ``app``.
VERBS = {
    "Start": ("demo", "doctor", "checkpoints"),
    "Measure segments": ("extract", "compact"),
    "Results": ("table", "figure", "report", "misses", "diagnose", "verify", "reproduce"),
    "Judge without ground truth": ("fit", "predict", "score", "ablate"),
    "Improve the labels": ("review", "select", "export"),
}


def make_app() -> typer.Typer:
    """The command line with all of its verbs."""
    app = typer.Typer(
        name="metaseg-tf",
        help="Find out which segments of a semantic segmentation can be trusted "
        "(Rottmann et al., 2018).",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )

    @app.callback(invoke_without_command=True)
    def show_version(
        version: bool = typer.Option(False, "--version", help="Print the version and exit."),
    ) -> None:
        if version:
            from metaseg_tf import __version__

            typer.echo(__version__)
            raise typer.Exit

    for heading, names in VERBS.items():
        for name in names:
            module = import_module(f"{__name__}.{name}")
            if hasattr(module, "app"):
                app.add_typer(module.app, name=name, rich_help_panel=heading)
            else:
                app.command(name, rich_help_panel=heading)(getattr(module, name))
    return app


app = make_app()


def main() -> None:
    """Run the command line; anything that is refused is one line on stderr and exit code 2."""
    open_streams()
    # The library's warnings look like its refusals.
    logging.lastResort.setFormatter(logging.Formatter("metaseg-tf: %(message)s"))
    try:
        sys.exit(app(prog_name=app.info.name, standalone_mode=False))
    except (MetaSegError, OSError) as error:
        # What the system says about a path, such as that its name is too long, is one line, too.
        print_error(error)
    except typer.TyperException as error:
        # An unknown verb, option or value; no message if help was shown because no verb was given.
        message = error.format_message().rstrip(".").replace("Value error, ", "")
        context = getattr(error, "ctx", None)
        if message:
            print_error(f"{message}; see {context.command_path} --help" if context else message)
    sys.exit(2)
