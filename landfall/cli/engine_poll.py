"""landfall engine poll: what the registry has that the site does not serve yet."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from landfall.cli.arguments import AsJson
from landfall.cli.console import print_json
from landfall.model.environment import find


def add_to(app: typer.Typer) -> None:
    """Add the command of this module to the group `landfall engine`."""
    app.command()(poll)


def poll(
    env: Annotated[str, typer.Argument(metavar="ENV", help="dev, staging or prod.")] = "dev",
    as_json: AsJson = False,
) -> None:
    """Ask the registry for what is newer than what is served, and write a proposal for each.

    Nothing is built and nothing is released. Ends with 10 where there is a proposal, with 13 where
    something cannot be planned: made for a timer at the site, which asks outward.

    Example: landfall engine poll prod
    """
    from landfall.cli.flow import polling

    environment = find(env)
    found = polling.poll(environment)
    if as_json:
        print_json(
            {
                "proposals": [
                    {"name": each.change.target, "new": each.new, "file": str(each.file)}
                    for each in found.proposals
                ],
                "unknown": [each.summary for each in found.unknown],
            }
        )
    else:
        console = Console(soft_wrap=True, highlight=False)
        for each in found.proposals:
            sign = "[green]new[/]" if each.new else "[dim]known[/]"
            path = each.file.relative_to(environment.root)
            console.print(f"{sign}  {escape(each.change.summary)}  [dim]{path}[/]")
        for change in found.unknown:
            console.print(f"[yellow]?[/]  {escape(change.summary)}: {', '.join(change.reasons)}")
        if not (found.proposals or found.unknown):
            console.print("what the registry has is what is served")
    raise typer.Exit(found.exit_code)
