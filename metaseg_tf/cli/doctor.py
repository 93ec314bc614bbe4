"""``metaseg-tf doctor``: what is installed and found here, and what is missing for what."""

from collections.abc import Sequence
from dataclasses import asdict

import typer

from metaseg_tf.cli.checkup import Finding, examine
from metaseg_tf.cli.console import print_json
from metaseg_tf.cli.options import AsJson

__all__ = ["doctor"]


def doctor(as_json: AsJson = False) -> None:
    """Look at packages, devices, networks and data; exit code 1 if something needed is broken."""
    findings = list(examine())
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        _print_findings(findings)
    if any(finding.state == "broken" for finding in findings):
        raise typer.Exit(1)


def _print_findings(findings: Sequence[Finding]) -> None:
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        typer.echo(f"{finding.state:8} {finding.name:{width}}  {finding.detail}")
    lacking = [finding for finding in findings if finding.state != "ok"]
    typer.echo("\nwhat is missing for what:" if lacking else "\nnothing is missing")
    for finding in lacking:
        typer.echo(f"- {finding.name}: for {finding.needed_for}; {finding.remedy}")
