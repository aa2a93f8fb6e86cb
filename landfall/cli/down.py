"""landfall down: end what `up` started."""

from __future__ import annotations

from typing import Annotated

import typer

from landfall.cli import arguments
from landfall.cli.console import reporter
from landfall.errors import UsageError
from landfall.model.environment import find

NAME = "down"
HELP = """Stop a rehearsal: its hosts, its services, its namespace. What was built is kept.

With --purge also forget its cloud state, training, releases and engines. An environment with a real
account is not touched by this: its cloud half is destroyed with `pulumi destroy`.

Example: landfall down dev
"""
CONTEXT = arguments.PLAIN


def command(
    env: arguments.EnvironmentName = "dev",
    purge: Annotated[bool, typer.Option("--purge", help="Forget everything, too.")] = False,
) -> None:
    """Stop the rehearsal."""
    from landfall.cli.flow import loop

    environment = find(env)
    if not environment.rehearsal:
        raise UsageError(
            f"{env} is no rehearsal, and `down` ends only those",
            hint=f"pulumi destroy -s {env} destroys its cloud half",
        )
    loop.down(environment, reporter(), purge=purge)
