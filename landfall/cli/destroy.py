"""landfall destroy: take the cloud half of an environment down."""

from __future__ import annotations

from typing import Annotated

import typer

from landfall.cli import arguments
from landfall.cli.console import reporter
from landfall.errors import UsageError
from landfall.model.environment import find

NAME = "destroy"
HELP = """Destroy the cloud half of an environment, unless something in it is protected.

Ends with 1 then, names what is protected, and touches nothing. The
environment's name is asked for once more with --yes.

Example: landfall destroy dev --yes dev
"""
CONTEXT = arguments.PLAIN


def command(
    env: arguments.EnvironmentName = "dev",
    offline: arguments.Account = None,
    yes: Annotated[str, typer.Option(help="The environment's name once more.")] = "",
) -> None:
    """Destroy the cloud half of ENV."""
    from landfall.cli.flow import cloud

    environment = find(env)
    if yes != env:
        raise UsageError(
            f"this destroys the cloud half of {env}", hint=f"landfall destroy {env} --yes {env}"
        )
    rehearsed = environment.rehearsal if offline is None else offline
    with reporter().step(f"cloud: destroying {env}") as step:
        cloud.take_down(environment, offline=rehearsed, step=step)
