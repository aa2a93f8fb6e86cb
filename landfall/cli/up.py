"""landfall up: bring an environment to what its files say."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from landfall.cli import arguments
from landfall.cli.console import print_json, reporter
from landfall.model.environment import find

NAME = "up"
HELP = """Bring an environment up: cloud half, engines, site half, in this order.

dev is the rehearsal: everything that is missing is made on this machine, from the model to the
booted host, and what is there already stays. Safe to run again, and to interrupt.

Example: landfall up dev
"""
CONTEXT = arguments.PLAIN


def command(
    env: arguments.EnvironmentName = "dev",
    offline: arguments.Account = None,
    site: Annotated[bool, typer.Option("--site/--no-site", help="Configure hosts, too.")] = True,
    as_json: arguments.AsJson = False,
) -> None:
    """Bring ENV up and say what it now serves."""
    from landfall.cli.flow import loop

    environment = find(env)
    done = loop.up(
        environment,
        reporter(),
        offline=environment.rehearsal if offline is None else offline,
        site_too=site,
    )
    if as_json:
        print_json(done)
    else:
        Console(soft_wrap=True).print(loop.sentence(done))
