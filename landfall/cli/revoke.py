"""landfall revoke: a host of the site gets no credentials any more."""

from __future__ import annotations

from typing import Annotated

import typer

from landfall.cli import arguments
from landfall.cli.arguments import EnvironmentName
from landfall.cli.console import reporter
from landfall.model.environment import find

NAME = "revoke"
HELP = """Revoke a host of the site: no new credentials, and those that it has are worth nothing.

Writes the host's name into the environment's stack file. The roles deny it with the next
`landfall up`; commit the file, so that every later one does too.

Example: landfall revoke gpu-1.hospital.example prod
"""
CONTEXT = arguments.PLAIN

HostName = Annotated[
    str, typer.Argument(metavar="HOST", help="The common name of the host's certificate.")
]


DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change; change nothing.")]


def command(host: HostName, env: EnvironmentName = "dev", dry_run: DryRun = False) -> None:
    """Write HOST among the revoked hosts of ENV, and say what is left to do."""
    from stacks.settings import revocation

    environment = find(env)
    tell, name = reporter(), environment.stack_file.name
    if dry_run:
        there = revocation.plan(environment, host) is None
        tell.say(f"{host} {'is revoked already' if there else 'would be revoked'} in {name}.")
        return
    if revocation.revoke(environment, host):
        tell.say(f"{host} is revoked in {name}.")
    else:
        tell.say(f"{host} was revoked already in {name}.")
    tell.say(f"It takes effect with: landfall up {env}")
