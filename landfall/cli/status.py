"""landfall status: what runs, what is released, what the cloud half said."""

from __future__ import annotations

from dataclasses import asdict

import typer
from rich.console import Console
from rich.table import Table

from landfall.cli import arguments
from landfall.cli.console import print_json
from landfall.model.environment import find

NAME = "status"
HELP = """Show what runs and what is released in an environment; ends with 1 if something is down.

Example: landfall status dev
"""
CONTEXT = arguments.PLAIN

SIGNS = {True: "[green]up[/]", False: "[red]down[/]"}


def command(env: arguments.EnvironmentName = "dev", as_json: arguments.AsJson = False) -> None:
    """Look, change nothing."""
    from landfall.cli.flow import overview

    parts = overview.look(find(env))
    if as_json:
        print_json([asdict(part) for part in parts])
    else:
        table = Table(box=None, padding=(0, 2))
        for heading in ("", "part", "what"):
            table.add_column(heading)
        for part in parts:
            table.add_row(SIGNS[part.up], part.name, part.detail)
        Console(soft_wrap=True).print(table)
    if not all(part.up for part in parts):
        raise typer.Exit(1)
