"""The command line: the verbs in one file per group, nothing but argument handling and printing.

Heavy imports are inside the verbs, so that ``metaseg-tf --help`` answers at once.
"""

import logging
import sys
from itertools import chain

import typer
from typer.core import TyperCommand, TyperGroup

from metaseg_tf.cli import checkpoints, doctor, judging, labels, measuring, reproduce, results
from metaseg_tf.cli.console import open_streams, print_error
from metaseg_tf.errors import MetaSegError

__all__ = ["VERBS", "app", "main"]

#: The verbs below the headings of ``metaseg-tf --help``: functions, or a Typer for a group.
VERBS = {
    "Start": (reproduce.demo, doctor.doctor, checkpoints.app),
    "Measure segments": (measuring.extract, measuring.compact),
    "Results": (
        *(results.table, results.figure, results.report, results.misses, results.diagnose),
        *(results.verify, reproduce.reproduce),
    ),
    "Judge without ground truth": (judging.fit, measuring.predict, judging.score, judging.ablate),
    "Improve the labels": (labels.review, labels.select, labels.export),
}


class _Group(TyperGroup):
    def format_commands(self, ctx, formatter):
        """The verbs below their headings."""
        width = max(map(len, self.commands))
        for heading, verbs in VERBS.items():
            with formatter.section(heading):
                names = [getattr(verb, "__name__", None) or verb.info.name for verb in verbs]
                rows = [(n.ljust(width), self.commands[n].get_short_help_str(200)) for n in names]
                formatter.write_dl(rows)


class _Command(TyperCommand):
    def format_options(self, ctx, formatter):
        """Arguments, options, and options of one kind below a heading of their own."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            if record := param.get_help_record(ctx):
                usual = f"{param.param_type_name.capitalize()}s"
                panels.setdefault(param.rich_help_panel or usual, []).append(record)
        for heading, records in panels.items():
            with formatter.section(heading):
                formatter.write_dl(records)


# Without rich, which takes longer to load than the help to print.
app = typer.Typer(
    name="metaseg-tf",
    cls=_Group,
    rich_markup_mode=None,
    help="Find out which segments of a semantic segmentation can be trusted "
    "(Rottmann et al., 2018).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for _verb in chain(*VERBS.values()):
    if isinstance(_verb, typer.Typer):
        app.add_typer(_verb, name=_verb.info.name)
    else:
        app.command(_verb.__name__, cls=_Command)(_verb)


@app.callback(invoke_without_command=True)
def show_version(
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    if version:
        from metaseg_tf import __version__

        typer.echo(__version__)
        raise typer.Exit


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
        # An unknown verb, option or value, or no verb, whose message is the help.
        message = error.format_message()
        context = getattr(error, "ctx", None)
        if context and message == context.get_help():
            typer.echo(message)
        else:
            message = message.rstrip(".").replace("Value error, ", "")
            print_error(f"{message}; see {context.command_path} --help" if context else message)
    sys.exit(2)
