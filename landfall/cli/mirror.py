"""landfall mirror: what hosts without a way out install."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from landfall.cli import arguments
from landfall.cli.console import reporter
from landfall.model.environment import find

NAME = "mirror"
HELP = """Publish what the hosts of ENV install: Python wheels and Debian 12 packages, in a folder.

Any web server of the site may serve the folder; it can also be carried there. Wheels are those of
requirements.lock. Packages are fetched anew each time. What was published before stays.

Example: landfall mirror prod --to mirror --url http://mirror.site/landfall
"""
CONTEXT = arguments.PLAIN


def command(
    env: arguments.EnvironmentName,
    to: Annotated[Path, typer.Option(help="The folder that a web server of the site serves.")],
    url: Annotated[str, typer.Option(help="The address at which hosts find that folder.")],
) -> None:
    """Publish for ENV."""
    from landfall.cli.flow import mirror

    environment = find(env)
    report = reporter()
    with report.step(f"mirror: what the hosts of {env} install") as step:
        made = mirror.publish(environment, to, url, step.update)
        step.result = f"{made.wheels.name}, {made.packages.name}"
    base = url.rstrip("/")
    typer.echo(f"services:  # in {environment.site_file.relative_to(environment.root)}, under site")
    typer.echo("  packages:")
    typer.echo(f"    url: {base}/{mirror.PACKAGES}/")
    typer.echo(f"    key: a copy of {made.key} below the checkout")
