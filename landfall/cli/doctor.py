"""landfall doctor: what this machine can do, and what it lacks."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from landfall.cli import arguments
from landfall.cli.console import print_json, reporter

if TYPE_CHECKING:
    from landfall.cli.flow.machine import Finding

NAME = "doctor"
HELP = """Show what this machine can do and what it lacks; with --fix, get what can be got.

Example: landfall doctor --fix
"""
CONTEXT = arguments.PLAIN

SIGNS = {True: "[green]✓[/]", False: "[red]✗[/]"}


def command(
    fix: Annotated[bool, typer.Option("--fix", help="Install or build what is missing.")] = False,
    site: Annotated[bool, typer.Option("--site/--no-site", help="With a booted host.")] = True,
    rack: Annotated[bool, typer.Option("--rack", help="With emulated servers, too.")] = False,
    as_json: arguments.AsJson = False,
) -> None:
    """Look at the machine; end with 1 if something is missing."""
    from landfall.cli.flow import machine

    if fix:
        machine.fix(reporter(), site=site, rack=rack)
    found = machine.look(site=site, rack=rack)
    if as_json:
        print_json([asdict(each) for each in found])
    else:
        _print(found)
    if not all(each.present for each in found):
        raise typer.Exit(1)


def _print(found: list[Finding]) -> None:
    table = Table(box=None, padding=(0, 2))
    for heading in ("", "what", "found", "needed for"):
        table.add_column(heading)
    for each in found:
        table.add_row(SIGNS[each.present], each.name, each.detail, each.needed_for)
    Console(soft_wrap=True).print(table)
